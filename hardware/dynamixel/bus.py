"""The servo bus: Protocol 2.0 over a serial port, by dynamixel-sdk.

Reads are repeated until they succeed, a few times. Writes that expect an answer are read back, and
only repeated if the register is found unchanged. What came back incomplete, corrupt or from
another motor is never used.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import os
import select
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hardware.dynamixel import registers as reg
from hardware.dynamixel.lock import PortBusy, PortLock
from hardware.dynamixel.motors import MOTORS
from hardware.dynamixel.ports import users_of
from hardware.dynamixel.registers import Block, Reading, Register
from hardware.faults import LostConnection, MotorFault
from hardware.install import cannot_import

TRIES = 5
"""So many questions in a row may remain without an answer."""
QUIET_S = 0.005
DRAIN_READS = 40
"""After a failure the bus is listened to until it is silent so long, so that a late answer is not
taken for the next; at most so many times, should somebody never stop talking."""
READ_WAIT_S = 0.002
"""The SDK asks for bytes in a loop; it sleeps so long in each turn, or until they come, instead of
taking a whole processor from the policy."""
LISTEN_MS = 200.0
"""No answer takes longer: the SDK itself gives up a silent motor after 45 ms."""
SUCCESS, TIMEOUT = 0, -3001
"""Results of the SDK: COMM_SUCCESS and COMM_RX_TIMEOUT."""
ALERT = 0x80
REFUSALS = {
    1: "it failed",
    2: "it does not know the instruction",
    3: "the packet was damaged",
    4: "the value is out of range",
    5: "the length is wrong",
    6: "the value is beyond its limits",
    7: "the register is locked while the torque is on",
}
HEADER = b"\xff\xff\xfd"


class Silence(enum.Enum):
    """Why a ping found no motor."""

    NOTHING = "nothing"
    GARBLED = "garbled"


def import_sdk() -> Any:
    """The dynamixel-sdk.

    Raises:
        SystemSetupError: It is not installed.
    """
    try:
        import dynamixel_sdk
    except ImportError as problem:
        raise cannot_import(
            problem, "The arm `dynamixel`", "dynamixel", "dynamixel-sdk"
        ) from problem
    return dynamixel_sdk


def _port_handler(sdk: Any, port: str) -> Any:
    """The SDK's port, which stops listening at last: among garbage, it would wait for ever."""

    class Port(sdk.PortHandler):  # type: ignore[misc]
        def readPort(self, length: int) -> bytes:
            if self.getTimeSinceStart() > LISTEN_MS:
                return b""
            heard: bytes = self.ser.read(length)
            return heard

    return Port(port)


