"""A WidowX 250s at the level of bytes: nine servos that speak Protocol 2.0 on a pseudo-terminal.

Written from the protocol's description alone and independent of dynamixel-sdk, so that the two
check each other. Source: ROBOTIS e-manual, "DYNAMIXEL Protocol 2.0".
"""

from __future__ import annotations

import errno
import os
import pty
import random
import select
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from dynamixel_sdk import port_handler

from hardware.clock import Clock
from hardware.dynamixel.guardian import log_path
from hardware.dynamixel.lock import holder_path, lock_path
from tests.hardware.fakes import FastClock
from tests.hardware.peers import Peer
from tests.hardware.peers.servo import SLEEP_TICKS, Joint, Servo, make_arm

PING, READ, WRITE, REBOOT, STATUS, SYNC_READ, SYNC_WRITE = 1, 2, 3, 8, 0x55, 0x82, 0x83
HEADER = b"\xff\xff\xfd"
INSTRUCTION_ERROR, CRC_ERROR = 2, 3
ALERT = 0x80
PATIENCE_MS = 48
"""In place of the 16 ms that a USB adapter holds an answer back: the SDK waits twice as long."""
REPOSITORY = Path(__file__).parents[3]
PATIENT_ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "patient_sdk"), str(REPOSITORY)]),
    "PTRCTL_SDK_PATIENCE_MS": str(PATIENCE_MS),
}
"""Gives a `ptrctl` in another process the same patience."""


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x8005 if crc & 0x8000 else 0)
        table.append(crc & 0xFFFF)
    return table


_CRC = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16, polynomial 0x8005, start 0, most significant bit first."""
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ _CRC[(crc >> 8) ^ byte]
    return crc


def packet(servo_id: int, body: bytes) -> bytes:
    """A packet around instruction (or 0x55 and error) and parameters."""
    stuffed = body.replace(HEADER, HEADER + b"\xfd")
    head = HEADER + bytes([0, servo_id]) + (len(stuffed) + 2).to_bytes(2, "little")
    whole = head + stuffed
    return whole + crc16(whole).to_bytes(2, "little")


def take_packet(buffer: bytearray) -> tuple[int, bytes] | None:
    """Remove the first whole, sound packet from the buffer: (ID, instruction and parameters)."""
    while True:
        begin = buffer.find(HEADER)
        if begin < 0:
            del buffer[:-2]
            return None
        del buffer[:begin]
        if len(buffer) < 7:
            return None
        length = int.from_bytes(buffer[5:7], "little")
        if buffer[3] != 0 or not 3 <= length < 600:
            del buffer[:3]
            continue
        if len(buffer) < 7 + length:
            return None
        whole = bytes(buffer[: 7 + length])
        if crc16(whole[:-2]) != int.from_bytes(whole[-2:], "little"):
            del buffer[:3]
            continue
        del buffer[: 7 + length]
        return whole[4], whole[7:-2].replace(HEADER + b"\xfd", HEADER)


@dataclass
class Noise:
    """What happens to packets on the wire, as probabilities in both directions.

    Args:
        lose, corrupt, late: Of a packet; a late one comes up to `late_by_s` later.
    """

    lose: float = 0.0
    corrupt: float = 0.0
    late: float = 0.0
    late_by_s: float = 0.06
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    def happens(self, probability: float) -> bool:
        return self.dice.random() < probability

    def damage(self, data: bytes) -> bytes:
        index = self.dice.randrange(len(data))
        return data[:index] + bytes([data[index] ^ self.dice.randrange(1, 256)]) + data[index + 1 :]


class ServoBus(threading.Thread):
    """The arm, answering in a thread of its own until closed.

    Args:
        clock: Moves the servos, and runs their watchdogs.

    `port` is its device path. Everything else may be read and changed by tests under `lock`.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(daemon=True, name="servo bus")
        self.clock = clock
        self.lock = threading.RLock()
        self.joints, self.servos = make_arm(clock.now_s)
        self.noise = Noise()
        self.silent: set[int] = set()
        self.duplicated: set[int] = set()
        self.received: list[tuple[int, bytes]] = []
        """Every sound packet from the driver."""
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        self._closing = False

    def run(self) -> None:
        buffer = bytearray()
        while not self._closing:
            try:
                if not select.select([self._master], [], [], 0.02)[0]:
                    self._tick()
                    continue
                buffer += os.read(self._master, 4096)
            except OSError as problem:
                if problem.errno == errno.EIO and not self._closing:
                    # Nobody has the port open.
                    time.sleep(0.002)
                    self._tick()
                    continue
                return
            while (heard := take_packet(buffer)) is not None:
                if not self.noise.happens(self.noise.lose + self.noise.corrupt):
                    with self.lock:
                        self._tick()
                        self.received.append(heard)
                        answers = self._obey(*heard)
                    self._send(answers)

    def close(self) -> None:
        """Pull the plug."""
        if not self._closing:
            self._closing = True
            self.join()
            with suppress(OSError):
                os.close(self._master)

    def eventually(self, what: Callable[[], bool], within_s: float = 10.0) -> bool:
        """Wait until something is so: what is written without an answer takes a moment."""
        give_up_s = time.monotonic() + within_s
        while time.monotonic() < give_up_s:
            with self.lock:
                if what():
                    return True
            time.sleep(0.001)
        return False

    def is_still(self) -> bool:
        """Whether no joint moves."""
        with self.lock:
            return all(not joint.moving() for joint in self.joints.values())

    def _tick(self) -> None:
        with self.lock:
            for servo in self.servos.values():
                servo.look_at_watchdog()

    def _send(self, answers: list[bytes]) -> None:
        """Put answers on the wire, in one piece where nothing happens to them."""
        together = b""
        for data in answers:
            if self.noise.happens(self.noise.lose):
                continue
            together += self.noise.damage(data) if self.noise.happens(self.noise.corrupt) else data
            if self.noise.happens(self.noise.late):
                self._put(together)
                together = b""
                time.sleep(self.noise.dice.uniform(0.0, self.noise.late_by_s))
        self._put(together)

    def _put(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._master, data)

    def _obey(self, servo_id: int, body: bytes) -> list[bytes]:
        instruction, params = body[0], body[1:]
        for servo in self.servos.values():
            servo.heard_s = self.clock.now_s()
        if instruction == SYNC_READ:
            return self._sync_read(params)
        if instruction == SYNC_WRITE:
            self._sync_write(params)
            return []
        self._let_shadows_obey(servo_id, instruction, params)
        servo = self.servos.get(servo_id)
        if servo is None or servo_id in self.silent:
            return []
        if servo_id in self.duplicated:
            # Two talk at once: what arrives is neither.
            return [
                self.noise.damage(answer) for answer in self._answer(servo, instruction, params)
            ]
        return self._answer(servo, instruction, params)

    def _answer(self, servo: Servo, instruction: int, params: bytes) -> list[bytes]:
        error, data = 0, b""
        if instruction == PING:
            data = servo.model.to_bytes(2, "little") + bytes([servo.firmware])
        elif instruction == READ:
            address, length = _words(params)
            data = servo.read(address, length)
        elif instruction == WRITE:
            error = servo.write(int.from_bytes(params[:2], "little"), params[2:])
        elif instruction == REBOOT:
            servo.reboot()
        else:
            error = INSTRUCTION_ERROR
        return self._status(servo, error, data)

    def _status(self, servo: Servo, error: int, data: bytes) -> list[bytes]:
        level = servo.table[68]
        if level == 0 and not data:
            return []
        alert = ALERT if servo.table[70] else 0
        return [packet(servo.id, bytes([STATUS, error | alert]) + data)]

    def _sync_read(self, params: bytes) -> list[bytes]:
        address, length = _words(params[:4])
        answers = []
        for servo_id in params[4:]:
            if servo_id in self.silent or servo_id not in self.servos:
                break  # The next waits for it in vain.
            servo = self.servos[servo_id]
            answers += self._status(servo, 0, servo.read(address, length))
        return answers

    def _sync_write(self, params: bytes) -> None:
        address, length = _words(params[:4])
        for begin in range(4, len(params), length + 1):
            servo_id, data = params[begin], params[begin + 1 : begin + 1 + length]
            for servo in self.servos.values():
                mine = servo.id == servo_id
                shadows = servo.secondary_id == servo_id and address >= 64
                if (mine or shadows) and servo.id not in self.silent:
                    servo.write(address, data)

    def _let_shadows_obey(self, servo_id: int, instruction: int, params: bytes) -> None:
        """A secondary ID is obeyed in RAM and never answered."""
        address = int.from_bytes(params[:2], "little")
        for servo in self.servos.values():
            if servo.secondary_id == servo_id and instruction == WRITE and address >= 64:
                servo.write(address, params[2:])


