"""Fixing exposure and white balance."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.cameras.lock import Wanted, lock_picture
from hardware.faults import CameraFault

RANGES = {
    "auto_exposure": (0, 1),
    "exposure": (1, 10_000),
    "gain": (0, 128),
    "auto_white_balance": (0, 1),
    "white_balance": (2800, 6500),
    "frame_rate_may_drop": (0, 1),
}


class FakeCamera:
    """Brightness follows the exposure, and the balance of red and blue the white balance.

    Like the colour sensor of a D435 it says nothing of what its automatics chose: `best_*`.
    """

    def __init__(self, best_exposure: float = 120.0, best_white_balance: float = 4000.0) -> None:
        self.values = dict.fromkeys(RANGES, 0.0)
        self.values |= {"exposure": 166.0, "white_balance": 4600.0, "gain": 64.0}
        self.best_exposure = best_exposure
        self.best_white_balance = best_white_balance
        self.log: list[tuple[str, float]] = []
        self.lacks: set[str] = set()
        self.forgets: set[str] = set()
        self.warmed_up = False

    def has(self, name: str) -> bool:
        return name in RANGES and name not in self.lacks

    def get(self, name: str) -> float:
        return self.values[name]

    def set(self, name: str, value: float) -> None:
        self.log.append((name, value))
        if name not in self.forgets:
            self.values[name] = value

    def limits(self, name: str) -> tuple[float, float]:
        return RANGES[name]

    def warm_up(self) -> None:
        self.warmed_up = True

    def look(self) -> np.ndarray:
        auto = self.values["auto_exposure"]
        exposure = self.best_exposure if auto else self.values["exposure"]
        balance = (
            self.best_white_balance
            if self.values["auto_white_balance"]
            else self.values["white_balance"]
        )
        level = min(exposure * self.values["gain"] / 64, 230.0)
        red = level * balance / 4600
        return np.full((4, 4, 3), np.clip((red, level, level), 0, 255), np.uint8)


def lock(camera: FakeCamera, wanted: Wanted | None = None, fps: float = 30.0):
    return lock_picture("wrist", camera, wanted or Wanted(), camera.warm_up, camera.look, fps)


@pytest.mark.parametrize("best", [12.0, 60.0, 166.0, 210.0])
def test_the_picture_stays_as_bright_as_the_automatic_made_it(best) -> None:
    camera = FakeCamera(best)
    fixed = lock(camera)
    assert camera.warmed_up
    assert camera.values["auto_exposure"] == 0
    assert camera.values["exposure"] == pytest.approx(best, rel=0.1)
    assert fixed["exposure"] == camera.values["exposure"]
    assert fixed["chosen_by"]["exposure"] == "automatic, then locked"
    assert "warning" not in fixed


@pytest.mark.parametrize("best", [3000.0, 4600.0, 6200.0])
def test_colours_stay_as_warm_as_the_automatic_made_them(best) -> None:
    camera = FakeCamera(best_white_balance=best)
    lock(camera)
    assert camera.values["auto_white_balance"] == 0
    assert camera.values["white_balance"] == pytest.approx(best, rel=0.12)


def test_a_camera_that_keeps_what_its_automatic_chose_is_not_searched() -> None:
    camera = FakeCamera(166.0, 4600.0)
    lock(camera)
    assert [value for name, value in camera.log if name == "exposure"] == [166.0]


def test_fixed_values_are_set_and_no_automatic_runs() -> None:
    camera = FakeCamera()
    fixed = lock(camera, Wanted(exposure=80, gain=32, white_balance=5000))
    assert (camera.values["exposure"], camera.values["gain"]) == (80, 32)
    assert camera.values["white_balance"] == 5000
    assert ("auto_exposure", 1.0) not in camera.log
    assert fixed["chosen_by"] == {"exposure": "settings", "white_balance": "settings"}


def test_the_frame_rate_is_kept() -> None:
    camera = FakeCamera()
    camera.values["frame_rate_may_drop"] = 1.0
    lock(camera)
    assert camera.values["frame_rate_may_drop"] == 0


def test_the_exposure_never_lasts_longer_than_a_picture() -> None:
    camera = FakeCamera(200.0)
    lock(camera, fps=100.0)
    assert camera.values["exposure"] <= 100


def test_a_picture_that_cannot_be_matched_is_a_warning() -> None:
    assert "brightness differs by" in lock(FakeCamera(200.0), fps=150.0)["warning"]


def test_a_fixed_gain_is_set_once_the_automatic_is_off() -> None:
    camera = FakeCamera()
    lock(camera, Wanted(gain=32))
    assert camera.log.index(("auto_exposure", 0)) < camera.log.index(("gain", 32))
    assert camera.values["exposure"] == pytest.approx(240.0, rel=0.1)


def test_a_camera_without_controls_is_taken_as_it_is() -> None:
    camera = FakeCamera()
    camera.lacks = set(RANGES)
    fixed = lock(camera)
    assert fixed["exposure"] is None
    assert camera.log == []


def test_a_wanted_value_without_its_control_is_a_fault() -> None:
    camera = FakeCamera()
    camera.lacks = {"white_balance"}
    with pytest.raises(CameraFault, match="no control for white balance"):
        lock(camera, Wanted(white_balance=5000))


def test_a_value_out_of_range_is_a_fault_that_names_the_range() -> None:
    with pytest.raises(CameraFault, match="2800 to 6500"):
        lock(FakeCamera(), Wanted(white_balance=9000))


@pytest.mark.parametrize("name", ["auto_exposure", "exposure", "auto_white_balance"])
def test_a_value_that_does_not_stay_is_a_fault(name) -> None:
    camera = FakeCamera()
    camera.forgets = {name}
    with pytest.raises(CameraFault, match="did not keep"):
        lock(camera)
