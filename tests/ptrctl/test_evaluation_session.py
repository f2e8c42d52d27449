"""On hardware the operator lays out the scene, starts each trial and labels it with keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hardware.faults import CameraFault
from hardware.registry import Cell
from hardware.robot import ShouldStop, never_stop
from policies.learners import make_networks
from policies.policy import Policy
from policies.presets import preset
from policies.tasks import TaskSlots
from ptrctl.operator.at_the_keys import AtTheKeys
from ptrctl.operator.interrupts import Interrupts
from ptrctl.plan import TrialPlan
from ptrctl.sessions.evaluation import run_trials
from ptrctl.sessions.trial_session import listening
from ptrctl.terminal.keymap import Moment
from ptrctl.terminal.keys import Key
from ptrctl.terminal.panels import LivePanel, View
from ptrctl.trials import TrialSummary
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.evaluate import evaluate
from recordings.errors import UsageError
from recordings.records import Frame, Label, Observation, Outcome
from tests.ptrctl.quiet_screen import QuietScreen
from tests.ptrctl.scripted_keys import ScriptedKeys
from tests.ptrctl.workflows.fake_cell import FakeCamera, Walker, make_fake_cell
from tests.ptrctl.workflows.test_evaluate import PLAN
from tests.recordings.episodes import make_end


def by_keys(folder: Path, keys: Sequence[str | None]) -> TrialSummary:
    """Two trials on an arm that nobody judges, wired as `listening` does on hardware."""
    plan = dataclasses.replace(PLAN, trials=2, start_seeds=(1, 2))
    cell = make_fake_cell(judged=False)
    panel = LivePanel(View("test", control_rate_hz=5.0), QuietScreen(), folder)  # type: ignore[arg-type]
    operator = AtTheKeys(ScriptedKeys(keys), panel, Interrupts(), wait_for_start=True)
    with cell.station:
        return evaluate(plan, cell, Walker(), folder, listeners=Listeners((panel,), operator))


def test_scored_trials_do_not_explore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acting: list[Policy] = []

    def watched(plan: TrialPlan, cell: Cell, policy: Policy, *rest: Any, **how: Any) -> Any:
        acting.append(policy)
        return SimpleNamespace(rate="")

    monkeypatch.setattr("ptrctl.sessions.evaluation.evaluate", watched)
    trained: Any = SimpleNamespace(
        networks=lambda tasks: (make_networks(preset("tiny"), 0), TaskSlots(tuple(tasks), 8)),
        info=SimpleNamespace(camera="front", critic_updates=0),
        short_digest="0123456789ab",
    )
    shown: Any = SimpleNamespace(begin=lambda stage: None, finish=lambda stage, words: None)
    run_trials(
        PLAN,
        make_fake_cell(),
        trained,
        tmp_path,
        shown=shown,
        stage="evaluate",
        listeners=Listeners(),
    )
    assert [policy.stochastic for policy in acting] == [False]


def test_keys_start_and_label_every_trial(tmp_path: Path) -> None:
    summary = by_keys(tmp_path, ["s", None, None, "y", "s", None, "f", "m"])
    assert [(r.success, r.reason, r.labelled_by) for r in summary.counted] == [
        (True, "", "operator"),
        (False, "missed_grasp", "operator"),
    ]


def test_silence_is_no_label_and_the_trial_does_not_count(tmp_path: Path) -> None:
    summary = by_keys(tmp_path, ["s", None, None, "y", "s", None, "x", "z", "d", "q"])
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


def test_a_trial_is_run_again_after_its_camera_failed_once(tmp_path: Path) -> None:
    class FailsOnce(FakeCamera):
        """In the first episode, until it is opened anew."""

        pictures = 0
        failed = False

        def connect(self) -> None:
            self.failed = False

        def read(self) -> Frame:
            self.pictures += 1
            self.failed = self.failed or self.pictures == 5
            if self.failed:
                raise CameraFault("The camera has sent no picture for 0.5 s.")
            return super().read()

    cell = make_fake_cell(judged=False)
    robot = cell.station.robot
    camera = FailsOnce(robot)
    cell.station.cameras["front"] = camera

    def start(seed: int | None, should_stop: ShouldStop = never_stop) -> None:
        camera.connect()
        robot.move_to_start(seed=seed)

    cell.start = start
    view = View("test", control_rate_hz=5.0)
    panel = LivePanel(view, QuietScreen(), tmp_path)  # type: ignore[arg-type]
    keys = ScriptedKeys(["s", "s", None, None, "s", "s", None, "y", None, "q"])
    operator = AtTheKeys(keys, panel, Interrupts(), wait_for_start=True, ask_to_move=True)
    with cell.station:
        summary = evaluate(PLAN, cell, Walker(), tmp_path, listeners=Listeners((panel,), operator))
    assert [record.end_reason for record in summary.aborted[:1]] == ["fault"]
    assert [record.success for record in summary.counted] == [True]


def test_before_the_arm_has_moved_a_camera_that_fails_is_said(tmp_path: Path) -> None:
    view = View("test", control_rate_hz=5.0)
    panel = LivePanel(view, QuietScreen(), tmp_path)  # type: ignore[arg-type]
    keys = ScriptedKeys([None, "q"])
    operator = AtTheKeys(keys, panel, Interrupts(), wait_for_start=True, ask_to_move=True)

    def observe() -> Observation:
        seen.append(view.message)
        raise CameraFault("The camera has sent no picture for 0.5 s.")

    seen: list[str] = []
    assert not operator.may_move(observe)
    assert seen == ["", "The camera has sent no picture for 0.5 s."]


def test_without_a_terminal_nobody_can_label(tmp_path: Path) -> None:
    cell = make_fake_cell(judged=False)
    with (
        pytest.raises(UsageError, match="needs a terminal, and there is none"),
        listening("test", [], cell, Interrupts(), tmp_path),
    ):
        pass


def test_why_the_arm_was_stopped_stays_until_the_operator_goes_on(tmp_path: Path) -> None:
    view = View("test", control_rate_hz=5.0)
    panel = LivePanel(view, QuietScreen(), tmp_path)  # type: ignore[arg-type]
    keys = ScriptedKeys(["space", "#", None, "s"])
    operator = AtTheKeys(keys, panel, Interrupts(), wait_for_start=True, ask_to_move=True)
    seen: list[str] = []

    def observe() -> Observation:
        seen.append(view.message)
        return Observation({}, np.zeros(7), 0.0)

    operator.held("A joint is hot.")
    assert view.moment is Moment.BUSY
    assert operator.may_move(observe)
    assert seen[0] == "A joint is hot."
    assert seen[1] == "Nothing moves the arm now. A joint is hot."
    assert seen[2] == "The key `#` does nothing now. A joint is hot."
    assert view.message == ""


@pytest.mark.parametrize("real", [True, False])
def test_on_an_arm_it_is_said_before_the_answer_that_the_arm_moves_after_it(
    tmp_path: Path, real: bool
) -> None:
    view = View("test", control_rate_hz=5.0)
    panel = LivePanel(view, QuietScreen(), tmp_path)  # type: ignore[arg-type]
    seen: list[str] = []

    class Reads(ScriptedKeys):
        """The operator reads before pressing."""

        def wait(self, timeout_s: float) -> list[Key]:
            seen.append(view.message)
            return super().wait(timeout_s)

    operator = AtTheKeys(Reads(["y"]), panel, Interrupts(), ask_to_move=real)
    assert operator.verdict(make_end(3)).label == Label(Outcome.SUCCESS, labelled_by="operator")
    assert ("goes to its start pose" in seen[0]) == real
    assert view.message == ""
