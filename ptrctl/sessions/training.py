"""Puts `ptrctl finetune` together: data, checkpoint, panel, outcome."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware.modules import SIMULATED
from ptrctl.checkpoints import PRETRAINED, open_checkpoint, rehearsal_of
from ptrctl.kitchens import kitchen_flag
from ptrctl.next_command import next_command
from ptrctl.profile import Profile, load_profile
from ptrctl.sessions.what_next import Place, next_evaluation
from ptrctl.terminal import console
from ptrctl.terminal.dashboard import Display, Stage, display
from ptrctl.workflows.finetune import (
    Demonstrations,
    Trained,
    TrainingRequest,
    counts_in_words,
    embodiment_of,
    finetune,
    load_demonstrations,
    pack_prior,
)
from ptrctl.workspace import Workspace, check_folder_name, existing_folder, open_workspace
from recordings.dataset import EpisodeFolder
from recordings.errors import CheckpointError, UsageError, nearest
from recordings.reader import read_summary
from recordings.records import Outcome

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint
    from policies.config import Learner
    from policies.selection import HeldOutScore
    from policies.training import TrainingEvent
    from recordings.packed import PackedDataset

OTHER_NAME = "give this one another name with `--name`"

TYPING_ERROR = 0.8
"""How alike two names are at least of which one is taken for the other, mistyped."""


def expected_update_s() -> float:
    """A guess, until there is a pace: of the shipped checkpoint on two cores."""
    from policies.precision import has_bfloat16

    return 0.13 if has_bfloat16("cpu") else 0.6


SHOWN_METRICS = ("arm", "gripper", "toggle", "td", "cql", "q_data")


@dataclass(frozen=True)
class FinetuneOptions:
    """What the command line says beyond the profile.

    Args:
        checkpoint: Where to start.
        from_scratch: Start from random weights instead.
        preset: Networks when starting from scratch; None takes the shipped checkpoint's.
        demos: Folder of demonstrations; None takes the task's.
        prior: Folders of prior data to mix in; none takes the checkpoint's rehearsal set, if it
            has one.
        steps: Updates.
        learner: "ptr" or "bc".
        seed: Of everything random.
        name: Of the result; None takes the task's name.
    """

    checkpoint: str = PRETRAINED
    from_scratch: bool = False
    preset: str | None = None
    demos: Path | None = None
    prior: tuple[Path, ...] = ()
    steps: int = 500
    learner: Learner = "ptr"
    seed: int = 0
    name: str | None = None


@dataclass(frozen=True)
class Finetuned:
    """What fine-tuning led to.

    Args:
        name: Of the result.
        began: Name of the checkpoint that it started from.
        request, demonstrations, prior: What was trained, on what.
        trained: What came out.
    """

    name: str
    began: str
    request: TrainingRequest
    demonstrations: Demonstrations
    prior: PackedDataset | None
    trained: Trained


def run_finetuning(folder: Path, flags: dict[str, Any], options: FinetuneOptions) -> None:
    """Fine-tune and show the outcome."""
    workspace = open_workspace(folder)
    profile = load_profile(workspace).with_flags(**flags)
    task = profile.task_or_fail()
    check_demonstrated(workspace, profile, options.demos, task)
    stage = Stage("fine-tune", expected_s=options.steps * expected_update_s())
    run = new_run(workspace, options.name or task)
    with (
        workspace.alone_in(run, OTHER_NAME),
        display(f"ptrctl finetune · {task}", [stage]) as shown,
    ):
        result = finetune_task(
            workspace,
            task,
            options,
            camera=profile.camera,
            shown=shown,
            stage=stage.name,
        )
    _show_finetuned(workspace, profile, task, options, result)


def new_run(workspace: Workspace, name: str) -> Path:
    """The folder in which a checkpoint of that name is trained.

    Raises:
        UsageError: It would not be found by that name.
    """
    return workspace.checkpoint(check_folder_name(name, "--name", taken=(PRETRAINED,)))


def check_demonstrated(
    workspace: Workspace, profile: Profile, demos: Path | None, task: str
) -> None:
    """Raise `UsageError` if there is no folder of demonstrations; the message says which there
    are."""
    if (demos or workspace.demos(task)).is_dir():
        return
    tasks = workspace.demonstrated_tasks()
    meant = "" if demos else _meant(task, tasks, profile)
    raise UsageError(
        f"There is no folder `{demos}`." if demos else f"Nobody has demonstrated `{task}` yet.",
        f"Demonstrated tasks: {', '.join(tasks)}." if tasks else "There is no demonstration yet.",
        (f"Did you mean `--task {meant}`? If not, run" if meant else "Run")
        + f" `{next_command('record', workspace, task=task)}`"
        + (f", or choose one with `--task {tasks[0]}`." if tasks and not meant else "."),
    )


def _meant(task: str, demonstrated: Sequence[str], profile: Profile) -> str:
    """A task with nearly that name, "" if there is none or the simulator knows this one."""
    from hardware.sim.tasks import all_task_names

    simulated = all_task_names() if profile.robot == SIMULATED else ()
    near = nearest(task, [*demonstrated, *simulated], alike=TYPING_ERROR)
    return near[0] if near and task not in simulated else ""


def finetune_task(
    workspace: Workspace,
    task: str,
    options: FinetuneOptions,
    *,
    camera: str,
    shown: Display,
    stage: str,
    stop: Callable[[], bool] = lambda: False,
) -> Finetuned:
    """Check and pack the data, train, and choose a checkpoint, as one stage of a display.

    Raises:
        KeyboardInterrupt: `stop` said so; the same call goes on from the last saved state.
        RecordingError: There are no demonstrations, or none succeeds.
        CheckpointError: The checkpoint is missing, damaged or of another kind, or looks through
            another camera.
    """
    name = options.name or task
    init = None if options.from_scratch else open_checkpoint(workspace, options.checkpoint)
    folder = options.demos or workspace.demos(task)
    if init:
        _check_camera(folder, init, options.checkpoint)
    request = TrainingRequest(
        run=new_run(workspace, name),
        steps=options.steps,
        learner=options.learner,
        init=init,
        # From scratch is what the shipped checkpoint is compared with.
        preset=options.preset or open_checkpoint(workspace, PRETRAINED).info.config.preset,
        seed=options.seed,
        robot=embodiment_of([folder]),
        cache=workspace.root / ".cache" / "packed",
        camera=init.info.camera if init else camera,
        # A task's own name stays the task's, with more demonstrations and other settings too.
        beside=options.name is None,
    )
    shown.begin(stage)
    demonstrations = load_demonstrations(folder, request, packing(shown))
    _check_task(demonstrations, folder, task)
    folders = options.prior or (rehearsal_of(init) if init else ())
    prior = pack_prior(folders, request, packing(shown)) if folders else None
    shown.advance(0, 0, "getting ready to learn")
    trained = finetune(request, demonstrations, prior, training(shown, stop))
    shown.finish(stage, trained.reason)
    return Finetuned(name, options.checkpoint, request, demonstrations, prior, trained)


def _check_task(demonstrations: Demonstrations, folder: Path, task: str) -> None:
    """Raise `UsageError` if what is called by one task would learn others alone."""
    data = demonstrations.train
    shown = sorted({data.tasks[number] for number in set(data.task.tolist())})
    if task not in shown:
        raise UsageError(
            f"The demonstrations in {folder} are of {', '.join(shown)}.",
            f"They show {task}, which is to be learned.",
            f"Add `--task {shown[0]}`, or leave `--demos` out.",
        )


def _check_camera(folder: Path, checkpoint: Checkpoint, called: str) -> None:
    """Raise `CheckpointError` if a checkpoint looks through a camera that the demonstrations lack;
    the first of them speaks for all."""
    camera = checkpoint.info.camera
    there = read_summary(EpisodeFolder(folder).some_paths()[0]).info.cameras
    if camera not in there:
        raise CheckpointError(
            f"The checkpoint {called} looks through `{camera}`; the demonstrations in {folder} "
            f"have {', '.join(sorted(there))}.",
            "A policy goes on learning from the camera that it began with.",
            "Add `--from-scratch`, or name a checkpoint of that camera with `--checkpoint`. To "
            f"record for this one, name a camera `{camera}` in `ptrctl setup`.",
        )


def packing(shown: Display) -> Callable[[int, int], None]:
    """Tells a display about packing."""
    return lambda done, total: shown.advance(done, total, "packing the pictures")


def training(
    shown: Display, stop: Callable[[], bool] = lambda: False
) -> Callable[[TrainingEvent], None]:
    """Tells a display about training, and ends it by `KeyboardInterrupt` when `stop` says so."""

    def tell(event: TrainingEvent) -> None:
        if stop():
            raise KeyboardInterrupt
        shown.advance(event.step, event.steps, f"{event.updates_per_s:.1f} updates/s")
        names = [name for name in SHOWN_METRICS if name in event.metrics]
        shown.figures({name: event.metrics[name] for name in names or event.metrics})

    return tell


def training_rows(request: TrainingRequest, trained: Trained, began: str) -> dict[str, object]:
    """What was learned from what, for the outcome's panel."""
    config = request.config
    start = f"{began} ({request.init.short_digest})" if request.init else "random weights"
    for task, other in trained.began_as.items():
        start += f"; {task} as {other}, which its demonstrations fit best"
    rows: dict[str, object] = {
        "learner": f"{config.algorithm.learner}, networks of preset {config.preset}",
        "started from": start,
        "updates": f"{request.steps}, {console.duration(trained.seconds)}"
        + (f", went on at {trained.resumed_at}" if trained.resumed_at else ""),
        "losses": ", ".join(f"{name} {value:.3f}" for name, value in trained.metrics.items()),
        "recommended" if trained.recommended else "best of the run": (
            f"{trained.checkpoint.path.name} ({trained.checkpoint.short_digest}): {trained.reason}"
        ),
    }
    if trained.name_note:
        rows["name"] = f"{request.run.name} {trained.name_note}"
    if trained.scores:
        rows["held-out"] = "; ".join(f"{name}: {_held_out(s)}" for name, s in trained.scores)
    return rows


