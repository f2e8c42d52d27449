"""Simulated X series servos and the joints that they turn, for the bus in `dynamixel`."""

from __future__ import annotations

import math
from collections.abc import Callable

XM430, XL430 = 1020, 1060
RANGE_ERROR, LIMIT_ERROR, ACCESS_ERROR = 4, 6, 7
TURN = 4096
SLEEP_RAD = (0.0, -1.80, 1.55, 0.0, 0.8, 0.0)
SLEEP_TICKS = tuple(2048 + round(angle * TURN / (2 * math.pi)) for angle in SLEEP_RAD)
MAX_SPEED_TICKS_S = 4000.0
STILL_TICKS_S = 35.0
"""0.05 rad/s; slower is noise in a servo's own measurement."""
STIFFNESS = 8.0
"""Current units per tick that a joint is behind its goal, as a proportional gain of 800 gives."""

Now = Callable[[], float]


class Joint:
    """What one or two servos turn: a position in ticks that follows a smooth path to a goal.

    Args:
        position: Where it begins.
    """

    def __init__(self, now: Now, position: float) -> None:
        self._now = now
        self._begin_s = now()
        self._duration_s = 1e-3
        self._from, self._speed, self.goal = position, 0.0, position
        self.jammed = False
        self.block: tuple[float, float] = (-math.inf, math.inf)
        """The joint meets something at these positions."""

    def _path(self) -> tuple[float, float]:
        """Position and speed now: the cubic that begins as the joint moved and ends at rest."""
        duration = self._duration_s
        t = min(max((self._now() - self._begin_s) / duration, 0.0), 1.0)
        start, slope, goal = self._from, self._speed * duration, self.goal
        position = (
            start * (2 * t**3 - 3 * t**2 + 1)
            + slope * (t**3 - 2 * t**2 + t)
            + goal * (3 * t**2 - 2 * t**3)
        )
        speed = ((start - goal) * (6 * t**2 - 6 * t) + slope * (3 * t**2 - 4 * t + 1)) / duration
        return position, speed if t < 1.0 else 0.0

    def position(self) -> float:
        position, _ = self._path()
        return min(max(position, self.block[0]), self.block[1])

    def speed(self) -> float:
        position, speed = self._path()
        return speed if self.block[0] < position < self.block[1] else 0.0

    def moving(self) -> bool:
        return abs(self.speed()) > STILL_TICKS_S

    def go(self, goal: float, duration_s: float) -> None:
        if self.jammed:
            self.goal = self._from = self.position()
            return
        position, speed = self.position(), self.speed()
        self._from, self._speed, self.goal = position, speed, goal
        self._begin_s = self._now()
        self._duration_s = max(duration_s, abs(goal - position) / MAX_SPEED_TICKS_S, 1e-3)

    def stop(self) -> None:
        position = self.position()
        self._from = self.goal = position
        self._speed = 0.0

    def jam(self) -> None:
        self.stop()
        self.jammed = True


