"""How much a demo does, and which of its stages are done, kept on the disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ptrctl.checkpoints import PRETRAINED
from ptrctl.files import read_json, write_json
from ptrctl.plan import check_same
from ptrctl.workspace import Workspace
from recordings.errors import RecordingError, UsageError

STATE_FILE = "demo.json"
ELSEWHERE = "name another folder with `--workspace`"


@dataclass(frozen=True)
class DemoOptions:
    """How much is done.

    Args:
        demonstrations: Scripted, of the held-out task.
        steps: Updates of fine-tuning.
        trials: Scored trials before and after practice.
        practice: Autonomous trials.
        selection: Scored trials of each candidate checkpoint.
        updates: Learning steps after each practice trial.
        checkpoint: Where to start.
        baselines: Also evaluate zero-shot and from scratch, on the same start states.
        seed: Of everything random.
    """

    demonstrations: int = 10
    steps: int = 500
    trials: int = 50
    practice: int = 20
    selection: int = 20
    updates: int = 50
    checkpoint: str = PRETRAINED
    baselines: bool = False
    seed: int = 0


def quickly(options: DemoOptions) -> DemoOptions:
    """Everything once, in seconds; its figures mean nothing."""
    return DemoOptions(
        demonstrations=2,
        steps=10,
        trials=2,
        practice=2,
        selection=1,
        updates=2,
        checkpoint=options.checkpoint,
        baselines=options.baselines,
        seed=options.seed,
    )


def require_own_folder(workspace: Workspace) -> None:
    """Raise `UsageError` if the folder is somebody's workspace: the demo would learn from what was
    recorded there, add to it, and take what it finds for its own.
    """
    lab = [workspace.profile_path, workspace.demos(""), workspace.trials("")]
    if (workspace.root / STATE_FILE).exists() or not any(path.exists() for path in lab):
        return
    raise UsageError(
        f"The folder {workspace.root} is a workspace, and not one of a demo.",
        "The demo writes a workspace of its own.",
        f"Leave `--workspace` out, or {ELSEWHERE}.",
    )


class DemoState:
    """Which stages are done, in what time and with what result, on the disk.

    Raises:
        UsageError: The folder holds a demo with other options or another checkpoint.
        RecordingError: Its file is damaged.
    """

    def __init__(self, path: Path, options: DemoOptions, digest: str) -> None:
        self.path = path
        settings = {**asdict(options), "checkpoint_digest": digest, "version": version("ptrctl")}
        self.stages: dict[str, dict[str, Any]] = {}
        if path.exists():
            earlier = read_json(path)
            if not all(isinstance(earlier.get(name), dict) for name in ("settings", "stages")):
                raise RecordingError(
                    f"{path} does not say what of the demo is done.",
                    "It should be as `ptrctl demo` wrote it.",
                    f"Restore it from a copy, or {ELSEWHERE}.",
                )
            check_same(earlier["settings"], settings, str(path.parent), ELSEWHERE)
            self.stages = earlier["stages"]
        self._settings = settings
        self._write()

    def done(self, stage: str, seconds: float, **result: Any) -> None:
        """Keep a stage's result; seconds of earlier, interrupted calls are added."""
        before = self.stages.get(stage, {}).get("seconds", 0.0)
        self.stages[stage] = {"done": True, "seconds": before + seconds, **result}
        self._write()

    def interrupted(self, stage: str, seconds: float) -> None:
        """Keep the time that an unfinished stage has used."""
        before = self.stages.get(stage, {}).get("seconds", 0.0)
        self.stages[stage] = {"done": False, "seconds": before + seconds}
        self._write()

    def _write(self) -> None:
        write_json(self.path, {"settings": self._settings, "stages": self.stages})
