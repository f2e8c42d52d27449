"""How far a camera has moved, from a picture taken then and one taken now.

Things, light and the arm may have changed in between; the room has not. Two steps: the best of many
turns, sizes and shifts by correlation of edges; then every point on an edge looks for itself along
its normal, and one motion is fitted to what they found, by a fit that lets outliers go. Edges of
things that were moved are outvoted by those of the room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from recordings.records import FloatArray, ImageArray

WORKING_EDGE = 160
"""Pictures are compared at this size, in pixels of their longer edge."""
COARSE_EDGE = 64
TURNS_DEG = np.arange(-12.0, 12.1, 3.0)
SIZES = 1.06 ** np.arange(-3, 4)
LARGEST_SHIFT = 0.3
"""Of the edge; beyond it too little of the picture is left to compare."""

PEAKS = 2
"""Shifts tried for each turn and size."""
GUESSES, CLOSER_LOOKS = 40, 10
"""How many of them are looked at closely, and more closely."""
ROUNDS = ((6, 4.0), (4, 2.0), (3, 1.0), (2, 0.5), (2, 0.5))
"""How far an edge point searches, and what counts as an outlier, in pixels: far, then near."""
ALIKE = 0.5
"""Least strength and sameness of direction of an edge that an edge point takes for itself."""
AGREES_PX = 0.75

BLOCK = 12
"""Edge of a block with one vote, in pixels."""
BETTER = 0.08
"""A camera is believed to have moved only if much more agrees with it than with its rest."""

FEWEST_POINTS, MOST_POINTS = 100, 1500
FEWEST_VOTES = 10
LEAST_AGREEMENT = 0.52
REST_SHARE, LEAST_AT_REST = 0.01, 0.33
"""What fits without any motion to speak of does not do so by chance."""


@dataclass(frozen=True)
class ViewChange:
    """How the picture as a whole has moved since the reference picture.

    Args:
        right_px, down_px: Where what was in the middle is now, in pixels of the reference.
        turn_deg: Turn of the picture, clockwise.
        size: 1.1 if everything looks 10 % larger.
        farthest_share: Largest motion of a corner, as a share of the picture's width.
        agreement: Share of the reference's edges that were found again, 0..1.
    """

    right_px: float
    down_px: float
    turn_deg: float
    size: float
    farthest_share: float
    agreement: float


def view_change(reference: ImageArray, now: ImageArray) -> ViewChange | None:
    """The motion of the camera between two pictures; None if they cannot be compared.

    Pictures of different places, of a featureless place, in the dark, or of a camera that was
    moved by more than about a fifth of the picture, 12 degrees or 20 % in size cannot.

    Args:
        reference, now: (H, W, 3) uint8 of the same size.

    Raises:
        ValueError: The sizes differ.
    """
    if reference.shape != now.shape:
        raise ValueError(f"the pictures have sizes {reference.shape} and {now.shape}")
    factor = WORKING_EDGE / max(reference.shape[:2])
    then_grey, now_grey = _grey(reference, factor), _grey(now, factor)
    points, normals = _edge_points(_edges(then_grey))
    if len(points) < FEWEST_POINTS:
        return None
    rest = _refined(np.eye(3), points, normals, now_grey)
    guesses = [
        (_step(points, normals, _moved_back(now_grey, guess), *ROUNDS[0])[1], guess)
        for guess in _guesses(then_grey, now_grey)
    ]
    guesses.sort(key=lambda pair: -pair[0])
    best = max(
        (_refined(guess, points, normals, now_grey) for _, guess in guesses[:CLOSER_LOOKS]),
        key=lambda pair: pair[1],
    )
    motion, agreement = best if best[1] > rest[1] + BETTER else rest
    change = _described(motion, then_grey.shape, factor, agreement)
    at_rest = change.farthest_share < REST_SHARE
    return change if agreement >= (LEAST_AT_REST if at_rest else LEAST_AGREEMENT) else None


def overlay(reference: ImageArray, now: ImageArray) -> ImageArray:
    """Both pictures in one, (H, W, 3): the reference in red, the present one in cyan.

    What has not moved is grey.
    """
    then_grey, now_grey = _grey(reference, 1.0), _grey(now, 1.0)
    return np.stack([then_grey, now_grey, now_grey], axis=-1).astype(np.uint8)


def _grey(image: ImageArray, factor: float) -> FloatArray:
    picture = Image.fromarray(image).convert("L")
    size = (round(picture.width * factor), round(picture.height * factor))
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.float64)


def _edges(grey: FloatArray) -> FloatArray:
    """Gradients (2, H, W), divided by the contrast around, so that light hardly matters."""
    smooth = ndimage.gaussian_filter(grey, 1.0)
    gradient = np.stack([ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1)])
    strength: FloatArray = np.hypot(*gradient)
    around = np.sqrt(ndimage.gaussian_filter(strength**2, 6.0))
    edges: FloatArray = gradient / (around + 0.2 * strength.mean() + 6.0)
    return edges


def _edge_points(edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places (N, 2) of the crests of the edges, away from the border, and their normals (N, 2)."""
    strength: FloatArray = np.hypot(*edges)
    normals = edges / (strength + 1e-9)
    rows, columns = np.indices(strength.shape)
    beside = [
        ndimage.map_coordinates(
            strength, [rows + sign * normals[0], columns + sign * normals[1]], order=1
        )
        for sign in (-1, 1)
    ]
    crest = (strength >= beside[0]) & (strength > beside[1]) & (strength > 0.8)
    crest[:3], crest[-3:], crest[:, :3], crest[:, -3:] = False, False, False, False
    points, across = np.argwhere(crest).astype(np.float64), normals[:, crest].T
    every = max(1, -(-len(points) // MOST_POINTS))
    return points[::every], across[::every]


def _middle(shape: tuple[int, ...]) -> FloatArray:
    return (np.array(shape) - 1) / 2


def _similarity(turn_rad: float, size: float, down: float, right: float) -> FloatArray:
    """(3, 3), acting on (row, column, 1) from the picture's middle."""
    c, s = size * np.cos(turn_rad), size * np.sin(turn_rad)
    return np.array([[c, s, down], [-s, c, right], [0.0, 0.0, 1.0]])


def _moved_back(grey: FloatArray, motion: FloatArray) -> FloatArray:
    """The picture of now as the camera would have seen it from where it was; NaN outside."""
    middle = _middle(grey.shape)
    offset = motion[:2, :2] @ -middle + motion[:2, 2] + middle
    moved: FloatArray = ndimage.affine_transform(
        grey, motion[:2, :2], offset, order=1, mode="constant", cval=np.nan
    )
    return moved


def _filled(grey: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The picture without its NaN (the nearest value instead), and where it has none nearby."""
    unseen = np.isnan(grey)
    if not unseen.any():
        return grey, ~unseen
    nearest = ndimage.distance_transform_edt(unseen, return_distances=False, return_indices=True)
    return grey[tuple(nearest)], ~ndimage.binary_dilation(unseen, iterations=3)


def _seen_edges(grey: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    filled, seen = _filled(grey)
    return _edges(filled) * seen, seen


def _guesses(then_grey: FloatArray, now_grey: FloatArray) -> list[FloatArray]:
    """Motions worth a closer look: the best of all turns and sizes, each with its best shift."""
    factor = min(1.0, COARSE_EDGE / max(then_grey.shape))
    then_small, now_small = (ndimage.zoom(grey, factor, order=1) for grey in (then_grey, now_grey))
    rows, columns = then_small.shape
    room = (2 * rows, 2 * columns)
    then_spectrum = np.fft.rfft2(_edges(then_small), s=room)
    down = np.fft.fftfreq(2 * rows, 1 / (2 * rows))
    right = np.fft.fftfreq(2 * columns, 1 / (2 * columns))
    near = np.outer(np.abs(down) <= LARGEST_SHIFT * rows, np.abs(right) <= LARGEST_SHIFT * columns)
    rated = []
    for turn_rad in np.radians(TURNS_DEG):
        for size in SIZES:
            still = _similarity(turn_rad, size, 0.0, 0.0)
            edges, _ = _seen_edges(_moved_back(now_small, still))
            spectrum = np.fft.rfft2(edges, s=room)
            match = np.fft.irfft2((spectrum * then_spectrum.conj()).sum(axis=0), s=room)
            match = np.where(near, match, -np.inf) / (np.linalg.norm(edges) + 1e-9)
            for _ in range(PEAKS):
                row, column = divmod(int(match.argmax()), match.shape[1])
                motion = still @ _similarity(0.0, 1.0, float(down[row]), float(right[column]))
                motion[:2, 2] /= factor
                rated.append((float(match[row, column]), motion))
                match[np.ix_(np.abs(down - down[row]) < 4, np.abs(right - right[column]) < 4)] = 0
    rated.sort(key=lambda pair: -pair[0])
    return [motion for _, motion in rated[:GUESSES]]


def _refined(
    motion: FloatArray, points: FloatArray, normals: FloatArray, now_grey: FloatArray
) -> tuple[FloatArray, float]:
    """A guess brought to fit, and the share of the edges that agrees with it."""
    agreement = 0.0
    for reach, outlier_px in ROUNDS:
        step, agreement = _step(points, normals, _moved_back(now_grey, motion), reach, outlier_px)
        motion = motion @ step
    return motion, agreement


def _step(
    points: FloatArray, normals: FloatArray, now: FloatArray, reach: int, outlier_px: float
) -> tuple[FloatArray, float]:
    """The motion (3, 3) that brings the points onto the edges of `now`, and the share that agrees.

    Each point tells only how far it has moved along its normal.
    """
    edges, seen = _seen_edges(now)
    offsets = np.arange(-reach - 1, reach + 2)
    places = points[:, None] + offsets[:, None] * normals[:, None]  # (N, K, 2)
    flow = [ndimage.map_coordinates(channel, places.T, order=1).T for channel in edges]
    alike = flow[0] * normals[:, :1] + flow[1] * normals[:, 1:]  # (N, K)
    inner = alike[:, 1:-1]
    crest = np.where((inner >= alike[:, :-2]) & (inner > alike[:, 2:]), inner, 0.0)
    # Of several edges on the way the nearer one is believed, unless it is much weaker.
    peak = (crest * (1.0 - 0.05 * np.abs(offsets[1:-1]))).argmax(axis=1)
    each = np.arange(len(points))
    low, mid, high = (alike[each, peak + k] for k in range(3))
    bend = low - 2 * mid + high
    shifts = offsets[1:-1][peak] + np.where(bend < 0, 0.5 * (low - high) / (bend - 1e-9), 0.0)
    found = crest[each, peak] > ALIKE
    votes = _votes(points) * seen[tuple(points.astype(int).T)]
    if found.sum() < FEWEST_POINTS // 2:
        return np.eye(3), 0.0
    from_middle = points - _middle(now.shape)
    step, gaps = _fitted(from_middle[found], normals[found], shifts[found], outlier_px)
    agreement = votes[found] @ (np.abs(gaps) < AGREES_PX) / max(votes.sum(), FEWEST_VOTES)
    return step, float(agreement)


def _votes(points: FloatArray) -> FloatArray:
    """What each point counts, (N,): those of one block share a vote, so that a crowded thing does
    not outvote the room."""
    blocks = (points // BLOCK).astype(int)
    _, which, counts = np.unique(blocks, axis=0, return_inverse=True, return_counts=True)
    shares: FloatArray = np.minimum(1.0, counts / BLOCK) / counts
    return shares[which.ravel()]


def _fitted(
    places: FloatArray, normals: FloatArray, shifts: FloatArray, outlier_px: float
) -> tuple[FloatArray, FloatArray]:
    """The similarity (3, 3) with the given shifts along the normals, and what remains of each.

    Source: iteratively reweighted least squares with Geman-McClure weights.
    """
    rows, columns = places.T
    down, right = normals.T
    # A small growth g, a small turn t: (row, column) moves by (g row + t column, g column - t row).
    terms = np.stack(
        [down * rows + right * columns, down * columns - right * rows, down, right], axis=1
    )
    solution: FloatArray = np.zeros(4)
    for _ in range(10):
        gaps = terms @ solution - shifts
        weights = 1.0 / (1.0 + (gaps / outlier_px) ** 2) ** 2
        weighted = terms * weights[:, None]
        ridge = 1e-3 * np.diag([len(places)] * 4)
        solution = np.linalg.solve(terms.T @ weighted + ridge, weighted.T @ shifts).astype(float)
    growth, turn, row_shift, column_shift = solution
    step = np.array(
        [[1 + growth, turn, row_shift], [-turn, 1 + growth, column_shift], [0.0, 0.0, 1.0]]
    )
    return step, terms @ solution - shifts


def _described(
    motion: FloatArray, shape: tuple[int, ...], factor: float, agreement: float
) -> ViewChange:
    rows, columns = shape
    corners = np.array([(r * rows / 2, c * columns / 2) for r in (-1, 1) for c in (-1, 1)])
    moved = corners @ motion[:2, :2].T + motion[:2, 2] - corners
    down, right = motion[:2, 2] / factor
    return ViewChange(
        right_px=float(right),
        down_px=float(down),
        turn_deg=float(np.degrees(np.arctan2(motion[0, 1], motion[0, 0]))),
        size=float(np.hypot(motion[0, 0], motion[0, 1])),
        farthest_share=float(np.hypot(*moved.T).max() / columns),
        agreement=agreement,
    )
