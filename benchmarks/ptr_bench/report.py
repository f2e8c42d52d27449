"""The table, the tests and everything that a sceptical reader would ask for, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.common import markdown_table
from benchmarks.ptr_bench.comparison import ClusteredComparison
from benchmarks.ptr_bench.methods import PTR
from benchmarks.ptr_bench.results import Results, Row
from ptrctl.statistics import Rate, format_p

_FORMATS = {True: ", encoders in bfloat16", False: ", encoders in float32"}
FEWEST_CELLS = 6
"""Drawing from fewer says nothing about how they spread."""


def to_markdown(results: Results) -> str:
    """The whole report."""
    parts = [_heading(results)]
    for regime, rows in results.rows.items():
        parts.append(f"## Prior data: {regime}")
        parts.append(_pooled_table(rows))
        parts.append(_target_table(results, rows))
        comparisons = results.comparisons(regime)
        if comparisons:
            parts.append(_comparison_table(results, regime, comparisons))
        parts.append(_marks(rows))
    parts.append(_bullets("Refused lines", results.refused))
    parts.append(_bullets("Lines left out", results.left_out))
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(results: Results) -> str:
    scale = results.scale
    codes = sorted({line["code"]["sources"][:12] for line in results.lines})
    commits = sorted(
        {
            line["code"]["commit"][:9] + ("+" if line["code"]["changed"] else "")
            for line in results.lines
        }
    )
    hosts = sorted(
        {
            f"{host['cpus']} CPUs ({host['threads']} thread a run), {host['device']}, "
            f"torch {host['torch']}{_FORMATS.get(host.get('bfloat16'), '')}"
            for host in (line["host"] for line in results.lines)
        }
    )
    differed = " (+: files differed from it)" if any("+" in one for one in commits) else ""
    lines = [
        f"Scale {scale.name}, preset `{scale.policy_config.preset}`; {results.role} targets; "
        f"training seeds {', '.join(map(str, results.seeds)) or 'none'}; "
        f"{scale.starts} start states a cell, the same for all methods.",
        f"{scale.pretraining_updates:,} updates of pre-training, {scale.finetuning_updates:,} of "
        f"fine-tuning, batches of {scale.policy_config.training.batch_size}. "
        f"A new task begins {scale.new_tasks}.",
        f"Commit {', '.join(commits) or 'unknown'}{differed}; digest of the sources "
        f"{', '.join(codes) or 'unknown'}. Run on {'; '.join(hosts) or 'nothing yet'}.",
    ]
    return "  \n".join(lines)


def _pooled_table(rows: Sequence[Row]) -> str:
    header = (
        "method",
        "successes [Wilson 95 %]",
        "by cells 95 %",
        "updates",
        "samples",
        "parameters",
        "training, min",
    )
    return markdown_table(
        header,
        (
            (
                _title(row),
                str(row.pooled),
                _by_cells(row),
                f"{row.budget.updates:,}",
                f"{row.budget.samples:,}",
                f"{row.budget.parameters:,}",
                f"{'' if row.wall_is_whole else '> '}{row.wall_min:.1f}",
            )
            for row in rows
        ),
    )


def _target_table(results: Results, rows: Sequence[Row]) -> str:
    header = ("method", *(f"`{target.task}`" for target in results.targets))
    return markdown_table(
        header,
        ((_title(row), *(_cell(row.of_target(t)) for t in results.targets)) for row in rows),
    )


def _comparison_table(
    results: Results, regime: str, comparisons: Sequence[tuple[Row, ClusteredComparison]]
) -> str:
    ptr = results.row(regime, PTR)
    assert ptr is not None, "comparisons are with it"
    header = (
        "PTR against",
        "points [95 % by cells]",
        "by seed",
        "won / lost",
        "McNemar p",
        "sign-flip p",
        "cells",
        "**p**",
    )
    return markdown_table(
        header,
        (
            (
                _title(row),
                _points(found),
                ", ".join(_seed_points(row, ptr, results.seeds)),
                f"{found.pairs.only_new} / {found.pairs.only_old}",
                _p(found.pairs.p_value),
                _p(found.sign_flip_p),
                str(found.cells),
                f"**{_p(found.p_value)}**",
            )
            for row, found in comparisons
        ),
    )


def _seed_points(old: Row, new: Row, seeds: Iterable[int]) -> list[str]:
    """The difference in points of each training seed, over the targets that both have."""
    points = []
    for seed in seeds:
        common = [c for c in old.lines if c in new.lines and c[1] == seed]
        trials = sum(old.lines[cell]["trials"] for cell in common)
        if trials:
            won = sum(
                new.lines[cell]["successes"] - old.lines[cell]["successes"] for cell in common
            )
            points.append(f"{100.0 * won / trials:+.0f}")
    return points


def _marks(rows: Sequence[Row]) -> str:
    return "\n".join(f"† {row.method.title}: {'; '.join(row.marks)}." for row in rows if row.marks)


def _bullets(title: str, sentences: Sequence[str]) -> str:
    return "\n".join([f"**{title}**", "", *(f"- {one}" for one in sentences)]) if sentences else ""


def _title(row: Row) -> str:
    return row.method.title + (" †" if row.marks else "")


def _by_cells(row: Row) -> str:
    if len(row.lines) < FEWEST_CELLS:
        return "too few"
    return "[{:.2f}, {:.2f}]".format(*row.clustered_95)


def _points(found: ClusteredComparison) -> str:
    low, high = found.points_95
    interval = f"[{low:+.1f}, {high:+.1f}]" if found.cells >= FEWEST_CELLS else "[too few cells]"
    return f"{found.points:+.1f} {interval}"


def _cell(rate: Rate) -> str:
    return str(rate) if rate.trials else "–"


def _p(p_value: float) -> str:
    return format_p(p_value).removeprefix("= ")
