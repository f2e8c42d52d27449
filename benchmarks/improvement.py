"""Success before and after practice whose only reward is a success classifier.

Each target is practised twice: from the checkpoint fine-tuned on ten scripted demonstrations, and
from the pre-trained one, whose policy sees no demonstration at all. It is practised in turn with
the task that undoes it, of which there are no demonstrations either; the simulator lays the scene
out only where the arm is stuck (`--resets`: for every trial, and the target is practised alone).
The classifier also learns from examples of both, as they are made by hand on an arm: how the task
ends, and failures. The simulator's truth scores the trials before and after and chooses between
checkpoints; it labels no practice trial, ends none and is no part of learning. All commands are
those of an operator.

Finished targets are kept in OUT/improvement.jsonl, so that the script goes on where it stopped.

    python benchmarks/improvement.py OUT [--quick] [--targets put_sushi_in_pot:1000000 ...]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import ptrctl, require_done
from benchmarks.ptr_bench.comparison import compare_cells
from benchmarks.ptr_bench.rollouts import make_demonstrations, target_cell
from benchmarks.ptr_bench.targets import TARGETS, Target
from hardware.loop import ControlLoop
from hardware.sim import recipes
from hardware.sim.demonstrator import FAILURES
from hardware.sim.tasks import parse_task
from ptrctl.checkpoints import RECOMMENDED_FILE
from ptrctl.files import append_json_line, read_json, read_json_lines
from ptrctl.statistics import Rate
from ptrctl.trials import load_summary
from ptrctl.workflows.attempt import new_episode_info
from recordings.records import CONTROL_RATE_HZ, EndReason, Label, Outcome
from recordings.writer import EpisodeRecorder, episode_path, journal_path

FINE_TUNED, NO_DEMONSTRATIONS = "fine-tuned", "no demonstrations"
STARTS = (FINE_TUNED, NO_DEMONSTRATIONS)
WHEN = ("before", "after")
FIRST_EXAMPLE_SEED = 10_000
"""Start states of examples; those of demonstrations are smaller."""
EXAMPLE_ATTEMPTS = 100
"""Start states that are tried for one example."""


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Args:
        starts: Start states on which success is scored before and after.
        trials: Practice trials.
        selection: Trials that choose between checkpoints.
        demonstrations: Of each target.
        successes, failures: Examples; as many failures of each kind.
        updates: Of fine-tuning.
    """

    starts: int = 100
    trials: int = 40
    selection: int = 20
    demonstrations: int = 10
    successes: int = 20
    failures: int = 4
    updates: int = 500


QUICK = Scale(4, 2, 2, 5, 5, 1, 10)


def make_examples(target: Target, folder: Path, scale: Scale) -> None:
    """Record scripted successes and failures for the classifier, or go on after a kill."""
    cell = target_cell(target)
    assert cell.demonstrator is not None, "the simulator has one"
    wanted = [("", index) for index in range(scale.successes)]
    wanted += [(failure, index) for failure in FAILURES for index in range(scale.failures)]
    recorder = EpisodeRecorder(folder)
    with cell.station:
        for number, (failure, index) in enumerate(wanted):
            name = f"example-{target.task}-{failure or 'success'}-{index:02d}"
            if episode_path(folder, name).exists():
                continue
            journal_path(folder, name).unlink(missing_ok=True)
            first = FIRST_EXAMPLE_SEED + number * EXAMPLE_ATTEMPTS
            for seed in range(first, first + EXAMPLE_ATTEMPTS):
                cell.start(seed)
                decider = cell.demonstrator(failure=failure)
                info = new_episode_info(cell, kind="demo", decided_by=decider.name, seed=seed)
                end = ControlLoop(cell.station, CONTROL_RATE_HZ, (recorder,)).run_episode(
                    dataclasses.replace(info, episode_id=name),
                    decider,
                    max_steps=recipes.MAX_STEPS,
                    judge=cell.judge,
                )
                success = end.reason is EndReason.SUCCESS
                if success == (not failure):
                    outcome = Outcome.SUCCESS if success else Outcome.FAILURE
                    recorder.label(Label(outcome, failure, "simulator"))
                    break
                recorder.discard()


def where_is(target: Target) -> tuple[str, ...]:
    """The options that name it."""
    return "--task", target.task, "--kitchen", str(target.kitchen)


def score(workspace: Path, target: Target, name: str, session: str, starts: int) -> None:
    """Trials of a checkpoint on the same start states every time."""
    scored = ("--session", session, "--trials", str(starts))
    require_done(ptrctl(workspace, "evaluate", *where_is(target), "-c", name, *scored))


def outcomes(workspace: Path, session: str) -> list[bool]:
    """Of the scored trials of a session, in the order of their start states."""
    return [record.success for record in load_summary(workspace / "trials" / session).counted]


def undoing(target: Target) -> Target:
    """The target that undoes it."""
    return Target(parse_task(target.task).backward, target.kitchen)


