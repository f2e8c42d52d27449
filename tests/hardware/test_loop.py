"""The control loop."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.loop import ControlLoop, Signal, Subscriber
from hardware.robot import Stop
from recordings.errors import RobotError, UsageError
from recordings.records import Decision, EndReason, EpisodeEnd, Score, Step
from tests.hardware.fakes import FixedDecider, episode_info, fake_station

GENTLE = np.array([0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


class Listener(Subscriber):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.begun = 0
        self.steps: list[Step] = []
        self.pauses = 0
        self.ends: list[EpisodeEnd] = []

    def on_begin(self, info) -> None:
        self.begun += 1

    def on_step(self, step) -> None:
        self.steps.append(step)

    def on_pause(self, observation) -> None:
        self.pauses += 1

    def on_end(self, end) -> None:
        self.ends.append(end)


class JudgeAfter:
    """Success from the n-th score on."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.asked = 0

    def score(self) -> Score:
        self.asked += 1
        done = self.asked >= self.n
        return Score(done, 1.0 if done else 0.2, "placed" if done else "reached")


def run(max_steps=10, decider=None, **loop_options):
    station, robot, clock = fake_station()
    listener = Listener()
    with station:
        judge = loop_options.pop("judge", None)
        loop = ControlLoop(station, 5.0, subscribers=[listener], **loop_options)
        end = loop.run_episode(
            episode_info(), decider or FixedDecider(GENTLE), max_steps=max_steps, judge=judge
        )
    return end, listener, robot, clock


def test_an_episode_ends_at_its_time_limit_with_one_observation_more_than_steps() -> None:
    end, listener, robot, clock = run(max_steps=7)
    assert end.reason is EndReason.TIME_LIMIT
    assert (end.steps, len(listener.steps)) == (7, 7)
    assert end.final_observation is not None
    assert clock.now_s() == pytest.approx(7 / 5.0)
    assert listener.ends == [end]
    assert robot.log[-2:] == ["stop hold", "disconnect"]


def test_steps_hold_what_was_seen_wanted_and_sent() -> None:
    too_fast = np.array([0.2, 0, 0, 0, 0, 0, 1.0])
    _, listener, _, _ = run(max_steps=1, decider=FixedDecider(too_fast))
    step = listener.steps[0]
    assert step.action[0] == 0.2
    assert step.sent_action[0] == pytest.approx(0.05)
    assert step.interventions == ("step_clamp",)
    assert step.extras == {"q": 0.5}
    np.testing.assert_allclose(step.observation.state[0], 0.25)


def test_success_has_to_last_two_periods() -> None:
    end, listener, _, _ = run(judge=JudgeAfter(3))
    assert end.reason is EndReason.SUCCESS
    assert [step.score.success for step in listener.steps] == [False, False, True, True]


def test_success_at_the_time_limit_is_success() -> None:
    end, *_ = run(max_steps=4, judge=JudgeAfter(3))
    assert (end.reason, end.steps) == (EndReason.SUCCESS, 4)


def test_the_episode_starts_when_everybody_is_ready() -> None:
    station, _, clock = fake_station()
    begun: list[str] = []

    class Loads(FixedDecider):
        def begin(self, info) -> None:
            begun.append(info.episode_id)
            clock.wait_until_s(clock.now_s() + 3.0)

    with station:
        end = ControlLoop(station, 5.0).run_episode(episode_info(), Loads(GENTLE), max_steps=7)
    assert begun == ["test"]
    assert (end.reason, end.overruns) == (EndReason.TIME_LIMIT, 0)
    assert end.duration_s == pytest.approx(7 / 5.0)


def test_a_fault_stops_the_arm_before_anybody_hears_of_it() -> None:
    station, robot, _ = fake_station()
    robot.fail_at = 2
    heard: list[list[str]] = []

    class Ear(Subscriber):
        def on_end(self, end) -> None:
            heard.append(list(robot.log))

    with station:
        end = ControlLoop(station, 5.0, subscribers=[Ear()]).run_episode(
            episode_info(), FixedDecider(GENTLE), max_steps=10
        )
    assert end.reason is EndReason.FAULT
    assert "Motor 4 is overloaded" in end.fault
    assert end.steps == 2
    assert heard[0][-1] == "stop hold"


def test_a_decider_that_asks_for_nan_ends_the_episode_and_moves_nothing() -> None:
    end, listener, robot, _ = run(decider=FixedDecider(GENTLE * np.nan))
    assert end.reason is EndReason.FAULT
    assert "not seven finite numbers" in end.fault
    assert listener.steps == []
    np.testing.assert_allclose(robot.state, [0.25, 0, 0.15, 0, 0, 0, 1.0])


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), RuntimeError("x")])
def test_a_subscriber_that_raises_stops_the_arm_and_everybody_hears_the_end(error) -> None:
    station, robot, _ = fake_station()
    listener = Listener()

    class Broken(Subscriber):
        def on_step(self, step) -> None:
            raise error

    with station, pytest.raises(type(error)):
        ControlLoop(station, 5.0, subscribers=[listener, Broken()]).run_episode(
            episode_info(), FixedDecider(GENTLE), max_steps=10
        )
    assert "stop hold" in robot.log
    assert [end.reason for end in listener.ends] == [EndReason.FAULT]


