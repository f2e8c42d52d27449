"""Faults of controller, network and machine, and how the arm stands after each."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hardware.faults import LostConnection, MotorFault
from hardware.robot import Stop
from hardware.trossen.controller import Controller, Sample
from hardware.trossen.drive import TrossenDrive
from recordings.errors import RobotError, SystemSetupError
from recordings.records import hold_action
from tests.hardware.peers.trossen import REPOSITORY, SimulatorProcess
from tests.hardware.trossen.conftest import RATE_HZ, is_folded, make_arm
from tests.waiting import wait_for

pytestmark = pytest.mark.sim


def drive_on(arm, periods: int = 20) -> None:
    """What the control loop does in every period."""
    for _ in range(periods):
        arm.read_state()
        arm.apply(np.array([0.002, 0, 0, 0, 0, 0, 1.0]))
        arm._clock.wait_until_s(arm._clock.now_s() + 1.0 / RATE_HZ)


def test_an_error_of_the_controller_brakes_the_arm_and_the_next_start_goes_on(
    arm, simulator, capfd
) -> None:
    simulator.ask("fault JOINT_OVERHEATED")
    with pytest.raises(MotorFault, match=r"Joint overheated \(as the test wanted\)\. "):
        drive_on(arm)
    with pytest.raises(MotorFault, match="overheated"):
        arm.apply(hold_action(1.0))
    with pytest.raises(RobotError, match="braked and stand still"):
        arm.stop(Stop.HOLD)
    assert simulator.ask("is_still")
    assert simulator.ask("modes") == ["IDLE"] * 7
    with pytest.raises(RobotError, match="torque is off"):
        arm.apply(hold_action(1.0))
    arm.move_to_start()
    drive_on(arm, 2)
    assert capfd.readouterr() == ("", "")


def test_positions_that_are_no_numbers_never_become_a_goal(arm, monkeypatch) -> None:
    true_sample, sent = Controller.sample, []

    def lost(controller: Controller) -> Sample:
        sample = true_sample(controller)
        return replace(sample, positions=np.full(7, np.nan))

    monkeypatch.setattr(Controller, "send", lambda _, goal, seconds: sent.append(goal))
    monkeypatch.setattr(Controller, "sample", lost)
    for ask in (arm.read_state, arm.stop):
        with pytest.raises(MotorFault, match="Seven finite numbers"):
            ask()
    assert not sent


def test_an_error_that_lasts_is_told_until_somebody_clears_it(arm, simulator) -> None:
    simulator.ask("keep_error")
    simulator.ask("fault JOINT_LIMIT_EXCEEDED")
    with pytest.raises(MotorFault, match="limit exceeded"):
        drive_on(arm)
    with pytest.raises(MotorFault, match="limit exceeded"):
        arm.stop(Stop.HOLD)
    with pytest.raises(MotorFault, match="limit exceeded"):
        arm.move_to_start()
    arm.disconnect()
    with pytest.raises(MotorFault, match="clear_error = true"), make_arm(simulator):
        pass
    with make_arm(simulator, clear_error=True) as cleared:
        cleared.move_to_start()


def test_an_error_on_the_way_to_the_start_is_told_as_such(arm, simulator) -> None:
    drive_on(arm, 3)
    asked = 0

    def fault_on_the_way() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            simulator.ask("fault JOINT_OVERHEATED")
        return False

    with pytest.raises(MotorFault, match=r"overheated.*did not confirm.*braked"):
        arm.move_to_start(should_stop=fault_on_the_way)
    assert simulator.ask("is_still")


def test_a_joint_that_lets_go_is_a_motor_fault(arm, simulator) -> None:
    simulator.ask("torque_lost")
    with pytest.raises(MotorFault, match="disabled unexpectedly"):
        drive_on(arm)


def test_an_overload_is_a_fault_after_a_while_and_the_arm_holds_under_torque(
    arm, simulator
) -> None:
    simulator.ask("effort 30")
    arm.apply(hold_action(1.0))
    arm.read_state()
    with pytest.raises(MotorFault, match="motor of joint_1 has needed"):
        drive_on(arm)
    arm.stop(Stop.HOLD)
    assert simulator.ask("is_still")
    assert simulator.ask("modes") == ["POSITION"] * 7


def test_a_short_push_is_no_overload(arm, simulator) -> None:
    simulator.ask("effort 30")
    arm.apply(hold_action(1.0))
    arm.read_state()
    simulator.ask("effort 0")
    drive_on(arm, 5)


def test_a_hot_motor_is_named_with_its_temperature(arm, simulator) -> None:
    simulator.ask("temperature 90")
    with pytest.raises(MotorFault, match="motor of joint_1 is at 90 degrees"):
        drive_on(arm)
    arm.stop(Stop.HOLD)
    with pytest.raises(MotorFault, match="90 degrees"):
        arm.move_to_start()


def test_a_hot_arm_parks_once_its_heat_was_told(arm, simulator) -> None:
    simulator.ask("temperature 90")
    with pytest.raises(MotorFault, match="90 degrees"):
        drive_on(arm)
    arm.stop(Stop.PARK)
    wait_for(lambda: is_folded(simulator))


def test_a_hot_arm_that_was_left_braked_is_parked_by_the_next_command(arm, simulator) -> None:
    arm.disconnect()
    simulator.ask("temperature 90")
    with make_arm(simulator) as other:
        other.stop(Stop.PARK)
    wait_for(lambda: is_folded(simulator))


def test_an_arm_that_does_not_follow_is_stopped_on_its_way(arm, simulator) -> None:
    drive_on(arm, 2)
    arm._start_pose = np.array([0.25, 0.2, 0.12, 0, 0, 0])
    simulator.ask("stuck")
    with pytest.raises(MotorFault, match="behind"):
        arm.move_to_start()
    assert simulator.ask("is_still")


def test_a_silent_network_is_noticed_within_half_a_period(simulator) -> None:
    with make_arm(simulator, max_silence_s=0.1, timeout_s=1.0) as arm:
        arm.move_to_start()
        simulator.ask("silence")
        with pytest.raises(LostConnection, match=r"silent for 0\.1 s"):
            drive_on(arm)
        with pytest.raises(LostConnection, match="silent"):
            arm.apply(hold_action(1.0))
        with pytest.raises(LostConnection, match="silent"):
            arm.stop(Stop.HOLD)
        # The cable is back.
        simulator.place(simulator.ask("positions"))
        arm.move_to_start()


def test_a_dead_controller_is_a_lost_connection_whatever_is_asked_of_it(
    arm, simulator, capfd
) -> None:
    simulator.kill()
    with pytest.raises(LostConnection, match="does not answer"):
        drive_on(arm)
    for use in (
        arm.read_state,
        lambda: arm.apply(hold_action(1.0)),
        arm.stop,
        lambda: arm.stop(Stop.PARK),
    ):
        with pytest.raises(LostConnection, match="does not answer"):
            use()
    arm.disconnect()
    assert capfd.readouterr() == ("", "")


def test_a_second_program_is_told_so_and_the_first_goes_on(arm, simulator) -> None:
    with pytest.raises(LostConnection, match="one program at a time"):
        make_arm(simulator, timeout_s=1.0).connect()
    drive_on(arm, 3)
    arm.disconnect()
    with make_arm(simulator) as next_one:
        next_one.read_state()


@pytest.mark.parametrize(
    ("firmware", "advice"),
    [
        ("1.10", r"Update the arm's firmware to 1\.11.*pip install 'trossen-arm==1\.11\.\*'"),
        ("1.12", r"pip install 'trossen-arm==1\.12\.\*'"),
    ],
)
def test_a_driver_that_does_not_fit_the_firmware_is_told_what_to_install(firmware, advice) -> None:
    simulator = SimulatorProcess(firmware)
    try:
        with pytest.raises(SystemSetupError, match=advice):
            make_arm(simulator).connect()
    finally:
        simulator.kill()


def test_a_missing_driver_is_told_what_to_install(simulator, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "trossen_arm", None)
    with pytest.raises(SystemSetupError, match=r"pip install 'ptrctl\[trossen\]'"):
        make_arm(simulator).connect()


def test_nobody_at_the_address_is_a_lost_connection(simulator) -> None:
    arm = make_arm(simulator, address="127.77.250.250", timeout_s=0.5)
    with pytest.raises(LostConnection, match=r"127\.77\.250\.250 does not answer"):
        arm.connect()
    arm.disconnect()


def test_an_arm_whose_kinematics_do_not_agree_is_not_driven(simulator, monkeypatch) -> None:
    right = Controller.tool
    monkeypatch.setattr(Controller, "tool", lambda self: right(self) + np.eye(6)[0] * 0.01)
    with pytest.raises(RobotError, match=r"10\.0 mm"):
        make_arm(simulator).connect()
    monkeypatch.undo()
    # The connection was given back.
    with make_arm(simulator) as arm:
        arm.read_state()


def test_modes_that_the_controller_did_not_take_are_a_fault(arm, monkeypatch) -> None:
    monkeypatch.setattr(Controller, "servo", lambda self, on: None)
    with pytest.raises(MotorFault, match="in the modes position"):
        arm.stop(Stop.TORQUE_OFF)


def test_nothing_can_be_asked_of_a_drive_that_is_not_open(arm) -> None:
    arm.disconnect()
    for ask in (TrossenDrive.read, TrossenDrive.check, TrossenDrive.hold):
        with pytest.raises(RobotError, match="not connected"):
            ask(arm._trossen)


def test_a_program_that_ends_without_farewell_says_nothing_and_frees_the_arm(simulator) -> None:
    program = (
        "from tests.hardware.trossen.conftest import *\n"
        "from hardware.trossen.controller import Controller\n"
        f"controller = Controller(TrossenSettings(address={simulator.address!r}))\n"
        "controller.open()\n"
        "controller.servo(True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with make_arm(simulator) as arm:
        arm.read_state()