class Bus:
    """One servo bus; not thread-safe.

    Args:
        port: Device path.
        baud_rate: Of the motors.
        purpose: For the lock file, see `lock.Holder`.
    """

    def __init__(self, port: str, baud_rate: int, purpose: str = "ptrctl") -> None:
        sdk = import_sdk()
        self.port = port
        self._lock = PortLock(port, purpose)
        self._handler = _port_handler(sdk, port)
        self._handler.baudrate = baud_rate
        self._packets = sdk.Protocol2PacketHandler()

    @property
    def token(self) -> str:
        """Of the lock, see `lock.Holder`."""
        return self._lock.token

    def open(self) -> None:
        """Take the port, for this program alone.

        Raises:
            PortBusy: Another program has it.
            LostConnection: It cannot be opened.
        """
        self._lock.acquire()
        try:
            others = users_of(self.port)
            if others:
                pid, name = others[0]
                raise PortBusy(
                    f"The program {name or 'unknown'} (process {pid}) has {self.port} open.",
                    "One program at a time uses the servo bus; two garble each other's packets.",
                    f"End it, for example with `kill {pid}`, then try again.",
                )
            with self._port_errors("cannot be opened"):
                self._handler.openPort()
                self._handler.ser.timeout = READ_WAIT_S
                self._claim()
        except BaseException:
            self.close()
            raise

    def _claim(self) -> None:
        """Let nobody open the port while we have it, not even those who ignore lock files."""
        # A pseudo-terminal would stay claimed after its last close; a serial port does not.
        if not os.path.realpath(self.port).startswith("/dev/pts/"):
            fcntl.ioctl(self._handler.ser.fileno(), termios.TIOCEXCL)

    def close(self) -> None:
        """Give the port back; safe to call twice, and never raises."""
        try:
            if self._handler.ser is not None:
                self._handler.closePort()
        except (OSError, termios.error):
            pass  # What is unplugged is closed.
        finally:
            self._lock.release()

    def ping(self, motor_id: int) -> int | Silence:
        """The model number of a motor, or why there is none."""
        silence = Silence.NOTHING
        for _ in range(TRIES):
            with self._port_errors():
                model, result, _error = self._packets.ping(self._handler, motor_id)
            if result == SUCCESS:
                return int(model)
            if result != TIMEOUT:
                silence = Silence.GARBLED
            self._drain()
        return silence

    def read(self, motor_ids: Sequence[int], block: Block) -> dict[int, Reading]:
        """A block of every motor named.

        Raises:
            LostConnection: Some do not answer.
        """
        readings: dict[int, Reading] = {}
        for some in self.read_as_they_come(motor_ids, block):
            readings.update(some)
        return readings

    def read_as_they_come(
        self, motor_ids: Sequence[int], block: Block
    ) -> Iterator[dict[int, Reading]]:
        """As `read`, but what has come is handed out before those who were missed are asked again.

        Raises:
            LostConnection: Some do not answer; the others have been handed out.
        """
        missing = list(motor_ids)
        failures = 0
        while missing:
            some = self._ask(missing, block)
            missing = [motor_id for motor_id in missing if motor_id not in some]
            if some:
                failures = 0
                yield some
            elif missing:
                failures += 1
                if failures == TRIES:
                    raise self._no_answer(missing)
            if missing:
                # One that is silent must not stand before those that would answer.
                missing = [*missing[1:], missing[0]]

    def _ask(self, motor_ids: Sequence[int], block: Block) -> dict[int, Reading]:
        """One sync read; ends at the first motor that does not answer well."""
        readings: dict[int, Reading] = {}
        with self._port_errors():
            result = self._packets.syncReadTx(
                self._handler,
                block.address,
                block.length,
                list(motor_ids),
                len(motor_ids),
                False,
            )
            if result != SUCCESS:
                return readings
            for motor_id in motor_ids:
                # GroupSyncRead would hide errors and leave zeros for what has not come.
                data, result, _error = self._packets.readRx(self._handler, motor_id, block.length)
                if result != SUCCESS or len(data) != block.length:
                    break
                readings[motor_id] = Reading(block, bytes(data))
        if len(readings) < len(motor_ids):
            self._drain()
        return readings

    def write(self, motor_id: int, register: Register, value: int) -> None:
        """Write a register and read it back.

        Raises:
            MotorFault: The motor refuses.
            LostConnection: It does not answer, or does not keep the value.
        """
        block = reg.EEPROM if register.address < reg.RAM.address else reg.RAM
        for _ in range(TRIES):
            with self._port_errors():
                result, error = self._packets.writeTxRx(
                    self._handler,
                    motor_id,
                    register.address,
                    register.size,
                    list(self._checked(register.to_bytes(value))),
                )
            if result != SUCCESS:
                self._drain()
            elif error & ~ALERT:
                why = REFUSALS.get(error & ~ALERT, f"error {error & ~ALERT}")
                raise MotorFault(
                    f"The motor {MOTORS[motor_id].words} refuses {value} for its {register.name}: "
                    f"{why}.",
                    "It takes it.",
                    "Support the arm, switch its power off and on, then run `ptrctl doctor`.",
                )
            # The answer may be lost, or belong to an earlier write: only the register counts.
            if self.read([motor_id], block)[motor_id][register] == value:
                return
        raise self._no_answer([motor_id])

    def sync_write(self, address: int, payloads: Mapping[int, bytes]) -> None:
        """Write the same stretch of several motors at once, unanswered; see the next `read`."""
        lengths = {len(payload) for payload in payloads.values()}
        assert len(lengths) == 1, payloads
        length = lengths.pop()
        params: list[int] = []
        for motor_id, payload in payloads.items():
            params += [motor_id, *self._checked(payload)]
        with self._port_errors():
            self._packets.syncWriteTxOnly(self._handler, address, length, params, len(params))

    def reboot(self, motor_id: int) -> None:
        """Restart a motor: it loses its torque, its errors and what is not in its EEPROM."""
        with self._port_errors():
            self._packets.reboot(self._handler, motor_id)
        self._drain()

    @staticmethod
    def _checked(payload: bytes) -> bytes:
        # The SDK sends this sequence unstuffed, and no position or time of ours contains it.
        assert HEADER not in payload, payload
        return payload

    def _drain(self) -> None:
        """Throw away what still arrives."""
        with self._port_errors():
            for _ in range(DRAIN_READS):
                if not select.select([self._handler.ser.fileno()], [], [], QUIET_S)[0]:
                    return
                self._handler.ser.reset_input_buffer()

    @contextmanager
    def _port_errors(self, what: str = "is gone") -> Iterator[None]:
        """Errors of the port itself, as errors of ours."""
        self._handler.is_using = False
        try:
            yield
        except (OSError, termios.error) as problem:
            if getattr(problem, "errno", None) == errno.EACCES:
                raise LostConnection(
                    f"The port {self.port} may not be opened by this user.",
                    "It may be read and written.",
                    "Type `sudo usermod -aG dialout $USER` and log in again, or run "
                    "`ptrctl doctor` for a udev rule.",
                ) from problem
            raise LostConnection(
                f"The port {self.port} {what}: {problem}.",
                "The U2D2 stays plugged in.",
                "Support the arm, look at the USB cable, then run `ptrctl doctor`.",
            ) from problem

    def _no_answer(self, motor_ids: Sequence[int]) -> LostConnection:
        names = ", ".join(MOTORS[motor_id].words for motor_id in sorted(motor_ids))
        if len(motor_ids) == len(MOTORS):
            return LostConnection(
                f"No motor answers on {self.port}.",
                "All nine answer.",
                "Look at the arm's 12 V supply and the cable from the U2D2, then run "
                "`ptrctl doctor`.",
            )
        return LostConnection(
            f"No answer from the motors {names}.",
            "All nine answer.",
            "Support the arm, look at the cable to that motor, then run `ptrctl doctor`.",
        )
