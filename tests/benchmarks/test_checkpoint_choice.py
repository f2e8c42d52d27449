"""What a study of checkpoint choice adds up to, on lines made by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.checkpoint_choice import LINES_FILE, Study, do_run, freeze, read_lines
from benchmarks.choice_report import (
    picked,
    rank_correlation,
    rules,
    runs_of,
    score_from_json,
    score_to_json,
    to_markdown,
)
from benchmarks.ptr_bench.lines import seal
from benchmarks.ptr_bench.targets import TARGETS
from policies.selection import CRITERIA, HeldOutScore
from ptrctl.files import append_json_line
from recordings.errors import RecordingError, UsageError

SETTINGS = {
    "updates": 500,
    "trials": 4,
    "learner": "ptr",
    "checkpoint": "c" * 64,
    "prior": "d" * 64,
}

# (successes of 4, rise of Q, TD error, action error) at each quarter.
FIRST = ((1, 0.20, 9.0, 0.10), (4, 0.90, 3.0, 0.40), (2, 0.95, 5.0, 0.30), (3, 0.85, 7.0, 0.05))
SECOND = ((0, 0.90, 1.0, 0.40), (2, 0.10, 2.0, 0.30), (2, 0.20, 3.0, 0.10), (1, 0.30, 4.0, 0.20))


def lines(
    quarters: Sequence[tuple[int, float, float, float]], task: str = "open_door", seed: int = 0
) -> list[dict[str, Any]]:
    return [
        {
            "task": task,
            "seed": seed,
            "steps": 125 * number,
            "score": score_to_json(HeldOutScore(rising, td_error, action_error, 0.0, 0.01)),
            "outcomes": [place < successes for place in range(4)],
            "code": {"commit": "e" * 40, "changed": False, "sources": "f" * 64},
            "wall_s": 900.0,
        }
        for number, (successes, rising, td_error, action_error) in enumerate(quarters, start=1)
    ]


BOTH = [*lines(FIRST), *lines(SECOND, seed=1)]


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        ("last", 3, 1),
        ("rise of Q", 2, 0),
        ("rise of Q, later half", 2, 1),
        ("TD error", 4, 0),
        ("TD error, later half", 2, 2),
        ("action error", 3, 2),
        ("drawn at random", 10 / 4, 5 / 4),
        ("best in hindsight", 4, 2),
    ],
)
def test_each_rule_picks_what_it_should(rule: str, first: float, second: float) -> None:
    runs, _ = runs_of(BOTH)
    (found,) = [one for one in rules() if one.name == rule]
    assert [found.pick(run) for run in runs] == [first, second]


def test_a_pick_does_not_look_at_success() -> None:
    turned = [(4 - quarter[0], *quarter[1:]) for quarter in FIRST]
    for criterion in CRITERIA.values():
        (one,), _ = runs_of(lines(FIRST))
        (other,), _ = runs_of(lines(turned))
        assert picked(criterion, one).steps == picked(criterion, other).steps


def test_rank_correlations_by_hand() -> None:
    (run,), _ = runs_of(lines(FIRST))
    # Success ranks 1 4 2 3; TD error prefers 1 4 3 2, the last rule 1 2 3 4.
    assert rank_correlation(CRITERIA["TD error"], run) == pytest.approx(1 - 6 * 2 / 60)
    assert rank_correlation(CRITERIA["last"], run) == pytest.approx(1 - 6 * 6 / 60)
    alike, _ = runs_of(lines([(2, *quarter[1:]) for quarter in FIRST]))
    assert math.isnan(rank_correlation(CRITERIA["TD error"], alike[0]))


def test_a_criterion_without_figures_has_no_correlation_and_picks_the_last() -> None:
    (run,), _ = runs_of(lines([(n, math.nan, math.nan, error) for n, _, _, error in FIRST]))
    assert math.isnan(rank_correlation(CRITERIA["rise of Q"], run))
    assert picked(CRITERIA["rise of Q"], run).steps == 500


def test_the_report_adds_up() -> None:
    text = to_markdown([*BOTH, *lines(FIRST, seed=2)[:3]], SETTINGS)
    rows = {row.split(" | ")[0].lstrip("| "): row.split(" | ") for row in text.splitlines()}
    assert rows["last"][1:4] == ["4/8 [too few runs]", "25.0 [too few runs]", "0"]
    assert rows["drawn at random"][1:4] == ["3.75/8 [too few runs]", "28.1 [too few runs]", ""]
    assert rows["best in hindsight"][1:4] == ["6/8 [too few runs]", "0.0 [too few runs]", "2"]
    assert rows["TD error"][3] == "1"
    # TD error correlates 0.8 and, against success ranks 1 3.5 3.5 2, its 4 3 2 1 with -1.5/4.743.
    assert rows["TD error"][4] == "+0.24 (2)"
    assert rows["250"][1].startswith("6/8 [")
    # One run better, one worse by as much.
    assert rows["last less TD error"][1:] == ["+0.0 [too few runs]", "1 / 0 / 1", "1.000 |"]
    assert rows["last less drawn at random"][1].startswith("+3.1 ")
    assert "open_door, seed 2: 3 of 4 checkpoints" in text
    assert "2 complete runs" in text


def test_enough_runs_have_intervals_and_tests_over_runs() -> None:
    many = [line for seed in range(7) for line in lines(FIRST, seed=seed)]
    text = to_markdown(many, SETTINGS)
    assert "| last | 21/28 [0.75, 0.75] | 25.0 [25.0, 25.0] | 0 |" in text
    # All seven runs alike: two of 2^7 choices of signs are as far out.
    assert f"| last less TD error | -25.0 [-25.0, -25.0] | 0 / 0 / 7 | {2 / 2**7:.3f} |" in text


def test_scores_survive_json() -> None:
    score = HeldOutScore(math.nan, 1.5, 0.1, 0.0, math.nan)
    back = score_from_json(score_to_json(score))
    assert str(dataclasses.astuple(back)) == str(dataclasses.astuple(score))


def study(out: Path, updates: int = 40, trials: int = 4) -> Study:
    return Study(out, out / "nowhere", (out / "nowhere",), "ptr", updates, trials)


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    target, one = TARGETS["selection"][0], study(tmp_path)
    for line in lines(FIRST):
        append_json_line(one.folder(target, 0) / LINES_FILE, seal(line))
    # Anything else would look for the checkpoint to start from, which is not there.
    do_run(one, target, 0)
    assert len(read_lines(tmp_path)) == 4


def test_a_changed_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "one" / LINES_FILE
    append_json_line(path, seal(lines(FIRST)[0]))
    assert len(read_lines(tmp_path)) == 1
    path.write_text(path.read_text().replace("[true, false", "[true, true"))
    with pytest.raises(RecordingError, match="not as it was written"):
        read_lines(tmp_path)


def test_a_folder_keeps_the_settings_it_was_begun_with(tmp_path: Path) -> None:
    freeze(study(tmp_path), SETTINGS)
    freeze(study(tmp_path), SETTINGS)
    with pytest.raises(UsageError, match="trials differ"):
        freeze(study(tmp_path), {**SETTINGS, "trials": 5})


@pytest.mark.parametrize(("updates", "trials"), [(0, 4), (42, 4), (40, 0)])
def test_what_cannot_be_run_is_refused_first(tmp_path: Path, updates: int, trials: int) -> None:
    with pytest.raises(UsageError):
        study(tmp_path, updates, trials)
