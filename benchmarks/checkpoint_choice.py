"""Which criterion picks checkpoints that succeed? Every checkpoint of many fine-tunings, tried.

Fine-tunes for the selection targets as `ptrctl finetune` does (nine demonstrations, one held out),
from several seeds, and tries each of the four checkpoints of a run from the same start states. Each
tried checkpoint is a line in OUT/runs/<run>/trials.jsonl and never tried again, so the command goes
on where it was stopped; several may work in one folder.

    python benchmarks/checkpoint_choice.py OUT [--seeds 7] [--updates 500] [--trials 40]
    python benchmarks/checkpoint_choice.py OUT --report
"""

from __future__ import annotations

import os

# One thread a process, in every process: set before anything loads a maths library.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import multiprocessing
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.choice_report import CHECKPOINTS, score_to_json, to_markdown
from benchmarks.common import locked
from benchmarks.ptr_bench.lines import seal
from benchmarks.ptr_bench.provenance import describe_code, describe_host
from benchmarks.ptr_bench.rollouts import make_demonstrations, run_trials
from benchmarks.ptr_bench.targets import Target, choose_targets, start_seeds
from hardware.modules import SIMULATED
from policies.checkpoint import Checkpoint, load_checkpoint
from policies.policy import Policy
from policies.selection import score_held_out
from policies.training import STATE_FILE
from ptrctl.checkpoints import PRETRAINED, rehearsal_of, shipped_folder
from ptrctl.files import append_json_line, read_json, read_json_lines, write_json
from ptrctl.statistics import Rate
from ptrctl.workflows.attempt import now_utc
from ptrctl.workflows.finetune import (
    CHECKPOINTS_A_RUN,
    TrainingRequest,
    finetune,
    load_demonstrations,
    pack_prior,
)
from recordings.errors import PtrctlError, RecordingError, UsageError
from recordings.packed import PackedDataset

SETTINGS_FILE = "choice.json"
LINES_FILE = "trials.jsonl"

assert CHECKPOINTS == CHECKPOINTS_A_RUN


@dataclass(frozen=True)
class Study:
    """What all runs share.

    Args:
        out: Folder of the study.
        init: Folder of the checkpoint that they start from.
        prior: Folders of prior data.
        learner: "ptr" or "bc".
        updates: Of each fine-tuning.
        trials: Start states of each checkpoint.
    """

    out: Path
    init: Path
    prior: tuple[Path, ...]
    learner: str
    updates: int
    trials: int

    def __post_init__(self) -> None:
        if self.updates < 1 or self.updates % CHECKPOINTS:
            raise UsageError(
                f"--updates is {self.updates}.",
                f"A multiple of {CHECKPOINTS} was expected: checkpoints are kept at the quarters.",
                "Choose another number, such as `--updates 500`.",
            )
        if self.trials < 1:
            raise UsageError(
                f"--trials is {self.trials}.", "At least 1 was expected.", "Try `--trials 40`."
            )

    def folder(self, target: Target, seed: int) -> Path:
        """Of one run."""
        return self.out / "runs" / f"{target.name}-seed{seed}"

    def request(self, run: Path, seed: int, init: Checkpoint) -> TrainingRequest:
        """What `ptrctl finetune` would ask for."""
        assert self.learner in ("bc", "ptr")
        return TrainingRequest(
            run=run,
            steps=self.updates,
            learner="bc" if self.learner == "bc" else "ptr",
            init=init,
            preset=init.info.config.preset,
            seed=seed,
            robot=SIMULATED,
            cache=self.out / "cache",
            camera=init.info.camera,
        )

    def open_prior(self) -> tuple[Checkpoint, PackedDataset]:
        """The checkpoint to start from, and the prior data."""
        init = load_checkpoint(self.init)
        request = self.request(self.out, 0, init)
        with locked(self.out / ".packing.lock"):
            return init, pack_prior(self.prior, request)


