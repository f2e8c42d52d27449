"""`ptrctl evaluate` and `improve` go on after a SIGKILL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ptrctl.plan import TRIALS_FILE
from tests.ptrctl.conftest import KITCHEN, TASK, run

pytestmark = pytest.mark.sim


def kill_when(command: str, lines: Path, count: int) -> list[dict[str, Any]]:
    """Run a command, SIGKILL it once `lines` has that many lines; what they were."""
    code = "from ptrctl.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command.split()],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline_s = time.monotonic() + 60
    while not lines.exists() or lines.read_bytes().count(b"\n") < count:
        assert process.poll() is None, "the command ended before it could be killed"
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return [json.loads(line) for line in lines.read_text().splitlines()]


def test_trials_counted_before_a_sigkill_are_kept_and_the_session_goes_on(trained: Path) -> None:
    command = f"evaluate -t {TASK} --kitchen {KITCHEN} -c base -n 8 --max-steps 25 --session killed"
    lines = trained / "trials" / "killed" / TRIALS_FILE
    # Two trials are four lines; the fifth says that a third one runs.
    before = kill_when(f"{command} -w {trained}", lines, 5)
    result = run(command, trained)
    assert result["complete"]
    assert result["trials"] == 8
    after = [json.loads(line) for line in lines.read_text().splitlines()]
    assert after[: len(before)] == before
    assert len([r for r in after if r["status"] == "counted"]) == 8
    cut_short = before[-1]["status"] == "started"
    assert [abort["reason"] for abort in result["aborts"]] == (
        ["ptrctl was killed during the trial"] if cut_short else []
    )


def test_practice_goes_on_after_a_sigkill(trained: Path) -> None:
    command = (
        f"improve -t {TASK} --kitchen {KITCHEN} -c base -n 4 --selection 1 --updates 2 "
        "--max-steps 15 --session killed"
    )
    lines = trained / "trials" / "killed" / "practice" / TRIALS_FILE
    before = kill_when(f"{command} -w {trained}", lines, 5)
    result = run(command, trained)
    assert result["complete"]
    assert len(result["practice"]) == 4
    after = [json.loads(line) for line in lines.read_text().splitlines()]
    assert after[: len(before)] == before
