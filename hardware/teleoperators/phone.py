"""A phone or a headset that tells its pose through a page in its browser (WebXR).

Frame: WebXR measures x to the right, y up and z backwards from where the device faced when the
session began. Here x is ahead, y left and z up, so begin the session facing where the arm looks.

Source: SpesRobotics/teleop 0.1.5, index.html (messages) and its jump limit, which misses the
second message after each jump; ours is between any two messages.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hardware.checks import Finding, Health
from hardware.faults import LostConnection
from hardware.kinds import Discovered, TeleoperatorKind
from hardware.settings import setting
from hardware.teleoperator import FAST, HandPose, Rate, Speed, TeleopReading
from hardware.teleoperators.buttons import ButtonMap, ButtonPanel
from hardware.teleoperators.phone_server import PhoneServer
from recordings.errors import PtrctlError, UsageError
from recordings.records import FloatArray

JUMP_M, JUMP_M_S = 0.03, 1.5
JUMP_RAD, JUMP_RAD_S = 0.15, 6.0
"""A pose that is farther from the one before than this, with what a hand can do in the time
between, was not tracked."""
MIN_SCALE, MAX_SCALE = 0.1, 1.0
WEBXR_TO_BASE: FloatArray = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
A, B, GRIPPER, MOVE = range(4)
"""Numbers of the buttons: the page's A and B, its gripper switch, and hold-to-move."""


@dataclass(frozen=True)
class PhoneSettings:
    """How the phone reaches this machine, and what its buttons do."""

    host: str = setting("", "Address of this machine in the phone's network (192.168.1.5).")
    port: int = setting(4443, "TCP port of the page.")
    certificate: str = setting("", "Path of the page's certificate, PEM.")
    private_key: str = setting("", "Path of the certificate's key, PEM.")
    button_a: str = setting("start,stop", "What the page's button A does.")
    button_b: str = setting("success", "What the page's button B does.")

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise ValueError(f"port is {self.port}, but must lie in 0 to 65535")
        self.buttons()

    def buttons(self) -> ButtonMap:
        """With the gripper and the clutch, which are not for choice."""
        own = {A: self.button_a, B: self.button_b, GRIPPER: "gripper", MOVE: "clutch"}
        return ButtonMap.parse(" ".join(f"{number}={use}" for number, use in own.items() if use))


@dataclass(frozen=True)
class PhonePose:
    """One message of the page.

    Args:
        position_m: (3,) in WebXR's frame.
        rotation: (3, 3) in WebXR's frame.
        scale: Share of the hand's way that the gripper goes, chosen on the page.
        down: Numbers of the buttons that are pressed.
    """

    position_m: FloatArray
    rotation: FloatArray
    scale: float
    down: frozenset[int]


def parse(text: str) -> PhonePose | None:
    """A pose from the page's JSON; None for anything else, and for numbers that make no sense."""
    try:
        message = json.loads(text)
        if message["type"] != "pose":
            return None
        data = message["data"]
        position = np.array([data["position"][axis] for axis in "xyz"], dtype=np.float64)
        quaternion = np.array([data["orientation"][axis] for axis in "wxyz"], dtype=np.float64)
        scale = float(data.get("scale", 1.0))
        pressed = {
            A: data.get("reservedButtonA"),
            B: data.get("reservedButtonB"),
            GRIPPER: data.get("gripper") == "close",
            MOVE: data["move"],
        }
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    length = float(np.linalg.norm(quaternion))
    if not (np.isfinite([*position, length, scale]).all() and 0.9 < length < 1.1):
        return None
    return PhonePose(
        position,
        quaternion_to_rotation(quaternion / length),
        float(np.clip(scale, MIN_SCALE, MAX_SCALE)),
        frozenset(number for number, down in pressed.items() if down is True),
    )


