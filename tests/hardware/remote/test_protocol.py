"""What is sent is what arrives, and nothing else is taken for it."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hardware import faults
from hardware.remote import protocol
from hardware.remote.protocol import REPLY, REQUEST, BadMessage, Fields, NotAuthentic
from recordings import errors
from recordings.errors import RobotError
from tests.hardware.fakes import FakeRobot

TOKEN = "sixteen letters and more"
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=10), plain_values, max_size=5))
def test_a_message_arrives_as_it_was_sent(message) -> None:
    frames = protocol.seal(TOKEN, REQUEST, message)
    assert protocol.unseal(TOKEN, REQUEST, frames).values == message


@given(st.data())
def test_a_changed_bit_is_noticed_before_anything_is_unpacked(data) -> None:
    frames = [bytearray(frame) for frame in protocol.seal(TOKEN, REQUEST, {"ask": "hold"})]
    which = data.draw(st.integers(0, 1))
    place = data.draw(st.integers(0, len(frames[which]) - 1))
    frames[which][place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(NotAuthentic):
        protocol.unseal(TOKEN, REQUEST, [bytes(frame) for frame in frames])


def test_another_token_and_the_other_direction_are_noticed() -> None:
    frames = protocol.seal(TOKEN, REQUEST, {"ask": "hold"})
    with pytest.raises(NotAuthentic):
        protocol.unseal(TOKEN + "!", REQUEST, frames)
    with pytest.raises(NotAuthentic):
        protocol.unseal(TOKEN, REPLY, frames)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x81\xa1a",
        msgpack.packb([1, 2]),
        msgpack.packb({1: 2}),
        msgpack.packb({"a": msgpack.ExtType(4, b"code")}),
        msgpack.packb({"a": msgpack.Timestamp(1, 2)}),
        b"\x91" * 5000 + b"\xc0",
    ],
    ids=["empty", "never used", "cut off", "no map", "no name", "type", "time", "deep"],
)
def test_what_is_signed_but_malformed_is_refused(payload) -> None:
    frames = [protocol._code(TOKEN, REQUEST, payload), payload]
    with pytest.raises(BadMessage):
        protocol.unseal(TOKEN, REQUEST, frames)


def test_a_large_request_is_refused() -> None:
    with pytest.raises(BadMessage, match="bytes"):
        protocol.unseal(TOKEN, REQUEST, protocol.seal(TOKEN, REQUEST, {"a": bytes(20_000)}))


@given(arrays.arrays(np.float64, 7, elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_an_array_arrives_bit_for_bit(array) -> None:
    np.testing.assert_array_equal(Fields({"a": protocol.array_fields(array)}).array("a", 7), array)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [0.0] * 7,
        protocol.array_fields(np.zeros(6)),
        protocol.array_fields(np.zeros((7, 1))),
        protocol.array_fields(np.array([np.nan] * 7)),
        protocol.array_fields(np.array([0.0] * 6 + [np.inf])),
        {**protocol.array_fields(np.zeros(7)), "dtype": "|O"},
        {**protocol.array_fields(np.zeros(7)), "data": bytes(55)},
    ],
)
def test_anything_but_seven_finite_numbers_is_refused(wrong) -> None:
    with pytest.raises(BadMessage):
        Fields({"a": wrong}).array("a", 7)


def test_of_what_may_be_unknown_nothing_but_nan_is_let_pass() -> None:
    unknown = Fields({"a": protocol.array_fields(np.array([0.0] * 6 + [np.nan]))})
    assert np.isnan(unknown.array("a", 7, unknown=True)[6])
    endless = Fields({"a": protocol.array_fields(np.array([0.0] * 6 + [np.inf]))})
    with pytest.raises(BadMessage):
        endless.array("a", 7, unknown=True)


@pytest.mark.parametrize("value", [None, True, "1", float("nan"), float("inf"), [1.0]])
def test_a_number_is_a_finite_number(value) -> None:
    with pytest.raises(BadMessage):
        Fields({"a": value}).number("a")


def test_features_arrive_under_the_clients_name() -> None:
    served = replace(FakeRobot().features, brakes=True)
    there = protocol.features_from(Fields(protocol.features_fields(served)), "remote")
    assert there.name == "remote"
    assert there.embodiment == served.embodiment
    assert there.workspace == served.workspace
    assert there.joint_low_rad == served.joint_low_rad
    assert there.simulated
    assert there.brakes


@pytest.mark.parametrize(
    "kind",
    [
        RobotError,
        faults.LostConnection,
        faults.MotorFault,
        faults.TorqueOff,
        faults.CameraFault,
        faults.Unreachable,
        faults.MissedDeadline,
        faults.MotionStopped,
        errors.UsageError,
        errors.SystemSetupError,
    ],
)
def test_an_error_arrives_as_the_same_error(kind) -> None:
    error = kind("Motor 4 is hot.", "Below 60 degrees.", "Let it cool.")
    there = protocol.error_from(Fields(protocol.error_fields(error)))
    assert type(there) is kind
    assert (there.found, there.expected, there.try_next) == error.args


def test_an_error_of_an_unknown_kind_arrives_as_its_nearest_base() -> None:
    class Slipped(faults.MotorFault):
        pass

    there = protocol.error_from(Fields(protocol.error_fields(Slipped("It slipped."))))
    assert type(there) is faults.MotorFault


@given(st.integers(0, 2**32 - 1))
def test_a_jpeg_picture_stays_close_to_the_original(seed) -> None:
    rng = np.random.default_rng(seed)
    # Smooth, as pictures are: noise is the one thing that JPEG cannot keep.
    low = rng.uniform(0, 255, (4, 4, 3))
    ramp = np.kron(low, np.ones((12, 12, 1)))
    for axis in (0, 1):
        ramp = sum(np.roll(ramp, shift, axis) for shift in range(-5, 6)) / 11
    image = ramp.astype(np.uint8)
    there = protocol.decode_picture(protocol.encode_picture(image), 48, 48)
    error = np.abs(there.astype(float) - image)
    assert error.mean() < 2.0
    assert error.max() < 25.0


def test_red_stays_red() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0] = 200
    there = protocol.decode_picture(protocol.encode_picture(image), 16, 16)
    assert np.abs(there.astype(int) - image).max() < 6


def test_a_picture_of_another_size_or_kind_is_refused() -> None:
    data = protocol.encode_picture(np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(BadMessage):
        protocol.decode_picture(data, 8, 8)
    with pytest.raises(BadMessage):
        protocol.decode_picture(data[:100], 16, 16)
    with pytest.raises(BadMessage):
        protocol.decode_picture(b"\x89PNG\r\n\x1a\n" + bytes(50), 16, 16)
