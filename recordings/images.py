"""The one routine that resizes pictures, for training and for serving alike.

PTR squashed 640x480 with PIL offline and with skimage on the robot: a small silent mismatch.
Here both sides call `resize_image`; its name is stored in every checkpoint.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from recordings.records import ImageArray

RESIZE_ROUTINE = "pil-lanczos-squash-v1"


def resize_image(image: ImageArray, size: int) -> ImageArray:
    """Squash a picture to a square; the aspect ratio is not kept, as in Bridge and PTR.

    Args:
        image: (H, W, 3) uint8.
        size: Edge of the result in pixels.

    Returns:
        (size, size, 3) uint8; the input itself if it has that size already.
    """
    if image.shape[:2] == (size, size):
        return image
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(resized)