def practise(
    target: Target, start: str, resets: bool, out: Path, scale: Scale, more: Sequence[str]
) -> dict[str, Any]:
    """Score, practise and score again; the line of one target."""
    began_s = time.monotonic()
    workspace = out / target.name / f"{start.replace(' ', '-')}{'-resets' if resets else ''}"
    examples = workspace / "examples"
    make_examples(target, examples, scale)
    if not resets:
        make_examples(undoing(target), examples, scale)
    name = "pretrained"
    if start == FINE_TUNED:
        make_demonstrations(target, workspace / "demos" / target.task, scale.demonstrations)
        steps = ("--steps", str(scale.updates))
        run = workspace / "checkpoints" / "tuned"
        if not (run / RECOMMENDED_FILE).exists():
            ptrctl(workspace, "finetune", "--task", target.task, "--name", run.name, *steps)
        # By its path: practice that is kept does not change what that stands for.
        name = str(run / read_json(run / RECOMMENDED_FILE)["checkpoint"])
    score(workspace, target, name, "before", scale.starts)
    result = ptrctl(
        workspace,
        "improve",
        *where_is(target),
        *("-c", name, "--trials", str(scale.trials), "--selection", str(scale.selection)),
        *("--reward", "classifier", "--examples", str(examples), "--session", "practice"),
        *(() if resets else ("--backward", undoing(target).task)),
        *more,
    )
    kept = bool(result.get("kept"))
    after = result["recommended"] if kept else name
    score(workspace, target, after, "after", scale.starts)
    return {
        **asdict(target),
        "start": start,
        "resets": resets,
        "scale": asdict(scale),
        "options": list(more),
        "before": outcomes(workspace, "before"),
        "after": outcomes(workspace, "after"),
        "kept": kept,
        "refused": result.get("error", {}).get("found", ""),
        "practice": {
            key: result.get(key)
            for key in (
                "practice",
                "selection_before",
                "selection_after",
                "classifier",
                "agreement",
                "uncertain",
                "from_memory",
                "verdict",
            )
        },
        "seconds": time.monotonic() - began_s,
    }


def in_words(line: dict[str, Any]) -> str:
    """One target in a line."""
    before, after = (Rate(sum(line[when]), len(line[when])) for when in WHEN)
    told = line["practice"]
    result = (
        "kept" if line["kept"] else f"refused: {line['refused']}" if line["refused"] else "not kept"
    )
    return (
        f"{line['task']} in kitchen {line['kitchen']}, {line['start']}: {before} -> {after} "
        f"({result}; classifier agreed on {told['agreement']}, errors {told['classifier']})"
    )


def summary(lines: Sequence[dict[str, Any]], asked: Mapping[str, Any]) -> str:
    """All targets that were practised as asked, pooled, with paired tests.

    Args:
        lines: Of any practice.
        asked: What a line has to say of itself: "start", "resets", "options" and "scale".
    """
    start = asked["start"]
    ours = [line for line in lines if asked.items() <= line.items()]
    if not ours:
        return f"{start}: nothing yet"
    by_target = {(line["task"], line["kitchen"]): line for line in ours}
    pair = compare_cells(
        *({target: line[when] for target, line in by_target.items()} for when in WHEN)
    )
    low, high = pair.points_95
    lower = [line["task"] for line in ours if sum(line["after"]) < sum(line["before"])]
    return (
        f"{start}, {pair.cells} targets: {pair.pairs.old} -> {pair.pairs.new}, {pair.points:+.1f} "
        f"points [{low:+.1f}, {high:+.1f}]; exact McNemar p {pair.pairs.p_value:.4g}, sign-flip "
        f"over targets p {pair.sign_flip_p:.4g}; ended lower: {', '.join(lower) or 'none'}"
    )


def parse_target(text: str) -> Target:
    """ "task:kitchen"."""
    task, _, kitchen = text.partition(":")
    return Target(task, int(kitchen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="once, in minutes; means nothing")
    parser.add_argument("--targets", nargs="+", type=parse_target, default=TARGETS["reporting"])
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--resets", action="store_true", help="lay the scene out for every trial")
    parser.add_argument("--start-states", type=int, default=Scale.starts)
    parser.add_argument("--improve", default="", help="further options of `ptrctl improve`")
    options = parser.parse_args()
    scale = QUICK if options.quick else Scale(starts=options.start_states)
    more = options.improve.split() + (["--accept-classifier"] if options.quick else [])
    path = options.out / "improvement.jsonl"
    fixed = {"resets": options.resets, "options": more, "scale": asdict(scale)}
    for start in options.starts:
        for target in options.targets:
            asked = {**asdict(target), **fixed, "start": start}
            if not any(asked.items() <= line.items() for line in read_json_lines(path)):
                line = practise(target, start, options.resets, options.out, scale, more)
                append_json_line(path, line)
                print(in_words(line), flush=True)
    for start in options.starts:
        print(summary(read_json_lines(path), {**fixed, "start": start}))


if __name__ == "__main__":
    main()