def _words(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")


@contextmanager
def open_bus(speed: float = 10.0) -> Iterator[ServoBus]:
    """An arm in its sleep pose, torque off, factory-new but for its IDs.

    Args:
        speed: How much faster than real time its servos live.
    """
    bus = ServoBus(FastClock(speed))
    # The SDK waits for an answer without ever sleeping; a thread beside it has to be let in soon.
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(2e-4)
    # On a busy machine that thread is late all the same.
    patience_ms, port_handler.LATENCY_TIMER = port_handler.LATENCY_TIMER, PATIENCE_MS
    bus.start()
    try:
        yield bus
    finally:
        for path in (lock_path(bus.port), holder_path(bus.port), log_path(bus.port)):
            path.unlink(missing_ok=True)
        bus.close()
        sys.setswitchinterval(interval_s)
        port_handler.LATENCY_TIMER = patience_ms


@contextmanager
def open_peer(*, realtime: bool = False, speed: float = 10.0) -> Iterator[Peer]:
    """The arm as the contract suite drives it; `realtime` for drivers in other processes."""
    speed = 1.0 if realtime else speed
    with open_bus(speed) as bus:
        yield peer_of(bus, speed)


def peer_of(bus: ServoBus, speed: float = 10.0) -> Peer:
    """A bus as a `Peer`."""
    servos, joints = bus.servos, bus.joints

    def break_servo(servo_id: int, bits: int) -> None:
        with bus.lock:
            servos[servo_id].fail(bits)

    def heat(servo_id: int) -> None:
        with bus.lock:
            servos[servo_id].table[146] = 68

    def lose_torque(servo_id: int) -> None:
        with bus.lock:
            servos[servo_id].set_torque(False)

    def push(servo_id: int) -> None:
        with bus.lock:
            servos[servo_id].pushes = True

    def jam(joint: Joint) -> None:
        with bus.lock:
            joint.jam()

    return Peer(
        robot="dynamixel",
        # A loaded machine that simulates ten times as fast may pause for longer than 0.5 s.
        options={"port": bus.port, "watchdog_s": min(0.5 * speed, 2.5), "guardian": False},
        is_still=bus.is_still,
        faults={
            "lost": bus.close,
            "overload": lambda: break_servo(4, 0x20),
            "overheated": lambda: heat(2),
            "torque_lost": lambda: lose_torque(7),
            "stuck": lambda: jam(joints["waist"]),
            "over_current": lambda: push(6),
            "silent": lambda: bus.silent.add(7),
        },
        clock=bus.clock,
        env=PATIENT_ENVIRONMENT,
    )


__all__ = ["SLEEP_TICKS", "Noise", "ServoBus", "open_bus", "open_peer", "peer_of"]