def do_run(study: Study, target: Target, seed: int) -> None:
    """Fine-tune once and try each checkpoint, or go on where a kill ended it.

    Raises:
        PtrctlError: It cannot be done.
    """
    folder = study.folder(target, seed)
    with locked(folder / ".run.lock"):
        done = {line["steps"] for line in read_json_lines(folder / LINES_FILE)}
        if len(done) == CHECKPOINTS:
            return
        torch.set_num_threads(1)
        init, prior = study.open_prior()
        request = study.request(folder, seed, init)
        demos = study.out / "demonstrations" / target.name
        with locked(study.out / ".packing.lock"):
            make_demonstrations(target, demos)
            demonstrations = load_demonstrations(demos, request)
        held_out = demonstrations.validation
        assert held_out is not None, "there are ten demonstrations"
        print(f"fine-tunes {folder.name}", flush=True)
        finetune(request, demonstrations, prior)
        code, host = describe_code(), describe_host("cpu")
        kept = sorted((folder / "training" / "checkpoints").glob("step-*"))
        assert len(kept) == CHECKPOINTS, "checkpoints are kept at the quarters"
        for path in kept:
            checkpoint = load_checkpoint(path)
            steps = checkpoint.info.steps - init.info.steps
            if steps in done:
                continue
            began_s = time.monotonic()
            seeds = start_seeds("selection", study.trials)
            trials = run_trials(Policy.from_checkpoint(checkpoint), target, seeds)
            line: dict[str, Any] = {
                "task": target.task,
                "kitchen": target.kitchen,
                "seed": seed,
                "steps": steps,
                "checkpoint": checkpoint.digest,
                "data": dict(checkpoint.info.data),
                "held_out": demonstrations.held_out,
                "score": score_to_json(score_held_out(checkpoint, held_out)),
                "outcomes": [trial.success for trial in trials],
                "start_seeds": [trial.seed for trial in trials],
                "stages": [trial.stage for trial in trials],
                "ends": [trial.end for trial in trials],
                "code": code,
                "host": host,
                "finished_at": now_utc(),
                "wall_s": round(time.monotonic() - began_s, 3),
            }
            append_json_line(folder / LINES_FILE, seal(line))
            rate = Rate(sum(line["outcomes"]), len(trials))
            print(f"tried      {folder.name}, {steps} updates: {rate}", flush=True)
        # Until all lines are there, a run goes on from this.
        (folder / "training" / STATE_FILE).unlink(missing_ok=True)


def freeze(study: Study, settings: Mapping[str, Any]) -> None:
    """Write what all runs share into the folder, or check that it is what is written there.

    Raises:
        UsageError: The folder was begun with other settings.
    """
    path = study.out / SETTINGS_FILE
    if not path.exists():
        write_json(path, settings)
        return
    earlier = read_json(path)
    different = [name for name in settings if settings[name] != earlier.get(name)]
    if different:
        raise UsageError(
            f"{study.out} was begun with other settings: {', '.join(different)} differ.",
            "All runs of one study share them.",
            "Choose another folder, or the settings it was begun with.",
        )


def read_lines(out: Path) -> list[dict[str, Any]]:
    """All lines of a study.

    Raises:
        RecordingError: One is not as it was written.
    """
    lines = []
    for path in sorted((out / "runs").glob(f"*/{LINES_FILE}")):
        for line in read_json_lines(path):
            if line != seal(line):
                raise RecordingError(
                    f"A line of {path} is not as it was written.",
                    "Its contents should be those of its digest.",
                    f"Remove {path.parent} and run it again.",
                )
            lines.append(line)
    return lines


def run(study: Study, targets: Sequence[Target], seeds: Sequence[int], jobs: int) -> None:
    """Do what is left to do, one seed after the other."""
    init, prior = study.open_prior()
    freeze(
        study,
        {
            "checkpoint": init.digest,
            "prior": prior.digest,
            "learner": study.learner,
            "updates": study.updates,
            "trials": study.trials,
        },
    )
    runs = [(target, seed) for seed in seeds for target in targets]
    if jobs == 1:
        for target, seed in runs:
            do_run(study, target, seed)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for future in [pool.submit(do_run, study, target, seed) for target, seed in runs]:
            future.result()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the study")
    parser.add_argument("--checkpoint", default=PRETRAINED, help="a folder (the shipped one)")
    parser.add_argument(
        "--prior", type=Path, nargs="+", help="of recordings (the checkpoint's rehearsal set)"
    )
    parser.add_argument("--targets", nargs="+", metavar="TASK", help="all selection targets")
    parser.add_argument("--seeds", type=int, default=7, help="how many: 0, 1, 2, ...")
    parser.add_argument("--updates", type=int, default=500, help="of each fine-tuning")
    parser.add_argument("--trials", type=int, default=40, help="of each checkpoint")
    parser.add_argument("--learner", choices=("ptr", "bc"), default="ptr")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--report", action="store_true", help="only print what there is")
    return parser.parse_args()


def main() -> int:
    options = parse()
    try:
        if not options.report:
            init = Path(options.checkpoint)
            init = shipped_folder() if options.checkpoint == PRETRAINED else init
            study = Study(
                out=options.out,
                init=init,
                prior=tuple(options.prior or rehearsal_of(load_checkpoint(init))),
                learner=options.learner,
                updates=options.updates,
                trials=options.trials,
            )
            targets = choose_targets("selection", options.targets)
            run(study, targets, range(options.seeds), options.jobs)
        print(to_markdown(read_lines(options.out), read_json(options.out / SETTINGS_FILE)))
    except PtrctlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
