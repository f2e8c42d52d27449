"""Actions between the arm's units and the networks' [-0.99, 0.99]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recordings.records import ACTION_HIGH, ACTION_LOW, FloatArray

ACTION_LIMIT = 0.99
"""A tanh never reaches 1, so stored actions stop short of it."""


def normalise_actions(actions: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """To the networks' range: 2 (a - low) / (high - low) - 1, clipped to +-0.99.

    Args:
        actions: (..., 7) in the units of `recordings.records`.

    Returns:
        (..., 7) float32.

    Source: jaxrl2/wrappers/rescale_actions_wrapper.py of Asap7772/PTR.
    """
    scaled = 2.0 * (actions - ACTION_LOW) / (ACTION_HIGH - ACTION_LOW) - 1.0
    return np.clip(scaled, -ACTION_LIMIT, ACTION_LIMIT).astype(np.float32)


def unnormalise_actions(actions: npt.NDArray[np.floating]) -> FloatArray:
    """The inverse, unclipped: (..., 7) in -1..1 to (..., 7) float64 in the arm's units."""
    scaled = (np.asarray(actions, dtype=np.float64) + 1.0) / 2.0
    return np.asarray(ACTION_LOW + scaled * (ACTION_HIGH - ACTION_LOW))