def quaternion_to_rotation(quaternion: FloatArray) -> FloatArray:
    """Unit quaternion w, x, y, z to a rotation matrix (3, 3); its sign does not matter."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


class PhoneHand:
    """The hand behind the messages: scaled, and released when it jumps."""

    def __init__(self, buttons: ButtonPanel) -> None:
        self._buttons = buttons
        self._last: tuple[PhonePose, float] | None = None
        self._gripper_switch: bool | None = None
        self._jumped = False
        self._position_m = np.zeros(3)

    def take(self, pose: PhonePose, now_s: float) -> None:
        """One message, and when it came."""
        for number in (A, B):
            self._buttons.change(number, number in pose.down)
        switch = GRIPPER in pose.down
        if self._gripper_switch is not None and switch != self._gripper_switch:
            # The page has a switch; both of its positions are a press here.
            self._buttons.change(GRIPPER, True)
            self._buttons.change(GRIPPER, False)
        self._gripper_switch = switch
        if self._last is not None:
            last, last_s = self._last
            way = pose.position_m - last.position_m
            turn = pose.rotation @ last.rotation.T
            self._jumped |= _is_jump(way, turn, now_s - last_s)
            self._position_m = self._position_m + pose.scale * (WEBXR_TO_BASE @ way)
        self._last = (pose, now_s)
        if MOVE not in pose.down:
            self._jumped = False
        self._buttons.change(MOVE, MOVE in pose.down and not self._jumped)

    def gone(self) -> None:
        """The phone has disconnected."""
        self._last = self._gripper_switch = None
        self._buttons.change(MOVE, False)

    @property
    def jumped(self) -> bool:
        return self._jumped

    @property
    def heard_s(self) -> float | None:
        """When the last message came; None if there is no phone."""
        return None if self._last is None else self._last[1]

    @property
    def pose(self) -> HandPose | None:
        """In the base frame, from an arbitrary origin."""
        if self._last is None:
            return None
        rotation = WEBXR_TO_BASE @ self._last[0].rotation @ WEBXR_TO_BASE.T
        return HandPose(self._position_m, rotation)


def _is_jump(way_m: FloatArray, turn: FloatArray, period_s: float) -> bool:
    angle = float(np.arccos(np.clip((np.trace(turn) - 1.0) / 2.0, -1.0, 1.0)))
    return bool(
        np.linalg.norm(way_m) > JUMP_M + JUMP_M_S * period_s
        or angle > JUMP_RAD + JUMP_RAD_S * period_s
    )


class Phone:
    """A `Teleoperator`.

    Args:
        settings: See there.
        now_s: Stamps messages.
    """

    name = "phone"

    def __init__(
        self, settings: PhoneSettings, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed: Speed = FAST
        self._settings = settings
        self._now_s = now_s
        self._lock = threading.Lock()
        self._buttons = ButtonPanel(settings.buttons())
        self._hand = PhoneHand(self._buttons)
        self._server: PhoneServer | None = None

    @property
    def hint(self) -> str:
        if self._server is None:
            return ""
        return f"Open {self._server.link} on the phone."

    def connect(self) -> None:
        if not self._settings.host:
            raise UsageError(
                "The address of this machine in the phone's network is not set.",
                "The page is served on one network only.",
                "Set `host` under [teleoperator.options] in ptrctl.toml, or add "
                "`--demonstrator-option host=192.168.1.5`; `ip address` lists the addresses.",
            )
        server = PhoneServer(
            self._settings.host,
            self._settings.port,
            self._settings.certificate,
            self._settings.private_key,
            self._on_message,
            self._on_gone,
        )
        server.start()
        self._server = server

    def disconnect(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def begin(self) -> None:
        with self._lock:
            self._buttons.take()

    def read(self) -> TeleopReading:
        if self._server is None:
            raise LostConnection("The phone's page is not served.")
        with self._lock:
            engaged, pressed = self._buttons.take()
            hand, heard_s, jumped = self._hand.pose, self._hand.heard_s, self._hand.jumped
        if hand is None or heard_s is None:
            return TeleopReading(
                self._now_s(), False, Rate(), pressed=pressed, words="no phone yet"
            )
        words = "jumped, release Move" if jumped else "hold Move on the phone"
        return TeleopReading(heard_s, engaged, hand, pressed=pressed, words=words)

    def _on_message(self, text: str) -> None:
        pose = parse(text)
        if pose is not None:
            with self._lock:
                self._hand.take(pose, self._now_s())

    def _on_gone(self) -> None:
        with self._lock:
            self._hand.gone()


def _discover() -> Sequence[Discovered]:
    return [Discovered("a phone or headset with a WebXR browser in the same network")]


def _check(settings: PhoneSettings) -> Sequence[Finding]:
    phone = Phone(settings)
    try:
        phone.connect()
    except PtrctlError as problem:
        return [Finding("phone", Health.FAIL, problem.found, problem.try_next)]
    phone.disconnect()
    return [Finding("phone", Health.OK, f"Its page can be served on {settings.host}.")]


KIND = TeleoperatorKind(
    name="phone",
    summary="a phone (Android) or a headset, through a page in its browser",
    settings=PhoneSettings,
    make=Phone,
    discover=_discover,
    check=_check,
)
