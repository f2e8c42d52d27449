"""What the docs say of measurements is what the published lines of these say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.improvement import STARTS, WHEN
from benchmarks.ptr_bench.comparison import compare_cells
from benchmarks.ptr_bench.report import to_markdown
from benchmarks.ptr_bench.results import load_results
from benchmarks.ptr_bench.targets import TARGETS
from ptrctl.statistics import Rate

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "benchmarks" / "results"
IMPROVE = (ROOT / "docs" / "improve.md").read_text(encoding="utf-8")


def improvements() -> list[dict[str, Any]]:
    text = (PUBLISHED / "improvement.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def cells_of(line: dict[str, Any]) -> list[str]:
    """A row of the table, as the docs have it but for emphasis."""
    before, after = (sum(line[when]) for when in WHEN)
    rate = Rate(after, len(line["after"]))
    low, high = rate.interval
    told = line["practice"]
    memory = told["from_memory"]
    return [
        f"`{line['task']}`",
        f"{before}/{len(line['before'])}",
        f"{after}/{rate.trials} [{low:.2f}, {high:.2f}]"
        if line["kept"]
        else f"{after}/{rate.trials}, not kept",
        f"{memory[0]}/{memory[1]}",
        told["agreement"].split(" ")[0],
    ]


@pytest.mark.parametrize("start", STARTS)
def test_every_target_was_practised_once_and_stands_in_the_docs(start: str) -> None:
    lines = [line for line in improvements() if line["start"] == start]
    assert [line["task"] for line in lines] == [target.task for target in TARGETS["reporting"]]
    plain = IMPROVE.replace("**", "")
    for line in lines:
        assert "| " + " | ".join(cells_of(line)) + " |" in plain
        assert not line["options"]


@pytest.mark.parametrize("start", STARTS)
def test_the_pooled_figures_of_practice_stand_in_the_docs(start: str) -> None:
    lines = [line for line in improvements() if line["start"] == start]
    pair = compare_cells(*({line["task"]: line[when] for line in lines} for when in WHEN))
    old, new = (f"{rate.successes}/{rate.trials}" for rate in (pair.pairs.old, pair.pairs.new))
    low, high = pair.points_95
    points = f", {pair.points:+.1f} points [{low:+.1f}, {high:+.1f}]" if pair.points else ""
    assert f"| together | {old} | {new}{points} |" in IMPROVE
    assert all(sum(line["after"]) >= sum(line["before"]) for line in lines)


@pytest.mark.parametrize(
    ("folder", "page"),
    [
        ("ptr_table_by_verb", "ablations.md"),
        ("ptr_table_cpu", "ablations.md"),
        ("ptr_table_cpu_large", "ablations.md"),
    ],
)
def test_a_table_in_the_docs_is_what_its_lines_add_up_to(folder: str, page: str) -> None:
    docs = (ROOT / "docs" / page).read_text(encoding="utf-8")
    report = to_markdown(load_results(PUBLISHED / folder, "reporting"))
    rows = [line for line in report.splitlines() if line.startswith(("|", "†"))]
    assert len(rows) > 10
    assert not [row for row in rows if row not in docs]