@pytest.mark.parametrize(
    ("event", "reason"), [("on_begin", EndReason.FAULT), ("on_end", EndReason.TIME_LIMIT)]
)
def test_a_subscriber_that_fails_to_begin_or_end_hears_the_end_once(
    monkeypatch, event, reason
) -> None:
    station, robot, _ = fake_station()
    listener, behind = Listener(), Listener()
    hear = getattr(listener, event)

    def fail(told) -> None:
        hear(told)
        raise OSError("disk full")

    monkeypatch.setattr(listener, event, fail)
    with station, pytest.raises(OSError, match="disk full"):
        ControlLoop(station, 5.0, [listener, behind]).run_episode(
            episode_info(), FixedDecider(GENTLE), max_steps=2
        )
    assert "stop hold" in robot.log
    assert [end.reason for end in listener.ends] == [reason]
    # Whoever has not begun has nothing to end.
    assert len(behind.ends) == (1 if event == "on_end" else 0)


def test_the_operator_can_pause_and_stop() -> None:
    signals = iter([Signal.RUN, Signal.PAUSE, Signal.PAUSE, Signal.RUN, Signal.STOP])
    end, listener, robot, _ = run(signal=lambda: next(signals))
    assert end.reason is EndReason.OPERATOR_STOP
    assert (end.steps, listener.pauses) == (2, 2)
    assert robot.state[0] == pytest.approx(0.252)
    # Once for the pause, however long, and once at the end.
    assert robot.log.count("stop hold") == 2


def test_every_pause_stops_the_arm() -> None:
    pause, go = Signal.PAUSE, Signal.RUN
    signals = iter([go, pause, pause, go, pause, Signal.STOP])
    _, _, robot, _ = run(signal=lambda: next(signals))
    assert robot.log.count("stop hold") == 3


