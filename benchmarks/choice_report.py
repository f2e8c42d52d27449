"""What the lines of benchmarks/checkpoint_choice.py add up to: which criterion picks best.

A run is one fine-tuning, of which every checkpoint was tried from the same start states. It is the
unit everywhere: intervals draw runs, tests flip signs of runs.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.common import markdown_table
from benchmarks.ptr_bench.comparison import bootstrap_interval, sign_flip_p_value
from policies.selection import CRITERIA, Criterion, HeldOutScore
from ptrctl.statistics import Rate, format_p

Line = Mapping[str, Any]

CHECKPOINTS = 4
FEWEST_RUNS = 6
"""Drawing from fewer says nothing about how they spread."""


@dataclass(frozen=True)
class Tried:
    """One checkpoint.

    Args:
        steps: Updates of its run until it was kept.
        score: On the held-out demonstration.
        outcomes: One a start state.
    """

    steps: int
    score: HeldOutScore
    outcomes: tuple[bool, ...]

    @property
    def successes(self) -> int:
        """Of its trials."""
        return sum(self.outcomes)


@dataclass(frozen=True)
class Run:
    """One fine-tuning with all its checkpoints, oldest first."""

    task: str
    seed: int
    checkpoints: tuple[Tried, ...]

    @property
    def trials(self) -> int:
        """Start states, the same for each checkpoint."""
        return len(self.checkpoints[0].outcomes)


Pick = Callable[[Run], float]
"""Successes of what a rule picks in a run; the expected number of a rule that draws."""


@dataclass(frozen=True)
class Rule:
    """A way to choose, as a row of the report.

    Args:
        name: In words.
        pick: What it comes to.
        criterion: None for what is no criterion.
    """

    name: str
    pick: Pick
    criterion: Criterion | None = None


def score_to_json(score: HeldOutScore) -> dict[str, float | None]:
    """Plain values; what is not known is null."""
    values = dataclasses.asdict(score)
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def score_from_json(values: Mapping[str, float | None]) -> HeldOutScore:
    """The inverse of `score_to_json`."""
    known = {name: math.nan if value is None else value for name, value in values.items()}
    return HeldOutScore(**known)


def runs_of(lines: Iterable[Line]) -> tuple[list[Run], list[str]]:
    """The complete runs, and in words what is incomplete and left out."""
    by_run: dict[tuple[str, int], dict[int, Tried]] = {}
    for line in lines:
        tried = Tried(line["steps"], score_from_json(line["score"]), tuple(line["outcomes"]))
        by_run.setdefault((line["task"], line["seed"]), {})[tried.steps] = tried
    runs, incomplete = [], []
    for (task, seed), kept in sorted(by_run.items()):
        if len(kept) == CHECKPOINTS:
            runs.append(Run(task, seed, tuple(kept[steps] for steps in sorted(kept))))
        else:
            incomplete.append(f"{task}, seed {seed}: {len(kept)} of {CHECKPOINTS} checkpoints")
    return runs, incomplete


def picked(criterion: Criterion, run: Run) -> Tried:
    """The checkpoint that a criterion chooses among its candidates."""
    candidates = criterion.candidates(run.checkpoints)
    return min(candidates, key=lambda tried: criterion.order(tried.steps, tried.score))


def rules() -> list[Rule]:
    """Every criterion among all checkpoints and among the later half; drawing; hindsight."""
    found = []
    for name, criterion in CRITERIA.items():
        for late in (False, True):
            if name == "last" and late:
                continue  # The same one.
            one = dataclasses.replace(criterion, late=late)
            found.append(Rule(f"{name}, later half" if late else name, _pick_by(one), one))
    found.append(Rule("drawn at random", lambda run: sum(_successes(run)) / len(run.checkpoints)))
    found.append(Rule("best in hindsight", lambda run: max(_successes(run))))
    return found


def rank_correlation(criterion: Criterion, run: Run) -> float:
    """Spearman's correlation of a criterion's preference with success, over all checkpoints of a
    run; NaN if all checkpoints succeed alike, or are alike to the criterion."""
    # Without the last part, which decides between equals.
    orders = [criterion.order(tried.steps, tried.score)[:-1] for tried in run.checkpoints]
    if not orders[0]:
        orders = [(-tried.steps,) for tried in run.checkpoints]
    different = sorted(set(orders))
    preference = [-different.index(order) for order in orders]
    successes = _successes(run)
    if len(set(successes)) == 1 or len(different) == 1:
        return math.nan
    return float(np.corrcoef(rankdata(preference), rankdata(successes))[0, 1])


def to_markdown(lines: Sequence[Line], settings: Mapping[str, Any]) -> str:
    """The whole report."""
    runs, incomplete = runs_of(lines)
    parts = [_heading(lines, runs, settings)]
    if runs:
        parts += [_main_table(runs), _quarter_table(runs), _pair_table(runs), NOTES]
    if incomplete:
        parts.append("Left out, incomplete: " + "; ".join(incomplete) + ".")
    return "\n\n".join(parts) + "\n"


NOTES = f"""\
Intervals draw whole runs ({FEWEST_RUNS} at least); p is the exact two-sided sign-flip test over
runs, not corrected for the number of tests. Runs of one target share its demonstrations and start
states, so they say little of other targets. "best in hindsight" is judged by the very trials that
it is chosen by, so what the others fall short of it is overstated. Correlation: Spearman's, of a
criterion's preference with success over the {CHECKPOINTS} checkpoints of a run, mean over the runs
in which both differ (their number)."""


def _heading(lines: Sequence[Line], runs: Sequence[Run], settings: Mapping[str, Any]) -> str:
    targets = sorted({run.task for run in runs})
    seeds = sorted({run.seed for run in runs})
    hours = sum(line["wall_s"] for line in lines) / 3600
    codes = sorted({line["code"]["sources"][:12] for line in lines})
    commits = sorted(
        {line["code"]["commit"][:9] + ("+" if line["code"]["changed"] else "") for line in lines}
    )
    return "  \n".join(
        [
            f"{len(runs)} complete runs of {settings['updates']} updates: "
            f"{', '.join(f'`{task}`' for task in targets) or 'no target'}, seeds "
            f"{', '.join(map(str, seeds)) or 'none'}; {CHECKPOINTS} checkpoints each, every one "
            f"tried from the same {settings['trials']} start states.",
            f"Learner {settings['learner']}; started from {settings['checkpoint'][:12]}, prior "
            f"data {settings['prior'][:12]}.",
            f"Commit {', '.join(commits) or 'unknown'} (+: files differed from it); digest of the "
            f"sources {', '.join(codes) or 'unknown'}; {hours:.1f} hours of trials.",
        ]
    )


def _main_table(runs: Sequence[Run]) -> str:
    tasks = sorted({run.task for run in runs})
    trials = [run.trials for run in runs]
    best = [max(_successes(run)) for run in runs]
    rows = []
    for rule in rules():
        successes = [rule.pick(run) for run in runs]
        short = [most - one for most, one in zip(best, successes, strict=True)]
        rows.append(
            (
                rule.name,
                f"{_count(sum(successes))}/{sum(trials)} {_interval(successes, trials, 1.0)}",
                f"{100 * sum(short) / sum(trials):.1f} {_interval(short, trials, 100.0)}",
                # What draws picks no checkpoint.
                str(sum(one == 0 for one in short)) if rule.name != "drawn at random" else "",
                _correlation(rule.criterion, runs),
                *(
                    _count(
                        sum(one for one, run in zip(successes, runs, strict=True) if run.task == t)
                    )
                    for t in tasks
                ),
            )
        )
    header = (
        "chosen by",
        "successes [95 % by runs]",
        "points short of the best",
        f"best picked, of {len(runs)}",
        "correlation",
        *(f"`{task}`, of {sum(run.trials for run in runs if run.task == task)}" for task in tasks),
    )
    return markdown_table(header, rows)


def _quarter_table(runs: Sequence[Run]) -> str:
    rows = []
    for place in range(CHECKPOINTS):
        tried = [run.checkpoints[place] for run in runs]
        rate = Rate(sum(t.successes for t in tried), sum(run.trials for run in runs))
        rows.append(
            (
                " or ".join(str(steps) for steps in sorted({t.steps for t in tried})),
                str(rate),
                _mean([t.score.rising for t in tried]),
                _mean([t.score.td_error for t in tried]),
                _mean([t.score.action_error for t in tried]),
            )
        )
    header = (
        "checkpoint",
        "successes [Wilson 95 %]",
        "rise of Q, mean",
        "TD error, mean",
        "action error, mean",
    )
    return markdown_table(header, rows)


def _pair_table(runs: Sequence[Run]) -> str:
    """Criteria among all checkpoints with each other and with drawing, and with themselves among
    the later half."""
    by_name = {rule.name: rule for rule in rules()}
    names = [*CRITERIA, "drawn at random"]
    pairs = list(itertools.combinations(names, 2))
    pairs += [(f"{name}, later half", name) for name in CRITERIA if name != "last"]
    trials = [run.trials for run in runs]
    rows = []
    for one, other in pairs:
        # Times the number of checkpoints, since an expected number need not be whole.
        differences = [
            round(CHECKPOINTS * (by_name[one].pick(run) - by_name[other].pick(run))) for run in runs
        ]
        points = 100 * sum(differences) / CHECKPOINTS / sum(trials)
        rows.append(
            (
                f"{one} less {other}",
                f"{points:+.1f} {_interval(differences, trials, 100 / CHECKPOINTS, sign='+')}",
                f"{sum(d > 0 for d in differences)} / {sum(d == 0 for d in differences)} / "
                f"{sum(d < 0 for d in differences)}",
                format_p(sign_flip_p_value(differences)).removeprefix("= "),
            )
        )
    return markdown_table(("", "points [95 % by runs]", "runs better / alike / worse", "p"), rows)


def _pick_by(criterion: Criterion) -> Pick:
    return lambda run: picked(criterion, run).successes


def _successes(run: Run) -> list[int]:
    return [tried.successes for tried in run.checkpoints]


def _correlation(criterion: Criterion | None, runs: Sequence[Run]) -> str:
    if criterion is None or criterion.late:
        return ""
    found = [rank_correlation(criterion, run) for run in runs]
    known = [one for one in found if not math.isnan(one)]
    return f"{np.mean(known):+.2f} ({len(known)})" if known else "unknown"


def _interval(
    amounts: Sequence[float], trials: Sequence[int], scale: float, *, sign: str = ""
) -> str:
    if len(trials) < FEWEST_RUNS:
        return "[too few runs]"
    # In quarters, since an expected number need not be whole.
    whole = [round(CHECKPOINTS * amount) for amount in amounts]
    low, high = bootstrap_interval(whole, trials, scale=scale / CHECKPOINTS)
    digits = 2 if scale == 1.0 else 1
    return f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def _mean(values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    return f"{np.mean(known):.3g}" if known else "unknown"


def _count(successes: float) -> str:
    return f"{successes:.0f}" if float(successes).is_integer() else f"{successes:.2f}"
