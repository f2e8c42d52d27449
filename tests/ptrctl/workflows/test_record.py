"""Recording towards a total, with an operator who presses keys, on an arm without physics."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hardware.registry import Cell
from hardware.teleoperation import TeleoperatedDecider
from ptrctl.operator.at_the_keys import AtTheKeys
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere
from ptrctl.operator.teleoperator import KeyboardTeleoperator
from ptrctl.terminal.keymap import Moment
from ptrctl.terminal.panels import LivePanel, View
from ptrctl.workflows.record import RecordListener, RecordPlan, RecordResult, record
from recordings.dataset import EpisodeFolder
from recordings.errors import RobotError, UsageError
from recordings.reader import read_summary
from recordings.records import EpisodeEnd, EpisodeInfo, Label, Observation, Outcome, Step
from recordings.writer import EpisodeWriter, new_episode_id
from tests.hardware.fake_teleoperator import FakeTeleoperator
from tests.ptrctl.quiet_screen import QuietScreen
from tests.ptrctl.scripted_keys import ScriptedKeys
from tests.ptrctl.workflows.fake_cell import FakeArm, Walker, make_fake_cell


class Desk:
    """An operator, a panel and an arm, wired as `ptrctl record` does."""

    def __init__(self, folder: Path, keys: str = "", **changes: Any) -> None:
        names = [{"_": None, " ": "space", "!": "enter"}.get(letter, letter) for letter in keys]
        self.plan = RecordPlan(folder, **{"episodes": 1, "max_steps": 8, **changes})
        self.cell = make_fake_cell()
        self.interrupts = Interrupts()
        self.view = View("test", control_rate_hz=5.0)
        self.panel = LivePanel(self.view, QuietScreen(), folder)  # type: ignore[arg-type]
        self.keys = ScriptedKeys(names)

    def by_keyboard(self, *, cell: Cell | None = None) -> RecordResult:
        teleoperator = KeyboardTeleoperator()
        operator = AtTheKeys(self.keys, self.panel, self.interrupts, teleoperator)
        robot = (cell or self.cell).station.robot
        decider = TeleoperatedDecider(teleoperator, lambda: robot.commanded_state)
        plan = replace(self.plan, end_on_success=False)
        with (cell or self.cell).station:
            return record(
                plan,
                cell or self.cell,
                lambda seed, fail: decider,
                operator,
                RecordListener(),
                subscribers=[self.panel],
            )

    def by_device(self, device: Any) -> RecordResult:
        robot = self.cell.station.robot
        decider = TeleoperatedDecider(device, lambda: robot.commanded_state)
        operator = AtTheKeys(self.keys, self.panel, self.interrupts, device=decider)
        plan = replace(self.plan, end_on_success=False)
        with self.cell.station:
            return record(plan, self.cell, lambda seed, fail: decider, operator, RecordListener())

    def watched(self, walker: Walker) -> RecordResult:
        """Somebody at the keys, who drives nothing and is not asked for labels."""
        operator = AtTheKeys(self.keys, self.panel, self.interrupts, ask=False)
        with self.cell.station:
            return record(
                self.plan, self.cell, lambda seed, fail: walker, operator, RecordListener()
            )

    def alone(self, walker: Walker | None = None, listener: Any = None) -> RecordResult:
        operator = NobodyThere(self.interrupts)
        self.failures_asked: list[bool] = []

        def make(seed: int, shall_fail: bool) -> Walker:
            self.failures_asked.append(shall_fail)
            return Walker(0.0) if shall_fail else walker or Walker(0.05)

        with self.cell.station:
            return record(self.plan, self.cell, make, operator, listener or RecordListener())

    @property
    def labels(self) -> list[Label]:
        return [summary.label for summary in self.summaries]

    @property
    def summaries(self) -> list[Any]:
        return EpisodeFolder(self.plan.folder).summaries()


def test_success_is_what_the_operator_says(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__y")
    result = desk.by_keyboard()
    assert result.complete
    assert desk.labels == [Label(Outcome.SUCCESS, "", "operator")]


def test_a_failure_carries_its_reason(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__fmq")
    desk.by_keyboard()
    assert desk.labels == [Label(Outcome.FAILURE, "missed_grasp", "operator")]


def test_a_reason_can_be_typed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__foit fell!q")
    desk.by_keyboard()
    assert desk.labels[0].reason == "it fell"


def test_after_a_stop_the_label_is_asked_before_the_next_episode(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__x" + "sy")  # The `s` comes too early and does nothing.
    desk.by_keyboard()
    assert [label.outcome for label in desk.labels] == [Outcome.SUCCESS]


def test_the_time_limit_ends_an_episode_and_asks(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s" + "_" * 9 + "y")
    desk.by_keyboard()
    assert desk.summaries[0].steps == 8


def test_silence_is_never_success(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__x")  # The keys end here, as on a lost terminal.
    result = desk.by_keyboard()
    assert not result.complete
    assert desk.labels == [Label()]


def test_enter_at_the_label_prompt_does_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__x!! z")
    desk.by_keyboard()
    assert desk.labels == [Label()]


def test_an_unlabelled_episode_is_kept_but_does_not_count(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__xzs__y")
    result = desk.by_keyboard()
    assert result.complete
    assert result.counts == Counter({Outcome.SUCCESS: 1, Outcome.UNLABELLED: 1})


def test_discard_leaves_no_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__xdq")
    result = desk.by_keyboard()
    assert result.dropped == 1
    assert not list(tmp_path.iterdir())


def test_redo_discards_and_repeats_the_same_start_state(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__xrs__y", seed=4)
    desk.by_keyboard()
    arm = desk.cell.station.robot
    assert isinstance(arm, FakeArm)
    assert arm.starts == [None, 4, 4]
    assert [summary.info.seed for summary in desk.summaries] == [4]


def test_quitting_while_running_asks_for_the_label_then_ends(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__qy", episodes=5)
    result = desk.by_keyboard()
    assert result.counts == Counter({Outcome.SUCCESS: 1})
    assert not result.complete


def test_quitting_before_an_episode_keeps_the_others(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__yq", episodes=5)
    assert desk.by_keyboard().counts == Counter({Outcome.SUCCESS: 1})


def test_pausing_records_no_step_and_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__ ____p__y")
    desk.by_keyboard()
    (summary,) = desk.summaries
    assert summary.steps == 5
    assert summary.label.outcome is Outcome.SUCCESS


def test_an_unknown_key_is_shown_as_such_and_ignored(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s_#_____________")
    seen: list[str] = []
    desk.panel.on_step = lambda step: seen.append(desk.view.message)  # type: ignore[method-assign]
    desk.by_keyboard()
    assert "The key `#` does nothing now." in seen


def test_a_held_motion_key_cannot_label(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__x" + "ikjluncvtgweo123 " + "y")
    desk.by_keyboard()
    assert [label.outcome for label in desk.labels] == [Outcome.SUCCESS]


def test_motion_keys_move_the_arm(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "sii__y")
    desk.by_keyboard()
    assert desk.cell.station.robot.read_state().state[0] > 0.1


def test_the_panel_shows_only_keys_that_work_now(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s__xq")
    shown: dict[Moment, str] = {}
    refresh = desk.panel.refresh

    def note() -> None:
        shown[desk.view.moment] = " ".join(letter for letter, _ in desk.view.keys)
        refresh()

    desk.panel.refresh = note  # type: ignore[method-assign]
    desk.by_keyboard()
    assert shown[Moment.READY] == "s q"
    assert shown[Moment.RUNNING] == "y f x space esc q"
    assert shown[Moment.LABEL] == "y f z d r q"


def test_a_signal_ends_the_episode_and_keeps_it_unlabelled(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s_______")

    class Pressed(Walker):
        def act(self, observation: Observation) -> Any:
            desk.interrupts.request()
            return super().act(observation)

    result = desk.alone(Pressed())
    assert not result.complete
    assert desk.labels == [Label()]


def test_a_second_signal_still_keeps_what_there_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    class Insists(Walker):
        steps = 0

        def act(self, observation: Observation) -> Any:
            self.steps += 1
            if self.steps == 3:
                raise KeyboardInterrupt
            return super().act(observation)

    with pytest.raises(KeyboardInterrupt):
        desk.alone(Insists())
    (summary,) = desk.summaries
    assert summary.steps == 2
    assert summary.label == Label()


@pytest.mark.parametrize(("keys", "episodes"), [("__q", 1), ("__x", 2)])
def test_what_a_key_cut_short_is_not_judged_by_the_simulator(
    tmp_path: Path, keys: str, episodes: int
) -> None:
    desk = Desk(tmp_path, keys)
    desk.watched(Walker(0.05))
    assert desk.labels[0].outcome is Outcome.UNLABELLED
    assert len(desk.labels) == episodes


def test_nobody_there_the_simulator_labels(tmp_path: Path) -> None:
    desk = Desk(tmp_path, episodes=3)
    assert desk.alone().complete
    assert desk.labels == [Label(Outcome.SUCCESS, "", "simulator")] * 3


def test_a_success_that_lasts_one_period_only_is_none_to_the_simulator(tmp_path: Path) -> None:
    # It is at the goal after four steps.
    desk = Desk(tmp_path, max_steps=4, attempts_a_demo=1)
    with pytest.raises(RobotError, match="still missing 1 success"):
        desk.alone(Walker(0.051))
    again = Desk(tmp_path, max_steps=5)
    assert again.alone(Walker(0.051)).complete
    assert [label.outcome for label in again.labels] == [Outcome.FAILURE, Outcome.SUCCESS]


def test_resuming_counts_what_is_there_and_uses_new_start_states(tmp_path: Path) -> None:
    Desk(tmp_path, episodes=2, seed=10).alone()
    again = Desk(tmp_path, episodes=5, seed=10)
    assert len(again.alone().kept) == 3
    assert sorted(summary.info.seed for summary in again.summaries) == [10, 11, 12, 13, 14]


def test_a_complete_plan_moves_nothing(tmp_path: Path) -> None:
    Desk(tmp_path, episodes=2).alone()
    again = Desk(tmp_path, episodes=2)
    result = again.alone()
    assert result.complete
    assert result.kept == ()


def test_failures_are_made_to_order(tmp_path: Path) -> None:
    desk = Desk(tmp_path, episodes=10, failures=0.3)
    result = desk.alone()
    assert result.counts == Counter({Outcome.SUCCESS: 7, Outcome.FAILURE: 3})
    assert desk.failures_asked.count(True) == 3
    reasons = {label.reason for label in desk.labels if label.outcome is Outcome.FAILURE}
    assert reasons == {"furthest stage: reached"}


def test_a_hopeless_demonstrator_gives_up_and_keeps_everything(tmp_path: Path) -> None:
    desk = Desk(tmp_path, episodes=2)
    with pytest.raises(RobotError, match="still missing 2 success"):
        desk.alone(Walker(0.0))
    assert len(desk.summaries) == 10


def test_a_demonstrator_that_the_workspace_box_held_back_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    box = desk.cell.station.safety.workspace
    desk.cell.station.safety.workspace = replace(box, high_m=(0.12, 0.5, 0.5))
    with pytest.raises(RobotError) as caught:
        desk.alone()
    assert "(0.12, 0.5, 0.5) m held the arm back in 40 of 40 steps" in caught.value.expected
    assert "choose a larger box" in caught.value.try_next
    assert "--kitchen" not in caught.value.try_next


def test_a_person_may_try_as_often_as_they_like(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s_xd" * 7 + "s_xy", attempts_a_demo=None)
    result = desk.by_keyboard()
    assert (result.complete, result.dropped) == (True, 7)


def test_a_fault_keeps_the_episode_unlabelled_and_stops_the_session(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.cell = make_fake_cell(faults={3})
    with pytest.raises(RobotError, match="Motor 3 reports overheating"):
        desk.alone()
    (summary,) = desk.summaries
    assert summary.label == Label()
    assert summary.steps == 2


@pytest.mark.parametrize(
    ("goes", "keys", "label"),
    [
        (Moment.LABEL, "s__x_y", Label(Outcome.SUCCESS, "", "operator")),
        (Moment.REASON, "s__f_m", Label(Outcome.FAILURE, "missed_grasp", "operator")),
    ],
)
def test_a_device_that_goes_while_a_label_is_asked_for_costs_no_label(
    tmp_path: Path, goes: Moment, keys: str, label: Label
) -> None:
    desk = Desk(tmp_path, f"{keys}s", episodes=2)
    device = FakeTeleoperator(time.monotonic)
    shown: list[str] = []
    refresh = desk.panel.refresh

    def note() -> None:
        device.gone = device.gone or desk.view.moment is goes
        shown.append(desk.view.message)
        refresh()

    desk.panel.refresh = note  # type: ignore[method-assign]
    # Without the device the next episode ends the session.
    with pytest.raises(RobotError, match="The fake is gone"):
        desk.by_device(device)
    assert desk.labels == [label]
    assert "The fake is gone. Go on with the keys." in shown
    assert desk.view.rows["engaged"] == "no: the device is gone"


def test_what_a_killed_session_left_over_is_recovered_first_and_said(tmp_path: Path) -> None:
    killed = make_fake_cell()
    with killed.station:
        frames = killed.station.observe()
        info = EpisodeInfo(
            new_episode_id(), "demo", "go_ahead", {}, {"front": {}}, 5.0, "keyboard", seed=0
        )
        with EpisodeWriter(tmp_path, info) as writer:
            action = frames.state * 0
            writer.append(Step(0, frames, action, action))

    told: list[int] = []

    class Told(RecordListener):
        def on_recovered(self, leftovers: Any) -> None:
            told.append(leftovers[0].steps)

    desk = Desk(tmp_path)
    result = desk.alone(listener=Told())
    assert told == [1]
    assert result.counts == Counter({Outcome.SUCCESS: 1, Outcome.UNLABELLED: 1})
    assert {summary.info.seed for summary in desk.summaries} == {0, 1}


def test_the_listener_hears_of_an_episode_only_when_its_file_is_whole(tmp_path: Path) -> None:
    class Checks(RecordListener):
        heard = 0

        def on_kept(self, path: Path, end: EpisodeEnd, label: Label) -> None:
            assert read_summary(path).label == label
            self.heard += 1

    listener = Checks()
    Desk(tmp_path, episodes=2).alone(listener=listener)
    assert listener.heard == 2


@pytest.mark.parametrize("wrong", [{"episodes": 0}, {"failures": 1.5}, {"failures": -0.1}])
def test_a_senseless_plan_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        RecordPlan(tmp_path, **{"episodes": 1, **wrong})


def test_what_became_of_an_episode_with_a_fault_is_told_truly(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "s_____y")
    desk.cell = make_fake_cell(faults={5})
    with pytest.raises(RobotError, match="The episode is kept, success"):
        desk.by_keyboard()
    desk = Desk(tmp_path, "s_____d")
    desk.cell = make_fake_cell(faults={5})
    desk.plan = replace(desk.plan, episodes=2)
    with pytest.raises(RobotError, match="The episode was discarded"):
        desk.by_keyboard()