def test_a_paused_arm_keeps_its_hand_closed() -> None:
    signals = iter([Signal.RUN, Signal.PAUSE, Signal.PAUSE, Signal.STOP])
    decider = FixedDecider(np.array([0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    end, _, robot, _ = run(decider=decider, signal=lambda: next(signals))
    assert (end.reason, end.steps) == (EndReason.OPERATOR_STOP, 1)
    assert robot.state[6] == 0.0


def test_the_time_that_a_pause_takes_to_stop_the_arm_is_not_lateness(monkeypatch) -> None:
    station, robot, clock = fake_station()
    signals = iter([Signal.RUN, Signal.PAUSE, Signal.RUN, Signal.STOP])
    with station:
        monkeypatch.setattr(robot, "stop", lambda *_, **__: clock.wait_until_s(clock.now_s() + 2.0))
        loop = ControlLoop(station, 5.0, signal=lambda: next(signals))
        end = loop.run_episode(episode_info(), FixedDecider(GENTLE), max_steps=10)
    assert (end.reason, end.overruns) == (EndReason.OPERATOR_STOP, 0)


def test_a_pause_that_the_arm_does_not_confirm_is_a_fault() -> None:
    station, robot, _ = fake_station()
    listener = Listener()
    signals = iter([Signal.RUN, Signal.PAUSE])

    def stop(kind: Stop = Stop.HOLD, **_: object) -> None:
        raise RobotError("Motor 3 still moves.", "", "")

    with station:
        robot.stop = stop
        loop = ControlLoop(station, 5.0, [listener], lambda: next(signals))
        end = loop.run_episode(episode_info(), FixedDecider(GENTLE), max_steps=10)
    assert end.reason is EndReason.FAULT
    assert "Motor 3 still moves" in end.fault
    assert listener.pauses == 0


def test_the_decider_can_end_the_episode() -> None:
    end, listener, robot, _ = run(decider=FixedDecider(GENTLE, steps=3))
    assert end.reason is EndReason.DECIDER_DONE
    assert len(listener.steps) == robot.applied == 3


@pytest.mark.parametrize("wanted", [Signal.STOP, Signal.PAUSE])
def test_an_action_that_the_operator_did_not_wait_for_is_not_sent(wanted) -> None:
    station, robot, clock = fake_station()
    listener = Listener()
    said = Signal.RUN

    class Ponders(FixedDecider):
        def act(self, observation) -> Decision:
            nonlocal said
            clock.wait_until_s(clock.now_s() + 0.6)
            # Pressed meanwhile, and told only once, as a key is.
            said = wanted
            return super().act(observation)

    def signal() -> Signal:
        nonlocal said
        told, said = said, Signal.STOP if said is Signal.PAUSE else Signal.RUN
        return told

    with station:
        before = robot.state.copy()
        loop = ControlLoop(station, 5.0, [listener], signal)
        end = loop.run_episode(episode_info(), Ponders(GENTLE), max_steps=10)
    assert (end.reason, end.steps) == (EndReason.OPERATOR_STOP, 0)
    assert listener.pauses == (wanted is Signal.PAUSE)
    np.testing.assert_array_equal(robot.state, before)


def test_late_periods_are_counted_and_not_made_up_for() -> None:
    station, _, clock = fake_station()
    listener = Listener()

    class Slow(FixedDecider):
        def act(self, observation) -> Decision:
            if len(listener.steps) == 1:
                clock.wait_until_s(clock.now_s() + 0.5)
            return super().act(observation)

    with station:
        end = ControlLoop(station, 5.0, subscribers=[listener]).run_episode(
            episode_info(), Slow(GENTLE), max_steps=5
        )
    assert end.overruns == 1
    assert end.worst_overrun_s == pytest.approx(0.3)
    times = [step.observation.time_s for step in listener.steps]
    np.testing.assert_allclose(np.diff(times), [0.2, 0.5, 0.2, 0.2])


class SlowDecider(FixedDecider):
    """Takes its time from one step on."""

    def __init__(self, clock, takes_s: float, *, from_step: int = 2) -> None:
        super().__init__(GENTLE)
        self.clock, self.takes_s, self.from_step = clock, takes_s, from_step
        self.asked = 0

    def act(self, observation) -> Decision:
        self.asked += 1
        if self.asked > self.from_step:
            self.clock.wait_until_s(self.clock.now_s() + self.takes_s)
        return super().act(observation)


def run_slowly(takes_s: float):
    station, robot, clock = fake_station()
    heard: list[str] = []

    class Ear(Subscriber):
        def on_end(self, end) -> None:
            heard.extend(robot.log)

    with station:
        end = ControlLoop(station, 5.0, subscribers=[Ear()]).run_episode(
            episode_info(), SlowDecider(clock, takes_s), max_steps=100
        )
    return end, robot, heard


def test_a_decision_on_an_old_observation_is_never_sent() -> None:
    end, robot, heard = run_slowly(takes_s=1.5)
    assert end.reason is EndReason.FAULT
    assert "took 1.5 s to decide" in end.fault
    assert robot.applied == end.steps == 2
    assert heard[-1] == "stop hold"


def test_a_loop_that_cannot_keep_its_rate_stops_the_arm() -> None:
    end, _, heard = run_slowly(takes_s=0.35)
    assert end.reason is EndReason.FAULT
    assert "10 periods in a row" in end.fault
    assert end.overruns == 10
    assert heard[-1] == "stop hold"


def test_a_loop_that_is_late_now_and_then_goes_on() -> None:
    station, _, clock = fake_station()

    class NowAndThen(SlowDecider):
        def act(self, observation) -> Decision:
            self.takes_s = 0.35 * (self.asked % 2)
            return super().act(observation)

    with station:
        end = ControlLoop(station, 5.0).run_episode(
            episode_info(), NowAndThen(clock, 0.0, from_step=0), max_steps=40
        )
    assert (end.reason, end.overruns) == (EndReason.TIME_LIMIT, 20)


def test_a_subscriber_that_blocks_for_long_is_a_missed_deadline() -> None:
    station, robot, clock = fake_station()

    class Stuck(Subscriber):
        def on_step(self, step) -> None:
            if step.index == 1:
                clock.wait_until_s(clock.now_s() + 3.0)

    with station:
        end = ControlLoop(station, 5.0, subscribers=[Stuck()]).run_episode(
            episode_info(), FixedDecider(GENTLE), max_steps=10
        )
    assert end.reason is EndReason.FAULT
    assert "2.8 s late" in end.fault
    assert robot.applied == 2


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (RobotError("The bus does not answer.", "It does."), "The bus does not answer."),
        (UsageError("The server has another token."), "The server has another token."),
        (OSError("no device"), "OSError: no device"),
    ],
)
def test_an_arm_that_does_not_confirm_the_stop_is_spoken_of(monkeypatch, problem, words) -> None:
    station, robot, _ = fake_station()
    robot.fail_at = 2
    listener = Listener()

    def lost(*_: object, **__: object) -> None:
        raise problem

    with station:
        monkeypatch.setattr(robot, "stop", lost)
        end = ControlLoop(station, 5.0, [listener]).run_episode(
            episode_info(), FixedDecider(GENTLE), max_steps=10
        )
    assert listener.ends == [end]
    assert end.reason is EndReason.FAULT
    assert "Motor 4 is overloaded" in end.fault
    assert end.fault.endswith(f"did not confirm that it holds: {words}")
