"""Pictures to bytes and back."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL import Image

from recordings.errors import RecordingError
from recordings.records import ImageArray

ImageCodec = Literal["png", "jpeg"]
CODECS: tuple[ImageCodec, ...] = ("png", "jpeg")


def encode_image(image: ImageArray, codec: ImageCodec, jpeg_quality: int = 95) -> bytes:
    """Encode one picture.

    Args:
        image: (H, W, 3) uint8, RGB.
        codec: "png" is lossless; "jpeg" keeps full colour resolution (4:4:4), since halving it
            smears objects that are a few pixels wide.
        jpeg_quality: 1..100.
    """
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    if codec == "png":
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.save(buffer, "JPEG", quality=jpeg_quality, subsampling=0)
    return buffer.getvalue()


def decode_image(encoded: bytes | memoryview) -> ImageArray:
    """Decode one picture; (H, W, 3) uint8, RGB.

    Raises:
        RecordingError: The bytes are not a whole picture.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG")) as picture:
            image = np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise RecordingError(
            f"A picture cannot be decoded: {error}.",
            "It should be a whole JPEG or PNG picture.",
            "Run `ptrctl data verify` to find damaged episodes and to move them away.",
        ) from error
    if image.ndim != 3 or image.shape[2] != 3:
        raise RecordingError(
            f"A picture has shape {image.shape}.",
            "It should have three colours, (height, width, 3).",
            "Run `ptrctl data verify` to find damaged episodes and to move them away.",
        )
    return image