class Servo:
    """One servo with its control table.

    Args:
        joint: What it turns.
        mirrored: Mounted the other way round.
        mount: Ticks by which its horn is mounted off.
        leads: The joint goes where it says; a shadow pushes along.
    """

    def __init__(
        self,
        servo_id: int,
        model: int,
        joint: Joint,
        now: Now,
        *,
        mirrored: bool = False,
        mount: int = 0,
        leads: bool = True,
    ) -> None:
        self.id = servo_id
        self.model = model
        self.firmware = 45
        self.joint = joint
        self.mirrored = mirrored
        self.mount = mount
        self.leads = leads
        self.pushes = False
        self.heard_s = now()
        self.writes: list[tuple[int, bytes]] = []
        """Accepted writes to EEPROM."""
        self._now = now
        self.table = bytearray(147)
        self._factory()

    def _factory(self) -> None:
        self._put(0, self.model, 2)
        self._put(6, self.firmware, 1)
        self._put(7, self.id, 1)
        self._put(8, 3, 1)
        self._put(9, 250, 1)
        self._put(11, 3, 1)
        self._put(12, 255, 1)
        self._put(31, 80 if self.model == XM430 else 72, 1)
        self._put(44, 200, 4)
        self._put(48, 4095, 4)
        self._put(52, 0, 4)
        self._put(63, 52, 1)
        self._power_on()

    def _power_on(self) -> None:
        self.table[64:] = bytes(83)
        self._put(68, 2, 1)
        self._put(100, 885, 2)
        self._put(116, self._present(), 4)
        self._put(144, 121, 2)
        self._put(146, 31, 1)

    def _put(self, address: int, value: int, size: int) -> None:
        self.table[address : address + size] = value.to_bytes(size, "little", signed=value < 0)

    def value(self, address: int, size: int) -> int:
        """A signed register."""
        return int.from_bytes(self.table[address : address + size], "little", signed=True)

    @property
    def secondary_id(self) -> int:
        return self.table[12]

    @property
    def torque(self) -> bool:
        return bool(self.table[64])

    @property
    def tripped(self) -> bool:
        return self.table[98] == 0xFF

    def _present(self) -> int:
        raw = TURN - self.joint.position() if self.mirrored else self.joint.position()
        raw += self.mount + self.value(20, 4)
        return round(TURN - raw if self.table[10] & 1 else raw)

    def _joint_position(self, goal: int) -> float:
        """The joint's position at which this servo would read `goal`."""
        raw = (TURN - goal if self.table[10] & 1 else goal) - self.mount - self.value(20, 4)
        return TURN - raw if self.mirrored else raw

    def read(self, address: int, length: int) -> bytes:
        self._put(126, self._current(), 2)
        sign = -1 if self.mirrored is not bool(self.table[10] & 1) else 1
        self._put(128, round(sign * self.joint.speed() / TURN * 60 / 0.229), 4)
        self._put(132, self._present(), 4)
        return bytes(self.table[address : address + length])

    def _current(self) -> int:
        if self.pushes:
            return 840
        if not self.torque:
            return 0
        behind = self.value(116, 4) - self._present()
        stuck = self.joint.jammed or not (
            self.joint.block[0] < self.joint.position() < self.joint.block[1]
        )
        limit = 850 if self.model == XM430 else round(1000 * self.value(100, 2) / 885)
        return max(-limit, min(limit, round(STIFFNESS * behind))) if stuck else 20

    def write(self, address: int, data: bytes) -> int:
        """Write registers; returns the error number of the answer."""
        if address < 64 and self.torque:
            return ACCESS_ERROR
        if self.tripped and 100 <= address <= 119:
            return RANGE_ERROR
        if address == 98 and self.tripped and data[0] != 0:
            return RANGE_ERROR
        sets_goal = address <= 116 < address + len(data)
        if sets_goal:
            begin = 116 - address
            goal = int.from_bytes(data[begin : begin + 4], "little", signed=True)
            if not self.value(52, 4) <= goal <= self.value(48, 4):
                return LIMIT_ERROR
        if address < 64:
            self.writes.append((address, data))
        if address == 64:
            self.set_torque(bool(data[0]))
            return 0
        self.table[address : address + len(data)] = data
        if sets_goal and self.torque:
            self._go()
        return 0

    def _go(self) -> None:
        if self.leads:
            goal = self._joint_position(self.value(116, 4))
            time_profile = bool(self.table[10] & 4)
            self.joint.go(goal, self.value(112, 4) / 1000.0 if time_profile else 0.0)

    def set_torque(self, on: bool) -> None:
        if on and self.table[70] & self.table[63]:
            return
        before = self.torque
        self.table[64] = int(on)
        if on and not before:
            # A servo whose goal is elsewhere jumps there.
            self._go()
        elif not on and self.leads:
            self.joint.stop()

    def fail(self, bits: int) -> None:
        """A hardware error, with the shutdown that the servo's own settings ask for."""
        self.table[70] |= bits
        if self.table[70] & self.table[63]:
            self.set_torque(False)

    def reboot(self) -> None:
        self.set_torque(False)
        self._power_on()

    def look_at_watchdog(self) -> None:
        units = self.table[98]
        silent_s = self._now() - self.heard_s
        if self.torque and 1 <= units <= 127 and silent_s > units * 0.02:
            self.table[98] = 0xFF
            if self.leads:
                self.joint.stop()


def make_arm(now: Now) -> tuple[dict[str, Joint], dict[int, Servo]]:
    """The joints and servos of a WidowX 250s, asleep, factory-new but for their IDs."""
    joints = {
        name: Joint(now, position)
        for name, position in zip(
            ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"),
            SLEEP_TICKS,
            strict=True,
        )
    }
    joints["gripper"] = Joint(now, 1500)
    servos = {
        1: Servo(1, XM430, joints["waist"], now),
        2: Servo(2, XM430, joints["shoulder"], now),
        3: Servo(3, XM430, joints["shoulder"], now, mirrored=True, mount=37, leads=False),
        4: Servo(4, XM430, joints["elbow"], now),
        5: Servo(5, XM430, joints["elbow"], now, mirrored=True, mount=-54, leads=False),
        6: Servo(6, XM430, joints["forearm_roll"], now),
        7: Servo(7, XM430, joints["wrist_angle"], now, mirrored=True),
        8: Servo(8, XL430, joints["wrist_rotate"], now),
        9: Servo(9, XL430, joints["gripper"], now),
    }
    return joints, servos
