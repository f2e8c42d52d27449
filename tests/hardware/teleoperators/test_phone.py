"""A phone over its real page, TLS and websocket, and the messages by themselves."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from hardware.teleoperator import Button, HandPose
from hardware.teleoperators import phone_server
from hardware.teleoperators.buttons import ButtonPanel
from hardware.teleoperators.phone import (
    MOVE,
    Phone,
    PhoneHand,
    PhoneSettings,
    parse,
    quaternion_to_rotation,
)
from recordings.errors import RobotError, SystemSetupError, UsageError
from tests.waiting import wait_for

WAIT_S = 20.0


def message(position: Any = (0, 0, 0), quaternion: Any = (1, 0, 0, 0), **data: Any) -> str:
    values = {
        "move": True,
        "position": dict(zip("xyz", position, strict=True)),
        "orientation": dict(zip("wxyz", quaternion, strict=True)),
        **data,
    }
    return json.dumps({"type": "pose", "data": values})


class Hand:
    """Messages without a network."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.buttons = ButtonPanel(PhoneSettings().buttons())
        self.hand = PhoneHand(self.buttons)

    def say(self, *args: Any, after_s: float = 0.02, **data: Any) -> None:
        self.now_s += after_s
        pose = parse(message(*args, **data))
        assert pose is not None
        self.hand.take(pose, self.now_s)

    def engaged(self) -> bool:
        return self.buttons.take()[0]

    @property
    def pose(self) -> HandPose:
        assert self.hand.pose is not None
        return self.hand.pose


def test_webxr_right_up_and_back_become_ahead_left_and_up() -> None:
    hand = Hand()
    hand.say()
    hand.say((0.01, 0.02, 0.03))
    assert hand.pose.position_m == pytest.approx([-0.03, -0.01, 0.02])
    half = np.sqrt(0.5)
    hand.say((0.01, 0.02, 0.03), (half, 0, half, 0), after_s=1.0)  # To the left, about up.
    assert hand.pose.rotation @ np.array([1, 0, 0]) == pytest.approx([0, 1, 0])


def test_the_scale_of_the_page_shortens_the_way() -> None:
    hand = Hand()
    hand.say()
    hand.say((0, 0.02, 0), scale=0.5)
    hand.say((0, 0.04, 0), scale=5.0)
    assert hand.pose.position_m[2] == pytest.approx(0.03)


def test_every_jump_releases_until_move_is_released() -> None:
    for jump in ({"position": (0, 0.18, 0)}, {"quaternion": (0.95, 0.3122, 0, 0)}):
        hand = Hand()
        hand.say()
        hand.say((0.01, 0, 0))
        hand.buttons.take()
        assert hand.engaged()
        hand.say(**jump)
        assert not hand.engaged()
        hand.say(**jump)
        assert not hand.engaged()
        hand.say(**jump, move=False)
        hand.say(**jump)
        hand.buttons.take()
        assert hand.engaged()


def test_a_jump_in_the_second_message_after_engaging_is_seen() -> None:
    hand = Hand()
    hand.say(move=False)
    hand.say()
    hand.say((0.18, 0, 0))
    assert not hand.engaged()
    assert hand.hand.jumped


def test_buttons_and_the_gripper_switch_are_edges() -> None:
    hand = Hand()
    hand.say(gripper="open")
    hand.say(gripper="close", reservedButtonA=True)
    hand.say(gripper="close", reservedButtonA=True)
    hand.say(gripper="open", reservedButtonB=True)
    _, pressed = hand.buttons.take()
    assert pressed == (
        Button.START,
        Button.STOP,
        Button.GRIPPER,
        Button.SUCCESS,
        Button.GRIPPER,
    )


def test_a_phone_that_goes_releases_move() -> None:
    hand = Hand()
    hand.say()
    hand.hand.gone()
    assert not hand.engaged()
    assert hand.hand.pose is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"type": "log", "data": "x"}',
        '{"type": "pose", "data": {"move": true}}',
        '{"type": "pose", "data": null}',
        message((0, 0, float("nan"))),
        message(("a", 0, 0)),
        message(quaternion=(0, 0, 0, 0)),
        message(quaternion=(1, 1, 1, 1)),
        message(scale=float("inf")),
        message(scale=10**400),
    ],
)
def test_a_message_that_makes_no_sense_is_no_pose(text: str) -> None:
    assert parse(text) is None


