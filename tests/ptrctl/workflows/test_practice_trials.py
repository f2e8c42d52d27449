"""Which scene a practice trial finds, who acts in it, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hardware.faults import MotorFault
from policies.carrying import MOST_PERIODS
from ptrctl.plan import StopRule
from ptrctl.rewards import NOBODY_TO_ASK
from ptrctl.statistics import Rate
from ptrctl.trials import TrialLog, TrialRecord
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.improve import ALREADY_DONE, FAILURES_UNTIL_RESET, _Session
from recordings.errors import RobotError
from tests.ptrctl.workflows.fake_cell import FakeArm, Walker, make_fake_cell
from tests.ptrctl.workflows.test_improve import PLAN, candidate
from tests.ptrctl.workflows.test_practice_learning import Operator

IN_TURNS = replace(PLAN, backward="go_back", trials=4, practice_seeds=(300, 301, 302, 303))


class RealArm(FakeArm):
    features = replace(FakeArm.features, simulated=False)


class WedgedArm(FakeArm):
    """Finds its start pose only where the scene has been laid out anew."""

    def move_to_start(self, *, seed: int | None = None, **how: Any) -> None:
        super().move_to_start(seed=seed, **how)
        if seed is None and len(self.starts) > 1:
            raise MotorFault("A motor pushes too hard.")


class WedgedRealArm(WedgedArm, RealArm): ...


def in_turns(folder: Path, arm: FakeArm | None = None, *, policy: Walker | None = None) -> Any:
    """A session of two tasks in turn that has left a scene behind, and learns nothing."""
    cell = make_fake_cell(arm=arm)
    cell.use_task = lambda task: replace(cell, task=task)
    learner: Any = SimpleNamespace()
    listeners = Listeners(operator=Operator())
    session: Any = _Session(
        IN_TURNS, cell, learner, folder, folder / "run", lambda event: None, listeners
    )
    session.scene_is_ours = True
    session.learning = SimpleNamespace(
        add=lambda episode, success: None, after_trial=lambda trial: None
    )
    if policy is not None:
        session.policy = lambda trial, task: policy
    return session


def practised(folder: Path, ends: Sequence[TrialRecord]) -> TrialLog:
    log = TrialLog(folder / "practice")
    for record in ends:
        log.append(record)
    return log


def counted(trial: int, success: bool) -> TrialRecord:
    return TrialRecord(trial, 300 + trial, "counted", success=success)


@pytest.mark.parametrize(
    ("arm", "told"), [(RealArm(), ["Lay the scene out for go_back."]), (FakeArm(), [])]
)
def test_on_an_arm_the_operator_lays_the_scene_out_before_it_moves(
    tmp_path: Path, arm: FakeArm, told: list[str]
) -> None:
    session = in_turns(tmp_path, arm)
    assert session.choose(0) == ("go_back", 300, None)
    assert session.listeners.operator.told == told


@pytest.mark.parametrize(
    ("successes", "laid_out"),
    [
        ([False] * (FAILURES_UNTIL_RESET - 1), False),
        ([True, *[False] * FAILURES_UNTIL_RESET], True),
        ([*[False] * FAILURES_UNTIL_RESET, True], False),
    ],
)
def test_after_so_many_failures_in_a_row_the_scene_is_laid_out(
    tmp_path: Path, successes: list[bool], laid_out: bool
) -> None:
    log = practised(tmp_path, [counted(trial, s) for trial, s in enumerate(successes)])
    trial = len(successes)
    assert in_turns(tmp_path).choose(trial)[1] == (300 + trial if laid_out else None)
    # An attempt without a step says nothing of the scene.
    log.append(TrialRecord(trial, 300 + trial, "aborted", end_reason=ALREADY_DONE))
    assert in_turns(tmp_path).choose(trial)[1] == (300 + trial if laid_out else None)


def test_after_a_fault_the_operator_lays_the_scene_out(tmp_path: Path) -> None:
    arm = RealArm(faults={1})
    session = in_turns(tmp_path, arm, policy=Walker())
    practised(tmp_path, [counted(0, True)])
    with session.cell.station:
        assert session.practise(1)
    # As it was left; then as the operator has laid it out.
    assert arm.starts[1:] == [None, 301]
    assert session.listeners.operator.told == ["Lay the scene out for go_back."]
    assert session.scene_is_ours


def test_an_arm_wedged_into_what_it_left_is_freed_by_the_simulator_alone(tmp_path: Path) -> None:
    practised(tmp_path, [counted(0, True)])
    arm = WedgedArm()
    session = in_turns(tmp_path, arm, policy=Walker())
    with session.cell.station:
        assert session.practise(1)
    assert arm.starts[1:] == [None, 301]
    session = in_turns(tmp_path, WedgedRealArm(), policy=Walker())
    with session.cell.station, pytest.raises(MotorFault, match="too hard"):
        session.practise(2)


def test_a_practice_trial_that_faults_twice_stops_the_session(tmp_path: Path) -> None:
    session = in_turns(tmp_path, FakeArm(faults={1, 2}), policy=Walker())
    with session.cell.station, pytest.raises(RobotError, match="by a fault 2 times"):
        session.practise(0)


def test_only_the_policys_own_trials_of_the_task_are_given_up(tmp_path: Path) -> None:
    session = in_turns(tmp_path)
    rule = StopRule(0.1, "meter")
    session.plan = replace(IN_TURNS, stop_hopeless=rule)
    own = session.settings("go_ahead", None, None)
    assert (own.stop_hopeless, own.max_steps, own.refuse_done) == (rule, PLAN.max_steps, True)
    assert session.settings("go_back", None, None).stop_hopeless is None
    from_memory = session.settings("go_ahead", 300, object())
    assert from_memory.stop_hopeless is None
    assert from_memory.max_steps == max(MOST_PERIODS, PLAN.max_steps)
    assert not from_memory.refuse_done


def test_practice_explores_and_the_meter_speaks_of_its_own_task_alone(tmp_path: Path) -> None:
    session = in_turns(tmp_path)
    session.plan = replace(IN_TURNS, noise_scale=0.7)
    session.learner.policy = SimpleNamespace
    session.meter = object()
    policy = session.policy(2, "go_ahead")
    assert (policy.stochastic, policy.noise_scale, policy.trial_seed) == (True, 0.7, 302)
    assert policy.meter is session.meter
    assert session.policy(2, "go_back").meter is None


def test_it_is_reported_how_often_label_and_simulator_agree_and_what_nobody_knew(
    tmp_path: Path,
) -> None:
    session = in_turns(tmp_path, policy=Walker(only_even=True))
    session.plan = replace(IN_TURNS, backward="", practice_seeds=(0, 1, 2, 3))
    session.compare_labels = True
    log = session.trials.log
    with session.cell.station:
        assert session.practise(0)
        assert session.practise(1)
    assert [record.success for record in log.records] == [True, False]
    log.append(TrialRecord(2, 2, "counted", reason=NOBODY_TO_ASK))
    result = session.result(candidate("old", 1), [])
    assert result.agreement == Rate(2, 2)
    assert result.uncertain == 1
    path = session.agreement_path
    path.write_text(path.read_text().replace('"label": true', '"label": false'))
    assert session.result(candidate("old", 1), []).agreement == Rate(1, 2)
