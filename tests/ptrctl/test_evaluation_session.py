"""On hardware the operator lays out the scene, starts each trial and labels it with keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from ptrctl.evaluation_session import listening
from ptrctl.interrupts import Interrupts
from ptrctl.keys import ScriptedKeys
from ptrctl.operator_side import AtTheKeys
from ptrctl.panels import LivePanel, View
from ptrctl.trials import TrialSummary
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.evaluate import evaluate
from recordings.errors import UsageError
from tests.ptrctl.quiet_screen import QuietScreen
from tests.ptrctl.workflows.fake_cell import Walker, make_fake_cell
from tests.ptrctl.workflows.test_evaluate import PLAN


def by_keys(folder: Path, keys: Sequence[str | None]) -> TrialSummary:
    """Two trials on an arm that nobody judges, wired as `listening` does on hardware."""
    plan = dataclasses.replace(PLAN, trials=2, start_seeds=(1, 2))
    cell = make_fake_cell(judged=False)
    panel = LivePanel(View("test", control_rate_hz=5.0), QuietScreen(), folder)  # type: ignore[arg-type]
    operator = AtTheKeys(ScriptedKeys(keys), panel, Interrupts(), wait_for_start=True)
    with cell.station:
        return evaluate(plan, cell, Walker(), folder, listeners=Listeners((panel,), operator))


def test_keys_start_and_label_every_trial(tmp_path: Path) -> None:
    summary = by_keys(tmp_path, ["s", None, None, "y", "s", None, "f", "m"])
    assert [(r.success, r.reason, r.labelled_by) for r in summary.counted] == [
        (True, "", "operator"),
        (False, "missed_grasp", "operator"),
    ]


def test_silence_is_no_label_and_the_trial_does_not_count(tmp_path: Path) -> None:
    summary = by_keys(tmp_path, ["s", None, None, "y", "s", None, "x", "z"])
    assert len(summary.counted) == 1
    assert len(summary.aborted) == 1


def test_quitting_before_a_trial_keeps_those_before_it(tmp_path: Path) -> None:
    summary = by_keys(tmp_path, ["s", None, "y", "q"])
    assert (len(summary.counted), summary.complete) == (1, False)


def test_a_discarded_trial_is_run_again(tmp_path: Path) -> None:
    keys = ["s", None, "x", "r", "s", None, "y", "s", None, "y"]
    summary = by_keys(tmp_path, keys)
    assert summary.complete
    assert len(summary.aborted) == 1


def test_without_a_terminal_nobody_can_label(tmp_path: Path) -> None:
    cell = make_fake_cell(judged=False)
    with (
        pytest.raises(UsageError, match="no terminal"),
        listening("test", [], cell, Interrupts(), tmp_path),
    ):
        pass