def _held_out(score: HeldOutScore) -> str:
    text = f"action error {score.action_error:.3f}"
    # A cloned policy has no value.
    if math.isfinite(score.rising):
        text += f", value {score.rising:+.2f}, TD error {score.td_error:.3g}"
    return text


def training_json(name: str, trained: Trained) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "name": name,
        "checkpoint": str(trained.checkpoint.path),
        "digest": trained.checkpoint.digest,
        "reason": trained.reason,
        "recommended": trained.recommended,
        "name_note": trained.name_note,
        "began_as": dict(trained.began_as),
        "seconds": trained.seconds,
        "resumed_at": trained.resumed_at,
        "metrics": dict(trained.metrics),
        "held_out": [{"checkpoint": path, **_score(score)} for path, score in trained.scores],
    }


def _score(score: HeldOutScore) -> Mapping[str, float]:
    return {
        "rising": score.rising,
        "td_error": score.td_error,
        "arm_error": score.arm_error,
        "gripper_error": score.gripper_error,
        "toggle_error_m": score.toggle_error_m,
    }


def _show_finetuned(
    workspace: Workspace, profile: Profile, task: str, options: FinetuneOptions, result: Finetuned
) -> None:
    demonstrations, trained = result.demonstrations, result.trained
    held_out = demonstrations.held_out or "none: too few successes"
    rows: dict[str, object] = {
        "task": task,
        "demonstrations": counts_in_words(demonstrations.counts),
        "held out": held_out,
        "prior data": "none" if result.prior is None else f"{len(result.prior)} transitions",
        **training_rows(result.request, trained, result.began),
    }
    algorithm = result.request.config.algorithm
    by_choice = algorithm.learner == "ptr" and algorithm.extraction == "advantage"
    if by_choice and not _has_failures(result):
        rows["critic"] = "chose nothing: no failures in the data, so the policy is a clone"
    elif by_choice and trained.checkpoint.info.critic_updates <= algorithm.bc_warm_start_steps:
        first = f"during its first {algorithm.bc_warm_start_steps} updates"
        rows["critic"] = f"chose nothing: {first} only successes are cloned"
    elsewhere = kitchen_flag(profile, options.demos or workspace.demos(task))
    kitchen = elsewhere.get("kitchen", profile.kitchen_seed) if profile.robot == SIMULATED else None
    console.outcome_panel(
        "The fine-tuning is complete",
        rows,
        wrote=[workspace.said(trained.checkpoint.path)],
        next_command=next_evaluation(
            Place(workspace, task, kitchen, elsewhere),
            "" if result.name == task else result.name,
            trained.checkpoint.digest,
        ),
        data={
            "task": task,
            "demonstrations": {o.value: n for o, n in demonstrations.counts.items()},
            "held_out_episode": demonstrations.held_out,
            "prior_transitions": 0 if result.prior is None else len(result.prior),
            **training_json(result.name, trained),
        },
    )


def _has_failures(result: Finetuned) -> bool:
    """Whether the policy has learned beside failures, which a critic tells what to take from."""
    prior = result.prior
    among_prior = prior is not None and not bool((prior.success | prior.unlabelled).all())
    return bool(result.demonstrations.counts[Outcome.FAILURE]) or among_prior


def check_one_start(from_scratch: bool, checkpoint: str | None, preset: str | None) -> None:
    """Raise `UsageError` if a checkpoint was named for training from scratch, or networks for
    training that does not start from scratch."""
    if preset is not None and not from_scratch:
        raise UsageError(
            f"`--preset {preset}` was given without `--from-scratch`.",
            "A checkpoint brings its own networks.",
            "Leave `--preset` out, or add `--from-scratch`.",
        )
    if from_scratch and checkpoint is not None:
        raise UsageError(
            f"Both `--from-scratch` and `--checkpoint {checkpoint}` were given.",
            "Training starts from one of them.",
            "Leave one out.",
        )


def folders_exist(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The folders, all of them there.

    Raises:
        UsageError: One is missing.
    """
    return tuple(
        existing_folder(
            folder, f"Make it with `ptrctl data generate --out {shlex.quote(str(folder))}`."
        )
        for folder in folders
    )
