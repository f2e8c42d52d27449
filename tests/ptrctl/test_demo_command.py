"""`ptrctl demo` as an operator types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ptrctl.conftest import run

pytestmark = pytest.mark.sim


def test_the_demo_runs_every_stage_once_and_goes_on(trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "base"
    folder = tmp_path / "demo"
    result = run(f"demo --quick -c {checkpoint}", folder)
    assert set(result["sessions"]) == {"fine-tuned", "after practice"}
    assert result["paired_practice"]["pairs"] == 2
    assert "A new task from 2 demonstrations" in Path(result["report"]).read_text()
    again = run(f"demo --quick -c {checkpoint}", folder)
    assert again["seconds"] == result["seconds"]
    error = run(f"demo --quick --seed 1 -c {checkpoint}", folder, code=2)["error"]
    assert "seed was 0 and is now 1" in error["found"]
