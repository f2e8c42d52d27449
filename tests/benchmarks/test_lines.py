"""What was written may be read; what was changed since is refused or marked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ptr_bench.lines import LINES_FILE, append_line, problem_of, read_lines, seal
from benchmarks.ptr_bench.plot import draw
from benchmarks.ptr_bench.report import to_markdown
from benchmarks.ptr_bench.results import Results, load_results
from benchmarks.ptr_bench.scale import freeze_scale
from recordings.errors import UsageError
from tests.benchmarks.bench_lines import SCALE, trials_line


def _write(folder: Path, *lines: dict[str, Any]) -> None:
    with (folder / LINES_FILE).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _results(folder: Path) -> Results:
    freeze_scale(folder, SCALE)
    return load_results(folder, "reporting")


def test_a_line_comes_back_as_it_was_written(tmp_path: Path) -> None:
    append_line(tmp_path, trials_line())
    lines, refused = read_lines(tmp_path)
    assert not refused
    assert lines == [seal(trials_line())]


def _without_seeds(line: dict[str, Any]) -> None:
    del line["start_seeds"]


def _other_seeds(line: dict[str, Any]) -> None:
    line["start_seeds"][0] = 12


def _one_more_success(line: dict[str, Any]) -> None:
    line["successes"] += 1


def _one_trial_less(line: dict[str, Any]) -> None:
    line["outcomes"].pop()


def _smaller_budget(line: dict[str, Any]) -> None:
    line["budget"]["updates"] -= 1


def _other_role(line: dict[str, Any]) -> None:
    line["role"] = "selection"


def _other_kind(line: dict[str, Any]) -> None:
    line["kind"] = "rumour"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_without_seeds, "lacks start_seeds"),
        (_other_seeds, "start states"),
        (_one_more_success, "counts 3 successes and lists 2"),
        (_one_trial_less, "3 outcomes of 4 trials"),
        (_smaller_budget, "its budget has"),
        (_other_role, "start states are not those of selection"),
        (_other_kind, "its kind is 'rumour'"),
    ],
)
def test_a_changed_line_is_refused_even_with_a_new_digest(
    change: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path
) -> None:
    line = trials_line()
    change(line)
    _write(tmp_path, seal(line))
    lines, refused = read_lines(tmp_path)
    assert not lines
    assert len(refused) == 1
    assert reason in refused[0]
    assert reason in to_markdown(_results(tmp_path))


def test_any_other_change_shows_in_the_digest() -> None:
    line = seal(trials_line())
    assert problem_of(line) == ""
    line["checkpoint"] = {"folder": "another", "digest": "1" * 64}
    assert problem_of(line) == "its contents are not those of its digest"


def test_a_second_result_of_a_job_cannot_replace_the_first(tmp_path: Path) -> None:
    append_line(tmp_path, trials_line([False] * 4))
    append_line(tmp_path, trials_line([True] * 4))
    lines, refused = read_lines(tmp_path)
    assert [line["successes"] for line in lines] == [0]
    assert "has a line already" in refused[0]


def test_a_torn_last_line_is_dropped_before_the_next_is_added(tmp_path: Path) -> None:
    append_line(tmp_path, trials_line())
    with (tmp_path / LINES_FILE).open("a") as file:
        file.write('{"job": "half a li')
    append_line(tmp_path, trials_line(seed=1))
    lines, refused = read_lines(tmp_path)
    assert (len(lines), refused) == (2, [])


def test_a_row_with_another_budget_than_its_group_is_marked(tmp_path: Path) -> None:
    append_line(tmp_path, trials_line())
    append_line(tmp_path, trials_line(method="bc", spent=(8, 5)))
    results = _results(tmp_path)
    ptr, cloning = results.row("mixed", "ptr"), results.row("mixed", "bc")
    assert ptr is not None
    assert cloning is not None
    assert "updates 13 instead of 12" in cloning.marks
    assert not any("updates" in mark for mark in ptr.marks)
    assert "BC on successes, fine-tuned †" in to_markdown(results)


def test_a_missing_cell_other_data_and_faults_are_marked(tmp_path: Path) -> None:
    for target in (0, 1):
        for seed in (0, 1):
            append_line(tmp_path, trials_line(target=target, seed=seed))
    append_line(tmp_path, trials_line(method="bc", target=0))
    strange = trials_line(method="bc_all", target=1, seed=1)
    strange["data"] = {"prior": "of elsewhere"}
    strange["ends"][1] = "fault"
    append_line(tmp_path, strange)
    results = _results(tmp_path)
    marks = {row.method.name: row.marks for row in results.rows["mixed"]}
    assert marks["ptr"] == ()
    assert marks["bc"] == ("1 of 4 cells",)
    assert marks["bc_all"] == ("1 of 4 cells", "other prior data", "1 trials ended by a fault")


def test_the_time_of_a_training_that_was_resumed_is_given_as_the_least(tmp_path: Path) -> None:
    append_line(tmp_path, trials_line(seed=0))
    assert "> 0.0" not in to_markdown(_results(tmp_path))
    resumed = trials_line(seed=1)
    resumed["trainings"][0]["resumed_at"] = 3
    append_line(tmp_path, resumed)
    assert "> 0.0" in to_markdown(_results(tmp_path))


def test_a_row_that_has_learned_from_other_demonstrations_is_marked(tmp_path: Path) -> None:
    for method in ("ptr", "bc", "bc_all", "bc_joint"):
        line = trials_line(method=method)
        line["data"]["target"] = "of all" if method == "bc_joint" else "ten"
        if method == "bc":
            line["data"]["target"] = "two that a kill had left"
        append_line(tmp_path, line)
    marks = {row.method.name: row.marks for row in _results(tmp_path).rows["mixed"]}
    assert "other demonstrations" in marks["bc"]
    assert not any("other demonstrations" in marks[name] for name in ("ptr", "bc_all", "bc_joint"))


def test_a_seed_that_misses_targets_is_left_out_beside_one_that_has_all(tmp_path: Path) -> None:
    for target in (0, 1):
        append_line(tmp_path, trials_line([False] * 4, target=target))
    append_line(tmp_path, trials_line([True] * 4, target=0, seed=1))
    append_line(tmp_path, trials_line([True] * 4, method="bc", target=1, seed=1))
    results = _results(tmp_path)
    ptr, cloning = results.row("mixed", "ptr"), results.row("mixed", "bc")
    assert ptr is not None
    assert cloning is not None
    # One whole seed: its rate is of all targets. A first seed under way is shown as far as it is.
    assert str(ptr.pooled) == "0/8 [0.00, 0.32]"
    assert str(cloning.pooled) == "4/4 [0.51, 1.00]"
    assert len(results.left_out) == 1
    assert "of its seed 1 of 2 targets are there" in results.left_out[0]
    assert "Lines left out" in to_markdown(results)


def test_lines_of_other_settings_and_of_the_other_role_stay_out_of_the_table(
    tmp_path: Path,
) -> None:
    append_line(tmp_path, trials_line())
    append_line(tmp_path, trials_line([True] * 4, role="selection"))
    older = trials_line([True] * 4, seed=1)
    older["job"] = older["job"][:-4] + "beef"
    append_line(tmp_path, older)
    results = _results(tmp_path)
    assert [line["successes"] for line in results.lines] == [2]
    assert len(results.left_out) == 1
    assert "other settings" in results.left_out[0]


def test_the_report_pairs_ptr_with_each_control_and_draws_a_picture(tmp_path: Path) -> None:
    for target in (0, 1):
        append_line(tmp_path, trials_line([True] * 4, target=target))
        append_line(tmp_path, trials_line([False] * 4, method="bc", target=target))
        append_line(
            tmp_path, trials_line([False] * 4, method="bc_target", regime="none", target=target)
        )
    results = _results(tmp_path)
    text = to_markdown(results)
    assert "| PTR | 8/8 [0.68, 1.00] |" in text
    against = [row.method.name for row, _ in results.comparisons("mixed")]
    assert against == ["bc_target", "bc"]
    # Eight wins: McNemar 2/2^8 = 0.008; two cells: sign flips 2/2^2 = 0.5.
    assert "| 8 / 0 | 0.008 | 0.500 | 2 | **0.500** |" in text
    draw(results, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_rows_without_prior_data_stand_alone_where_no_others_are(tmp_path: Path) -> None:
    for target in (0, 1):
        alone = trials_line([True, False] * 2, method="bc_target", regime="none", target=target)
        append_line(tmp_path, alone)
    assert [row.method.name for row in _results(tmp_path).rows["none"]] == ["bc_target"]
    assert "BC, ten demos alone" in to_markdown(_results(tmp_path))


def test_a_folder_keeps_the_scale_it_was_begun_with(tmp_path: Path) -> None:
    import dataclasses

    freeze_scale(tmp_path, SCALE)
    freeze_scale(tmp_path, SCALE)
    with pytest.raises(UsageError, match="finetuning_updates differ"):
        freeze_scale(tmp_path, dataclasses.replace(SCALE, finetuning_updates=5))