def test_only_true_presses_a_button() -> None:
    pose = parse(message(move="false", reservedButtonA=1))
    assert pose is not None
    assert MOVE not in pose.down
    assert not pose.down


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_a_quaternion_and_its_opposite_are_the_same_rotation(four: Any) -> None:
    quaternion = np.array(four) / np.linalg.norm(four)
    rotation = quaternion_to_rotation(quaternion)
    assert rotation == pytest.approx(quaternion_to_rotation(-quaternion))
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_buttons_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="only one clutch"):
        PhoneSettings(button_a="clutch")
    PhoneSettings(button_b="")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> PhoneSettings:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ptrctl"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    return PhoneSettings("127.0.0.1", 0, certificate, key)


@pytest.fixture
def phone(settings: PhoneSettings) -> Iterator[Phone]:
    device = Phone(settings)
    device.connect()
    yield device
    device.disconnect()
    device.disconnect()


class Browser:
    """What a browser on the phone does."""

    def __init__(self, phone: Phone) -> None:
        self.link = phone.hint.split()[1]
        self.address = self.link.rsplit("/", 1)[0]
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE
        self.cookie = ""

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.address}/{path}", context=self.tls) as answer:
            self.cookie = (answer.headers["Set-Cookie"] or self.cookie).split(";")[0]
            return str(answer.read().decode())

    def open(self) -> Browser:
        self.get(self.link.rsplit("/", 1)[1])
        return self

    def websocket(self, origin: str = "") -> ClientConnection:
        return connect(
            self.address.replace("https", "wss") + "/ws",
            ssl=self.tls,
            origin=origin or self.address,  # type: ignore[arg-type]
            additional_headers={"Cookie": self.cookie},
        )


def test_a_phone_drives_through_the_page_and_its_websocket(phone: Phone) -> None:
    assert phone.read().words == "no phone yet"
    browser = Browser(phone)
    assert "teleop-ui.js" in browser.get(browser.link.rsplit("/", 1)[1])
    assert "customElements" in browser.get("assets/teleop-ui.js")
    with browser.open().websocket() as socket:
        socket.send("nonsense")
        socket.send(message(move=False, reservedButtonB=True))
        socket.send(message())
        wait_for(lambda: phone.read().engaged)
        before = phone.read()
        assert isinstance(before.motion, HandPose)
        assert not before.motion.absolute
        socket.send(message((0, 0.01, 0)))
        wait_for(lambda: phone.read().received_s > before.received_s)
        after = phone.read()
        assert isinstance(after.motion, HandPose)
        way = after.motion.position_m - before.motion.position_m
        assert way == pytest.approx([0, 0, 0.01])
    wait_for(lambda: not phone.read().engaged)
    assert phone.read().words == "no phone yet"


def test_only_who_has_the_link_may_drive_and_only_one_at_a_time(phone: Phone) -> None:
    browser = Browser(phone)
    with pytest.raises(InvalidStatus, match="403"):
        browser.websocket()
    for path in ("", "index.html", "0" * 12, "../key.pem", "assets/../../key.pem"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            browser.get(path)
    browser.open()
    with pytest.raises(InvalidStatus, match="403"):
        browser.websocket(origin="https://elsewhere")
    with browser.websocket() as first:
        first.send(message(move=False))
        wait_for(lambda: phone.read().words != "no phone yet")
        with pytest.raises(InvalidStatus, match="409"):
            browser.websocket()
    wait_for(lambda: phone.read().words == "no phone yet")
    with browser.websocket() as again:
        again.send(message(move=False))
        wait_for(lambda: phone.read().words != "no phone yet")


def test_disconnecting_ends_the_phones_connection(settings: PhoneSettings) -> None:
    phone = Phone(settings)
    phone.connect()
    with Browser(phone).open().websocket() as socket:
        socket.send(message(move=False))
        wait_for(lambda: phone.read().words != "no phone yet")
        phone.disconnect()
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=WAIT_S)


def test_what_is_missing_is_named(
    settings: PhoneSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="host"):
        Phone(PhoneSettings()).connect()
    with pytest.raises(SystemSetupError, match="openssl req"):
        Phone(PhoneSettings("127.0.0.1", 0, str(tmp_path / "no"), "")).connect()
    with pytest.raises(RobotError, match="cannot be served"):
        Phone(PhoneSettings("203.0.113.1", 0, settings.certificate, settings.private_key)).connect()
    monkeypatch.setattr(phone_server, "find_spec", lambda name: None)
    with pytest.raises(SystemSetupError, match=r"ptrctl\[phone\]"):
        Phone(settings).connect()
