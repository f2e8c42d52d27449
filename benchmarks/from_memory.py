"""How often the arm does from memory what it has just undone, and whether its hand knows.

In held-out kitchens, none of them a reporting target's, the shipped policy does the undoing task
once from each start state. Then the arm takes the thing there and back from memory
(docs/improve.md), until a trial fails, it does not know where the thing is, or it has done
`--most`. The simulator judges.

    python benchmarks/from_memory.py [--starts 14] [--most 8]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.ptr_bench.rollouts import target_cell
from benchmarks.ptr_bench.targets import MAX_STEPS, UNREPORTED, Target
from hardware.loop import SUCCESS_STEPS, Decider
from hardware.registry import Cell
from hardware.sim.tasks import parse_task
from policies.carrying import MOST_PERIODS
from policies.checkpoint import Checkpoint, load_checkpoint
from policies.policy import Policy
from ptrctl.checkpoints import shipped_folder
from ptrctl.statistics import Rate
from ptrctl.workflows.alternation import POLICY_EVERY, Alternation
from ptrctl.workflows.attempt import AttemptSettings, Listeners, run_attempt
from recordings.errors import RobotError
from recordings.reader import read_episode
from recordings.records import Outcome

TARGETS = (Target("put_croissant_in_basket", 1_000_003), *UNREPORTED)
FIRST_START = 3000


Counts: TypeAlias = "Counter[str | tuple[str, str]]"


def success_of(cell: Cell, decider: Decider, seed: int | None, folder: Path) -> Path | None:
    """The recording of a trial if it succeeds; None too where the arm cannot come to its start."""
    most = MAX_STEPS if seed is not None else MOST_PERIODS
    settings = AttemptSettings("improve", most, SUCCESS_STEPS, folder)
    try:
        done = run_attempt(cell, decider, settings, seed, Listeners())
    except RobotError:
        return None
    return done.episode if done and done.label.outcome is Outcome.SUCCESS else None


def chain(target: Target, checkpoint: Checkpoint, start: int, most: int, counts: Counts) -> int:
    """Count what becomes of the trials from memory after one of the policy; how many succeeded."""
    cell = target_cell(target)
    assert cell.use_task is not None, "the simulator can judge both tasks"
    backward = parse_task(target.task).backward
    known = Alternation(target.task, backward, cell.station.safety.workspace, seed=start)
    policy = Policy.from_checkpoint(checkpoint, new_tasks=[target.task, backward])
    with cell.station, tempfile.TemporaryDirectory() as folder:
        episode = success_of(cell.use_task(backward), policy, start, Path(folder))
        if episode is None:
            counts["policy failed"] += 1
            return 0
        for number in range(most):
            known.saw(read_episode(episode), True)
            # Never a number at which the policy would be asked.
            todo = known.from_memory(number * POLICY_EVERY)
            task, carry = todo or ("", None)
            if carry is None:
                return number
            episode = success_of(cell.use_task(task), carry, None, Path(folder))
            counts["done" if episode else "failed", "felt" if carry.carried else "not felt"] += 1
            if episode is None:
                return number
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=14)
    parser.add_argument("--most", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(shipped_folder())
    every: Counts = Counter()
    lengths: list[int] = []
    for target in TARGETS:
        counts: Counts = Counter()
        for start in range(FIRST_START, FIRST_START + arguments.starts):
            failed = counts["policy failed"]
            length = chain(target, checkpoint, start, arguments.most, counts)
            if counts["policy failed"] == failed:
                lengths.append(length)
        report(target.task, counts)
        every += counts
    report("all", every)
    print(
        f"in a row, at most {arguments.most}: {sum(lengths) / max(len(lengths), 1):.1f} on average"
    )


def report(name: str, counts: Counts) -> None:
    """One line."""
    done = counts["done", "felt"] + counts["done", "not felt"]
    felt = counts["done", "felt"] + counts["failed", "felt"]
    trials = felt + counts["done", "not felt"] + counts["failed", "not felt"]
    right = counts["done", "felt"] + counts["failed", "not felt"]
    print(
        f"{name:26} done {Rate(done, trials)}, the hand was right {Rate(right, trials)}, "
        f"the policy failed {counts['policy failed']} times",
        flush=True,
    )


if __name__ == "__main__":
    main()
