"""Success on held-out targets: zero-shot, and fine-tuned on ten scripted demonstrations.

Each target is a thing and a kitchen that the shipped checkpoint has never seen. All commands are
those of an operator; every target has its own workspace, its own ten demonstrations, and the same
start states for each policy. Finished steps are kept, so the script goes on where it stopped.
Whether another checkpoint is better is decided on the selection targets, with `--checkpoint`.

    python benchmarks/held_out_targets.py OUT [--trials 50] [--steps N] [--from-scratch] [--jobs 2]
    python benchmarks/held_out_targets.py OUT --targets selection --checkpoint FOLDER --against OLD
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import ptrctl, require_done
from benchmarks.ptr_bench.comparison import bootstrap_interval, compare_cells
from benchmarks.ptr_bench.report import FEWEST_CELLS
from benchmarks.ptr_bench.targets import TARGETS as BENCH_TARGETS
from benchmarks.ptr_bench.targets import UNREPORTED, Target
from ptrctl.checkpoints import PRETRAINED
from ptrctl.statistics import Rate
from ptrctl.trials import load_summary

TARGETS: dict[str, tuple[Target, ...]] = {
    "reported": (
        Target("put_sushi_in_pot", 1_000_000),
        Target("put_mushroom_on_plate", 1_000_001),
        Target("take_croissant_out_of_bowl", 1_000_002),
        Target("put_croissant_in_basket", 1_000_003),
        Target("take_sushi_off_plate", 1_000_004),
        Target("put_mushroom_in_bowl", 1_000_005),
        Target("put_sushi_in_pan", 1_000_006),
    ),
    "selection": (*BENCH_TARGETS["selection"], *UNREPORTED),
}


def measure(target: Target, options: argparse.Namespace) -> dict[str, Rate]:
    """Each policy's success on one target."""
    task = target.task
    folder = options.out / task
    steps = ("--steps", str(options.steps)) if options.steps else ()
    where = ("--task", task, "--kitchen", str(target.kitchen))

    def run(*words: str) -> dict[str, Any]:
        return require_done(ptrctl(folder, *words, threads=1))

    def trials(checkpoint: str, session: str) -> Rate:
        told = run(
            *("evaluate", *where, "-c", checkpoint, "--session", session),
            *("--trials", str(options.trials)),
        )
        return Rate(told["successes"], told["trials"])

    run("record", *where, "--demonstrator", "scripted", "--fast", "-n", "10")
    row = {"zero-shot": trials(options.checkpoint, "zero-shot")}
    run("finetune", "--task", task, "-c", options.checkpoint, *steps)
    row["fine-tuned"] = trials(task, "fine-tuned")
    if options.from_scratch:
        run("finetune", "--task", task, "--from-scratch", "--name", "scratch", *steps)
        row["from-scratch"] = trials("scratch", "from-scratch")
    return row


def in_words(name: str, row: Mapping[str, Rate]) -> str:
    """One line of the table."""
    return " | ".join([name, *(f"{policy} {rate}" for policy, rate in row.items())])


def together(rows: list[dict[str, Rate]]) -> str:
    """A line for all targets: the rate of these trials, and the interval of targets like these."""
    words = []
    for policy in rows[0]:
        successes = [row[policy].successes for row in rows]
        trials = [row[policy].trials for row in rows]
        said = f"{policy} {Rate(sum(successes), sum(trials))}"
        if len(rows) >= FEWEST_CELLS:
            low, high = bootstrap_interval(successes, trials)
            said += f", by targets [{low:.2f}, {high:.2f}]"
        words.append(said)
    return " | ".join(["together", *words])


def outcomes(out: Path, targets: Sequence[Target], session: str) -> dict[str, list[bool]]:
    """What became of each trial, by target."""
    folders = {target.task: out / target.task / "trials" / session for target in targets}
    return {
        task: [trial.success for trial in load_summary(folder).counted]
        for task, folder in folders.items()
    }


def print_comparison(
    old: Path, new: Path, targets: Sequence[Target], policies: Sequence[str]
) -> None:
    """Both folders' policies on the same start states."""
    for policy in policies:
        both = compare_cells(*(outcomes(out, targets, policy) for out in (old, new)))
        said = f"{policy}: {both.pairs}; {both.points:+.1f} points"
        if len(targets) >= FEWEST_CELLS:
            low, high = both.points_95
            said += f" [{low:+.1f}, {high:+.1f}] by targets"
        print(f"{said}, sign-flip p {both.sign_flip_p:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--targets", choices=TARGETS, default="reported")
    parser.add_argument("--checkpoint", default=PRETRAINED, help="to start from: name or folder")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--steps", type=int, help="updates of fine-tuning; default the command's")
    parser.add_argument("--from-scratch", action="store_true")
    parser.add_argument("--against", type=Path, help="compare with this earlier OUT")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time, one thread each")
    options = parser.parse_args()
    targets = TARGETS[options.targets]
    rows = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for target, row in zip(
            targets, pool.map(lambda target: measure(target, options), targets), strict=True
        ):
            print(in_words(f"{target.task} in kitchen {target.kitchen}", row), flush=True)
            rows.append(row)
    print(together(rows))
    if options.against:
        print_comparison(options.against, options.out, targets, list(rows[0]))


if __name__ == "__main__":
    main()
