"""The gripper's loop, on a finger that goes as fast as it is pushed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import wx250s
from hardware.interbotix.gripper import GripperLoop

TICK_S = 0.02
M_S_PER_PWM = 0.1 / 885
FRICTION_PWM = 30


class Finger:
    """One finger, perhaps with something beside it that it cannot pass."""

    def __init__(self, at_m: float, object_m: float = 0.0) -> None:
        self.at_m, self.object_m, self.now_s = at_m, object_m, 0.0

    def follow(self, loop: GripperLoop, seconds: float, effort: float = 0.0) -> list[int]:
        sent = []
        for _ in range(int(seconds / TICK_S)):
            pwm = loop.step(self.at_m, effort, self.now_s)
            sent.append(pwm)
            if abs(pwm) > FRICTION_PWM:
                self.at_m += pwm * M_S_PER_PWM * TICK_S
            self.at_m = max(self.at_m, self.object_m)
            self.now_s += TICK_S
        return sent


def make(hold_pwm: int = 120) -> GripperLoop:
    return GripperLoop(force_pwm=350, hold_pwm=hold_pwm, effort_limit=1200.0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_it_reaches_any_opening_from_any_other_and_then_hardly_pushes(start, goal) -> None:
    loop, finger = make(), Finger(wx250s.opening_to_finger(start))
    loop.aim(goal)
    sent = finger.follow(loop, 2.0)
    assert wx250s.finger_to_opening(finger.at_m) == pytest.approx(goal, abs=0.03)
    assert max(map(abs, sent)) <= 350
    assert abs(sent[-1]) <= FRICTION_PWM


def test_without_a_goal_it_does_not_push() -> None:
    loop, finger = make(), Finger(0.02)
    assert finger.follow(loop, 0.2) == [0] * 10
    loop.aim(1.0)
    assert finger.follow(loop, 0.02) == [350]
    loop.aim(None)
    assert finger.follow(loop, 0.2) == [0] * 10


def test_it_lets_up_on_what_it_has_grasped_and_keeps_a_gentle_squeeze() -> None:
    loop, finger = make(), Finger(0.035, object_m=0.02)
    loop.aim(0.0)
    sent = finger.follow(loop, 3.0)
    assert min(sent) == -350
    assert sent[-1] == -120
    full_force_s = sum(pwm < -120 for pwm in sent) * TICK_S
    assert full_force_s < 0.9


def test_it_can_be_told_to_let_up_altogether() -> None:
    loop, finger = make(hold_pwm=0), Finger(0.035, object_m=0.02)
    loop.aim(0.0)
    assert finger.follow(loop, 3.0)[-1] == 0


def test_it_pushes_on_when_what_it_held_slips_away() -> None:
    loop, finger = make(), Finger(0.035, object_m=0.02)
    loop.aim(0.0)
    finger.follow(loop, 2.0)
    finger.object_m, finger.at_m = 0.0, 0.0185
    sent = finger.follow(loop, 1.0)
    assert sent[0] == -350
    assert wx250s.finger_to_opening(finger.at_m) < 0.05


def test_it_keeps_the_squeeze_when_asked_to_close_again_a_little_more_or_less() -> None:
    loop, finger = make(), Finger(0.035, object_m=0.025)
    loop.aim(0.0)
    finger.follow(loop, 2.0)
    for goal in (0.05, 0.0, 0.1):
        loop.aim(goal)
        assert set(finger.follow(loop, 0.5)) == {-120}


def test_it_opens_at_once_when_asked_to() -> None:
    loop, finger = make(), Finger(0.035, object_m=0.02)
    loop.aim(0.0)
    finger.follow(loop, 2.0)
    loop.aim(1.0)
    assert finger.follow(loop, 0.02) == [350]


def test_too_great_an_effort_makes_it_let_up_at_once() -> None:
    loop, finger = make(), Finger(0.035)
    loop.aim(0.0)
    assert finger.follow(loop, 0.1, effort=-1300.0) == [-120] * 5
