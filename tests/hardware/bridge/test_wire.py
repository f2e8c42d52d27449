"""Messages of the Bridge server are read without running anything that they name."""

from __future__ import annotations

import base64
import os
import pickle
import pickletools

import lz4.frame
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hardware.bridge import wire
from hardware.bridge.wire import ProtocolError, pack, unpack

FROM_NUMPY_1 = (
    "gASVfwEAAAAAAAB9lCiMBWltYWdllIwVbnVtcHkuY29yZS5tdWx0aWFycmF5lIwMX3JlY29uc3RydWN0lJOUjAVudW1w"
    "eZSMB25kYXJyYXmUk5RLAIWUQwFilIeUUpQoSwFLAUsMhpRoBYwFZHR5cGWUk5SMAmY0lImIh5RSlChLA4wBPJROTk5K"
    "/////0r/////SwB0lGKJQzAAAAAAgYCAO4GAADzBwEA8gYCAPKGgoDzBwMA84eDgPIGAAD2RkBA9oaAgPbGwMD2UdJRi"
    "jAVzdGF0ZZRoBGgHSwCFlGgJh5RSlChLAUsHhZRoDowCZjiUiYiHlFKUKEsDaBJOTk5K/////0r/////SwB0lGKJQzgz"
    "MzMzMzPTPwAAAAAAAAAAMzMzMzMzwz8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADwP5R0lGKMCmZ1bGxfaW1h"
    "Z2WUQwL/2JSMBnNjYWxhcpRoAowGc2NhbGFylJOUaB1DCAAAAAAAAOA/lIaUUpR1Lg=="
)
"""An observation written by numpy 1.24.4."""


def packed(message: object, protocol: int = 4) -> bytes:
    """A message as the server writes it."""
    return lz4.frame.compress(pickle.dumps(message, protocol=protocol))


class RunsWhenRead:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_the_server_sends_is_read_whatever_protocol_it_uses(protocol) -> None:
    sent = {"state": np.arange(7.0), "image": np.float32([[0.5, 1.0]]), "n": 3, "f": None}
    if protocol == 2:  # Bytes are written as a call of _codecs.encode, which stays forbidden.
        with pytest.raises(ProtocolError, match=r"_codecs\.encode"):
            unpack(packed(sent, protocol))
        return
    read = unpack(packed(sent, protocol))
    np.testing.assert_array_equal(read["state"], sent["state"])
    np.testing.assert_array_equal(read["image"], sent["image"])
    assert read["image"].dtype == np.float32
    assert (read["n"], read["f"]) == (3, None)


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.int64, np.float32, np.float64, np.bool_, ">f8"]),
        arrays.array_shapes(min_dims=0, max_dims=3, max_side=4),
    ),
    st.booleans(),
)
def test_arrays_arrive_as_they_were_sent(array, columns_first) -> None:
    sent = np.asfortranarray(array) if columns_first else array
    read = unpack(packed({"a": sent}))["a"]
    np.testing.assert_array_equal(read, sent)
    assert read.shape == sent.shape
    assert read.flags.writeable


def test_an_observation_of_an_old_numpy_is_read() -> None:
    read = unpack(lz4.frame.compress(base64.b64decode(FROM_NUMPY_1)))
    np.testing.assert_allclose(read["state"], [0.3, 0, 0.15, 0, 0, 0, 1])
    np.testing.assert_allclose(read["image"], np.arange(12)[None] / 255.0, atol=1e-6)
    assert read["full_image"] == b"\xff\xd8"
    assert read["scalar"] == 0.5


def test_what_is_sent_names_nothing_that_an_old_numpy_lacks() -> None:
    action = np.linspace(-0.05, 0.05, 7)
    raw = lz4.frame.decompress(pack({"action": action, "keys": {"state"}}))
    words = {arg for _, arg, _ in pickletools.genops(raw) if isinstance(arg, str)}
    assert "numpy" in words
    assert not [word for word in words if "core" in word]
    np.testing.assert_array_equal(pickle.loads(raw)["action"], action)


def test_a_program_in_a_reply_is_refused_and_does_not_run(tmp_path) -> None:
    trap = tmp_path / "trap"
    for message in (RunsWhenRead(str(trap)), {"state": [RunsWhenRead(str(trap))]}):
        with pytest.raises(ProtocolError, match="mkdir"):
            unpack(packed(message))
    assert not trap.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nload\n(S'/etc/hostname'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cfunctools\npartial\n.",
        b"\x80\x04Ppersistent\n.",
        b"cnumpy\nndarray\n(K\x05tR.",
        b"cnumpy\ndtype\n.",
        b"cnumpy.core.numeric\n_frombuffer\n(K\x05K\x05K\x05K\x05tR.",
    ],
)
def test_names_and_calls_that_no_array_needs_are_refused(program) -> None:
    with pytest.raises(ProtocolError):
        unpack(lz4.frame.compress(program))


@given(st.binary(max_size=200))
def test_noise_is_refused(noise) -> None:
    for message in (noise, lz4.frame.compress(b"\x80\x04" + noise)):
        try:
            value = unpack(message)
        except ProtocolError:
            continue
        assert isinstance(value, (dict, list, tuple, set, str, bytes, int, float, type(None)))


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_observation_is_refused_or_plain(place, byte) -> None:
    raw = bytearray(pickle.dumps({"state": np.arange(7.0), "image": np.zeros((1, 12))}))
    raw[place % len(raw)] = byte
    try:
        read = unpack(lz4.frame.compress(bytes(raw)))
    except ProtocolError:
        return
    assert not hasattr(read, "resolve")


@pytest.mark.parametrize(
    "array", [np.array([{}, 1], dtype=object), np.array(["a"]), np.zeros(2, "f8,i4")]
)
def test_arrays_of_anything_but_numbers_are_refused(array) -> None:
    with pytest.raises(ProtocolError):
        unpack(packed({"a": array}))


def test_a_reply_that_unpacks_to_far_too_much_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(wire, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(ProtocolError, match="unpacks to more"):
        unpack(packed(b"0" * 1_000_000))
    monkeypatch.setattr(wire, "MAX_PACKED_BYTES", 10)
    with pytest.raises(ProtocolError, match="bytes"):
        unpack(packed({"state": 1}))


def test_a_few_bytes_that_stand_for_millions_of_values_are_refused() -> None:
    shared: object = 0
    for _ in range(5):
        shared = [shared] * 14
    message = packed(shared)
    assert len(message) < 200
    with pytest.raises(ProtocolError, match="more than 100000 values"):
        unpack(message)


@pytest.mark.parametrize("remember", [b"r\x00\x00\x20\x00", b"p2000000\n"])
def test_a_value_that_is_remembered_under_a_vast_number_is_refused(remember) -> None:
    with pytest.raises(ProtocolError, match="more than 100000 values"):
        unpack(lz4.frame.compress(b"\x80\x04N" + remember + b"."))


def test_an_array_that_is_named_again_and_again_is_not_copied_without_end(monkeypatch) -> None:
    array = np.zeros(1000)
    monkeypatch.setattr(wire, "MAX_UNPACKED_BYTES", 10 * array.nbytes)
    assert len(unpack(packed([array] * 10))) == 10
    with pytest.raises(ProtocolError, match="arrays hold more"):
        unpack(packed([array] * 11))


def test_a_value_that_holds_itself_is_refused() -> None:
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(ProtocolError, match="nested"):
        unpack(packed(ring))
