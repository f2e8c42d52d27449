"""The dead zone of sticks and caps, which never rest at exactly nought."""

from __future__ import annotations

import numpy as np

from recordings.records import FloatArray


def without_dead_zone(values: FloatArray, dead_zone: float) -> FloatArray:
    """Values in [-1, 1] with 0 inside the dead zone, continuous at its edge, 1 at full scale."""
    beyond: FloatArray = np.maximum(np.abs(values) - dead_zone, 0.0) / (1.0 - dead_zone)
    return np.sign(values) * beyond
