"""The table of `ptrctl data stats`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from ptrctl.quality_views import quality_table
from recordings.quality import quality
from tests.recordings.episodes import record


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_number_is_cut_and_tasks_of_one_folder_are_told_apart(
    tmp_path: Path, columns: int
) -> None:
    folder = tmp_path / "practice"
    record(folder, "a", steps=123, task="put_carrot_on_plate")
    record(folder, "b", steps=7, task="take_carrot_off_plate")
    rows = [("trials/a-long-name-of-a-session/episodes", row) for row in quality(folder)]
    out = io.StringIO()
    Console(file=out, width=columns).print(quality_table(rows, columns))
    text = out.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= columns
    assert "…" not in text
    for number in ("123-123", "7-7", "success", "satur."):
        assert number in text
    joined = "".join(text.split())
    assert "put_carrot_on_plate" in joined
    assert "take_carrot_off_plate" in joined
