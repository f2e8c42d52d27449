"""The arm's controller behind the vendor's driver, with errors of our family.

What was found by trying (trossen-arm 1.11): connecting and cleaning up both set every joint idle,
which means braked. After an error of the controller or the network, every call fails until the
driver is configured anew. Positions come from a copy that a thread of the driver keeps fresh, so
a silent network shows only in a header id that stands still. Calls over TCP (modes, limits,
errors) wait for an answer as long as the connection's time-out; position commands and readings
take less than 10 ms even when nobody answers.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from hardware.faults import LostConnection, MotorFault
from hardware.install import cannot_import
from hardware.trossen import TrossenSettings
from hardware.trossen.widowx_ai import DRIVER
from recordings.errors import PtrctlError, RobotError, SystemSetupError
from recordings.records import FloatArray

T = TypeVar("T")

NO_ERROR = "No error"
_LOG_WORDS = "Latest log on the arm controller since powered on:"
_NETWORK_WORDS = ("UDP message", "TCP message", "TCP server", "UDP server")


@dataclass(frozen=True)
class Link:
    """One joint of the arm as its controller describes it.

    Args:
        origin_m: (3,) from the parent joint's frame.
        turn_rad: (3,) roll, pitch, yaw from the parent's frame.
        axis: (3,) unit vector of rotation in the joint's frame.
    """

    origin_m: FloatArray
    turn_rad: FloatArray
    axis: FloatArray


@dataclass(frozen=True)
class Limits:
    """Of joints 0 to 5 (rad, rad/s, N m) and the gripper (m, m/s, N), each (7,)."""

    low: FloatArray
    high: FloatArray
    velocity: FloatArray
    effort: FloatArray


@dataclass(frozen=True)
class Sample:
    """What the controller last sent.

    Args:
        number: Counts up with every answer of the controller.
        positions, efforts: (7,) joints 0 to 5 and the gripper.
        temperatures_c: (14,) rotors, then motor electronics.
        cartesian: (6,) x, y, z of the tool in m, then its rotation vector in rad, base frame, by
            the vendor's kinematics.
    """

    number: int
    positions: FloatArray
    efforts: FloatArray
    temperatures_c: FloatArray
    cartesian: FloatArray


def load_driver() -> ModuleType:
    """The vendor's module.

    Raises:
        SystemSetupError: It is not installed.
    """
    try:
        import trossen_arm
    except ImportError as problem:
        raise cannot_import(problem, "The arm `trossen`", "trossen", "trossen-arm") from problem
    module: ModuleType = trossen_arm
    return module


class Controller:
    """One connection to a controller; at most one exists in the world for each controller."""

    def __init__(self, settings: TrossenSettings) -> None:
        self._settings = settings
        self._sdk: Any = None
        self._driver: Any = None

    def open(self, *, clear_error: bool = False) -> None:
        """Connect, which brakes the joints.

        Raises:
            LostConnection: Nobody answers, or another program is connected.
            SystemSetupError: The driver is missing or does not fit the firmware.
            MotorFault: The controller reports an error.
        """
        self._sdk = load_driver()
        address = self._settings.address
        model = self._sdk.Model.wxai_v0
        # The driver logs on the terminal unless its logger has a handler already.
        log = logging.getLogger(self._sdk.TrossenArmDriver.get_logger_name(model, address))
        log.propagate = False
        if not log.handlers:
            log.addHandler(logging.NullHandler())
        self._driver = self._sdk.TrossenArmDriver()
        # A driver that lives on into the end of the interpreter speaks on the terminal.
        atexit.register(self.close)
        end_effector = getattr(self._sdk.StandardEndEffector, self._settings.end_effector)
        try:
            self._call(
                lambda driver: driver.configure(
                    model, end_effector, address, clear_error, self._settings.timeout_s
                )
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect, which brakes the joints; never raises."""
        driver, self._driver = self._driver, None
        atexit.unregister(self.close)
        if driver is None:
            return
        try:
            driver.cleanup()
        except (self._sdk.LogicError, self._sdk.RuntimeError) as problem:
            logging.getLogger(__name__).debug("while disconnecting: %s", problem)

    def versions(self) -> dict[str, str]:
        """Of the driver and the controller's firmware."""
        return {
            "driver": self._call(lambda driver: str(driver.get_driver_version())),
            "firmware": self._call(lambda driver: str(driver.get_controller_version())),
        }

    def links(self) -> list[Link]:
        """Joints 0 to 5 as they were measured when the arm was made."""

        def ask(driver: Any) -> list[Link]:
            return [
                Link(_array(joint.origin_xyz), _array(joint.origin_rpy), _array(joint.axis)[:3])
                for joint in driver.get_joints()[:6]
            ]

        return self._call(ask)

    def tool(self) -> FloatArray:
        """(6,) Flange to tool: x, y, z in m, rotation vector in rad."""
        return self._call(lambda driver: _array(driver.get_end_effector().t_flange_tool))

    def limits(self) -> Limits:
        """The limits that the controller enforces."""

        def ask(driver: Any) -> Limits:
            limits = driver.get_joint_limits()
            return Limits(
                np.array([limit.position_min for limit in limits], dtype=np.float64),
                np.array([limit.position_max for limit in limits], dtype=np.float64),
                np.array([limit.velocity_max for limit in limits], dtype=np.float64),
                np.array([limit.effort_max for limit in limits], dtype=np.float64),
            )

        return self._call(ask)

    def sample(self) -> Sample:
        """The newest that the controller sent; look at its number to know whether it is new.

        Raises:
            MotorFault: The controller reports an error.
            LostConnection: It does not answer.
        """

        def ask(driver: Any) -> Sample:
            output = driver.get_robot_output()
            joints = output.joint.all
            return Sample(
                int(output.header.id),
                _array(joints.positions),
                _array(joints.efforts),
                np.concatenate(
                    [_array(joints.rotor_temperatures), _array(joints.driver_temperatures)]
                ),
                _array(output.cartesian.positions),
            )

        return self._call(ask)

    def send(self, positions: FloatArray, duration_s: float) -> None:
        """Begin to move all joints (7,); replaces the motion under way."""
        goal = [float(position) for position in positions]
        self._call(lambda driver: driver.set_all_positions(goal, duration_s, False))

    def hold_arm(self, joints_rad: FloatArray) -> None:
        """Let joints 0 to 5 (6,) stay there from now on; what the gripper does goes on."""
        goal = [float(angle) for angle in joints_rad]
        self._call(lambda driver: driver.set_arm_positions(goal, 0.0, False))

    def servo(self, on: bool) -> None:
        """Hold every joint by its motor, or brake it; moves nothing."""
        mode = self._sdk.Mode.position if on else self._sdk.Mode.idle
        self._call(lambda driver: driver.set_all_modes(mode))

    def modes(self) -> set[str]:
        """Names of the modes that joints are in, asked from the controller."""
        return self._call(lambda driver: {str(mode.name) for mode in driver.get_modes()})

    def error(self) -> str:
        """The controller's error in its own words, `NO_ERROR` if there is none."""
        return self._call(lambda driver: str(driver.get_error_information()))

    def _call(self, ask: Callable[[Any], T]) -> T:
        if self._driver is None:
            raise RobotError("The arm's controller is not connected.", "Connect before use.")
        try:
            return ask(self._driver)
        except (self._sdk.LogicError, self._sdk.RuntimeError) as problem:
            # LogicError is an AssertionError and RuntimeError a builtin one: nothing else of the
            # driver's own passes here.
            raise self._typed(str(problem)) from problem

    def _typed(self, words: str) -> PtrctlError:
        # Ours says what to do next.
        words, _, log = words.partition("\nPlease refer")[0].partition(_LOG_WORDS)
        words = " ".join(words.split())
        address = self._settings.address
        if "versions" in words:
            return self._versions_differ()
        if words.startswith("Error occurred"):
            return MotorFault(
                f"The arm's controller stopped the arm: {words.partition(':')[2].strip()}"
                + (f" ({' '.join(log.split())})." if log.strip() else "."),
                "No joint reports an error; the joints are braked now.",
                "Remove the cause, support the arm, switch its power off and on (or set "
                "`clear_error = true` under [robot.options] for one start), then run "
                "`ptrctl doctor`.",
            )
        if "Resource temporarily unavailable" in words:
            return LostConnection(
                f"The arm's controller at {address} takes the connection and does not answer.",
                "It speaks with one program at a time.",
                "End the other program that drives the arm, then try again. If there is none, "
                "switch the arm off and on.",
            )
        if any(part in words for part in _NETWORK_WORDS):
            return LostConnection(
                f"The arm's controller at {address} does not answer: {words}.",
                "It is on, and reachable over Ethernet.",
                f"Check power and cable, try `ping {address}`, then run `ptrctl doctor`.",
            )
        return RobotError(
            f"The arm's driver refused: {words}.", "", "Run `ptrctl doctor`, then try again."
        )

    def _versions_differ(self) -> PtrctlError:
        driver = str(self._driver.get_driver_version())
        firmware = str(self._driver.get_controller_version())
        needed = ".".join(firmware.split(".")[:2])
        older = [int(part) for part in needed.split(".")] < [int(p) for p in DRIVER.split(".")]
        return SystemSetupError(
            f"The arm's firmware is {firmware}, and the driver trossen-arm is {driver}.",
            "Their first two numbers are the same.",
            f"Update the arm's firmware to {DRIVER} as docs.trossenrobotics.com says, and run "
            f"`pip install 'trossen-arm=={DRIVER}.*'`."
            if older
            else f"Run `pip install 'trossen-arm=={needed}.*'`.",
        )


def _array(values: Any) -> FloatArray:
    return np.array(list(values), dtype=np.float64)
