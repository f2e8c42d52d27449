from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recordings.codec import decode_image, encode_image
from recordings.errors import RecordingError
from recordings.records import ImageArray
from tests.recordings.episodes import picture

images = hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


@given(images)
def test_png_is_lossless(image: ImageArray) -> None:
    assert np.array_equal(decode_image(encode_image(image, "png")), image)


@given(images)
def test_jpeg_keeps_the_size(image: ImageArray) -> None:
    assert decode_image(encode_image(image, "jpeg")).shape == image.shape


def test_jpeg_keeps_the_colour_of_an_object_one_pixel_wide() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 8] = (255, 0, 0)
    decoded = decode_image(encode_image(image, "jpeg", 95)).astype(int)
    assert decoded[8, 8, 0] > 240
    assert decoded[8, 8, 1:].max() < 15


def test_the_same_picture_is_encoded_to_the_same_bytes() -> None:
    assert encode_image(picture(1), "jpeg") == encode_image(picture(1), "jpeg")


@pytest.mark.parametrize("encoded", [b"", b"garbage", encode_image(picture(1), "jpeg")[:200]])
def test_bytes_that_are_no_picture_are_an_error(encoded: bytes) -> None:
    with pytest.raises(RecordingError, match="cannot be decoded"):
        decode_image(encoded)
