"""From lines to rows: which lines count, what a row adds up to, and what speaks against it."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ptr_bench.comparison import (
    ClusteredComparison,
    bootstrap_interval,
    compare_cells,
)
from benchmarks.ptr_bench.jobs import trials_job
from benchmarks.ptr_bench.lines import Line, read_lines
from benchmarks.ptr_bench.methods import METHODS, PTR, Method
from benchmarks.ptr_bench.regimes import NO_PRIOR, REGIMES
from benchmarks.ptr_bench.scale import Budget, Scale, load_scale
from benchmarks.ptr_bench.targets import TARGETS, Role, Target
from policies.config import PolicyConfig
from policies.learners import make_networks
from ptrctl.statistics import Rate
from recordings.records import EndReason

Cell = tuple[Target, int]
"""A target and a training seed: one trained policy."""
Seen = tuple[str, Target | None]
"""A kind of data, and whose."""


@dataclass(frozen=True)
class Row:
    """One method with one regime's prior data.

    Args:
        method: Which.
        lines: One for each cell.
        marks: What voids or limits it, in words.
    """

    method: Method
    lines: dict[Cell, Line]
    marks: tuple[str, ...] = ()

    @property
    def outcomes(self) -> dict[Cell, list[bool]]:
        """Cell to the outcome from each start state."""
        return {cell: line["outcomes"] for cell, line in self.lines.items()}

    @property
    def pooled(self) -> Rate:
        """All trials together."""
        return _rate(self.lines.values())

    def of_target(self, target: Target) -> Rate:
        """Trials of one target, all seeds together."""
        return _rate(line for (found, _), line in self.lines.items() if found == target)

    def of_seed(self, seed: int) -> Rate:
        """Trials of one training seed, all targets together."""
        return _rate(line for (_, found), line in self.lines.items() if found == seed)

    @property
    def clustered_95(self) -> tuple[float, float]:
        """Bootstrap interval of the pooled rate, cells drawn rather than trials."""
        lines = list(self.lines.values())
        return bootstrap_interval(
            [line["successes"] for line in lines], [line["trials"] for line in lines]
        )

    @property
    def wall_min(self) -> float:
        """Minutes of training behind one cell, pre-training included, on average."""
        spent = [float(line["budget"]["wall_s"]) for line in self.lines.values()]
        return sum(spent) / len(spent) / 60.0

    @property
    def wall_is_whole(self) -> bool:
        """Whether no training was resumed: the time before a kill is not counted."""
        return not any(
            training["resumed_at"] for line in self.lines.values() for training in line["trainings"]
        )

    @property
    def budget(self) -> Budget:
        """Of the first cell; cells that differ are marked."""
        return _budget(next(iter(self.lines.values())))


@dataclass(frozen=True)
class Results:
    """Everything a report shows.

    Args:
        scale: Of the folder.
        role: Of the targets.
        targets: Tried, in their order.
        seeds: Of training, all that any line has.
        rows: Regime to its rows, in the methods' order.
        refused: Lines that do not hold together, each with what is wrong.
        left_out: Sound lines that are not part of the table, with the reason.
        lines: Those that are.
    """

    scale: Scale
    role: Role
    targets: tuple[Target, ...]
    seeds: tuple[int, ...]
    rows: dict[str, list[Row]]
    refused: tuple[str, ...]
    left_out: tuple[str, ...]
    lines: tuple[Line, ...]

    def row(self, regime: str, method: str) -> Row | None:
        """The row of a method, if there is one."""
        rows = self.rows.get(regime, [])
        return next((row for row in rows if row.method.name == method), None)

    def comparisons(self, regime: str) -> list[tuple[Row, ClusteredComparison]]:
        """PTR against every other row of a regime that shares a cell with it."""
        ptr = self.row(regime, PTR)
        if ptr is None:
            return []
        others = [
            row for row in self.rows[regime] if row is not ptr and row.lines.keys() & ptr.lines
        ]
        return [(row, compare_cells(row.outcomes, ptr.outcomes)) for row in others]


def load_results(folder: Path, role: Role) -> Results:
    """Read a bench folder.

    Raises:
        UsageError: Nothing was run there.
        RecordingError: A file is damaged.
    """
    scale = load_scale(folder)
    lines, refused = read_lines(folder)
    targets = TARGETS[role][: scale.targets]
    counted: list[Line] = []
    left_out: list[str] = []
    for line in lines:
        if line["kind"] != "trials" or line["role"] != role:
            continue
        reason = _why_not(line, scale, targets, role)
        if reason:
            left_out.append(f"{line['job']}: {reason}")
        else:
            counted.append(line)
    counted, unfinished = _whole_seeds(counted, len(targets))
    left_out += unfinished
    seeds = tuple(sorted({line["seed"] for line in counted}))
    cells = len(targets) * len(seeds)
    regimes = {line["regime"] for line in counted}
    # Rows without prior data stand beside those of each regime, and alone where there is none.
    shown = [regime for regime in REGIMES if regime in regimes] or sorted(regimes)
    rows = {regime: _rows(counted, regime, scale, cells) for regime in shown}
    return Results(
        scale,
        role,
        targets,
        seeds,
        rows,
        tuple(refused),
        tuple(left_out),
        tuple(counted),
    )


def _why_not(line: Line, scale: Scale, targets: Sequence[Target], role: Role) -> str:
    """Why a sound line is not part of the table, "" if it is."""
    method = next((one for one in METHODS if one.name == line["method"]), None)
    target = Target(line["task"], line["kitchen"])
    if method is None or target not in targets or line["regime"] not in method.regimes:
        return "this version has no such row or target"
    expected = trials_job(scale, method, line["regime"], target, role, line["seed"])
    if expected.name != line["job"]:
        return "it was run with other settings than this version's"
    return ""


def _whole_seeds(lines: Sequence[Line], targets: int) -> tuple[list[Line], list[str]]:
    """Without the seeds of a row that miss targets, where another seed of it has all of them, for
    targets differ more than methods do; and why each line was left out."""
    found: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for line in lines:
        found[line["regime"], line["method"]][line["seed"]] += 1
    kept: list[Line] = []
    left_out: list[str] = []
    for line in lines:
        of_seed = found[line["regime"], line["method"]]
        has = of_seed[line["seed"]]
        if has < targets and targets in of_seed.values():
            left_out.append(f"{line['job']}: of its seed {has} of {targets} targets are there")
        else:
            kept.append(line)
    return kept, left_out


def _rows(lines: Sequence[Line], regime: str, scale: Scale, cells: int) -> list[Row]:
    of_regime = [line for line in lines if line["regime"] in (regime, NO_PRIOR)]
    usual = _usual_data(of_regime)
    rows = []
    for method in METHODS:
        found = {
            (Target(line["task"], line["kitchen"]), line["seed"]): line
            for line in of_regime
            if line["method"] == method.name
        }
        if found:
            rows.append(Row(method, found, tuple(_marks(method, found, scale, cells, usual))))
    return rows


def _data(line: Line) -> dict[Seen, str]:
    """The digests of what a line has learned from; joint training's, of all targets at once,
    is compared with nothing."""
    joint = next(one.joint for one in METHODS if one.name == line["method"])
    names: dict[str, Seen] = {"prior": ("prior data", None)}
    if not joint:
        names["target"] = ("demonstrations", Target(line["task"], line["kitchen"]))
    return {seen: line["data"][name] for name, seen in names.items() if name in line["data"]}


def _usual_data(lines: Sequence[Line]) -> dict[Seen, str]:
    """What most lines have learned from; others are marked."""
    digests: dict[Seen, Counter[str]] = defaultdict(Counter)
    for line in lines:
        for seen, digest in _data(line).items():
            digests[seen][digest] += 1
    return {seen: counts.most_common(1)[0][0] for seen, counts in digests.items()}


def _marks(
    method: Method, lines: dict[Cell, Line], scale: Scale, cells: int, usual: dict[Seen, str]
) -> list[str]:
    marks = []
    if len(lines) < cells:
        marks.append(f"{len(lines)} of {cells} cells")
    parameters = _parameters(scale.policy_config)
    for line in lines.values():
        marks += scale.differs(method, _budget(line), parameters)
        if line["trials"] != scale.starts:
            marks.append(f"{line['trials']} trials instead of {scale.starts}")
        data = _data(line).items()
        marks += [f"other {seen[0]}" for seen, digest in data if digest != usual[seen]]
        faults = line["ends"].count(EndReason.FAULT.value)
        if faults:
            marks.append(f"{faults} trials ended by a fault")
    return list(dict.fromkeys(marks))


@functools.lru_cache
def _parameters(config: PolicyConfig) -> int:
    return sum(parameter.numel() for parameter in make_networks(config, 0).parameters())


def _budget(line: Line) -> Budget:
    spent = line["budget"]
    return Budget(spent["updates"], spent["samples"], spent["parameters"])


def _rate(lines: Iterable[Line]) -> Rate:
    found = list(lines)
    return Rate(sum(line["successes"] for line in found), sum(line["trials"] for line in found))
