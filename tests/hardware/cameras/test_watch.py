"""What counts as a picture that cannot be trusted."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.cameras.watch import PictureWatch
from hardware.faults import CameraFault
from tests.hardware.cameras.streams import HEIGHT, WIDTH, scene

FPS = 30.0


def watch(**changes) -> PictureWatch:
    return PictureWatch("wrist", HEIGHT, WIDTH, **{"fps": FPS, **changes})


def show(watched: PictureWatch, images, *, numbers=None, start_s: float = 100.0) -> None:
    for index, image in enumerate(images):
        now_s = start_s + index / FPS
        watched.see(image, now_s - 0.02, now_s, numbers[index] if numbers else index)


def test_a_stream_of_fresh_pictures_passes() -> None:
    watched = watch()
    show(watched, [scene(index) for index in range(100)])
    watched.check_age(10.0, 10.02, 10.3)


def test_a_picture_of_another_size_is_a_fault_that_names_both_sizes() -> None:
    with pytest.raises(CameraFault, match=r"32 x 24.*64 x 48"):
        watch().see(scene(0, 24, 32), 0.0, 0.0, 0)


def test_a_picture_of_another_type_is_a_fault() -> None:
    with pytest.raises(CameraFault, match="float"):
        watch().see(scene(0).astype(np.float32), 0.0, 0.0, 0)


def test_a_camera_from_which_nothing_arrives_has_stalled() -> None:
    with pytest.raises(CameraFault, match=r"wrist has stalled.*0.60 s"):
        watch().check_age(10.0, 10.0, 10.6)


def test_an_old_picture_that_arrives_just_now_is_late() -> None:
    with pytest.raises(CameraFault, match=r"wrist is late.*0.80 s ago"):
        watch().check_age(9.2, 10.0, 10.0)


def test_the_same_pixels_with_new_stamps_are_a_frozen_picture() -> None:
    with pytest.raises(CameraFault, match=r"frozen.*1\.\d s"):
        show(watch(), [scene(0)] * 100)


def test_pixels_that_stay_the_same_for_a_moment_are_fine() -> None:
    show(watch(), [scene(index // 25) for index in range(200)])


def test_one_changed_pixel_is_a_changed_picture() -> None:
    still = [scene(0).copy() for _ in range(100)]
    for index, image in enumerate(still):
        image[1, 1] = index
    show(watch(), still)


def test_the_same_frame_read_twice_is_not_frozen() -> None:
    watched = watch()
    for index in range(200):
        watched.see(scene(0), 10.0, 10.0 + index / FPS, 1)


def test_few_equal_pictures_over_a_long_pause_are_not_enough() -> None:
    watched = watch()
    for second in range(4):
        watched.see(scene(0), 10.0 * second, 10.0 * second)


def test_zero_never_complains_of_a_frozen_or_plain_picture() -> None:
    show(watch(frozen_after_s=0.0), [scene(0)] * 200)
    show(watch(frozen_after_s=0.0), [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 200)


@pytest.mark.parametrize("numbers", [[1, 2, 3, 1], [500, 501, 12]])
def test_a_frame_number_that_goes_back_means_a_restart(numbers) -> None:
    with pytest.raises(CameraFault, match="restarted"):
        show(watch(), [scene(index) for index in range(len(numbers))], numbers=numbers)


def test_a_frame_number_that_leaps_ahead_of_time_is_a_fault() -> None:
    with pytest.raises(CameraFault, match="jumped from picture 2 to picture 900"):
        show(watch(), [scene(index) for index in range(3)], numbers=[1, 2, 900])


def test_frames_dropped_while_time_passed_are_fine() -> None:
    watched = watch()
    watched.see(scene(0), 10.0, 10.0, 1)
    watched.see(scene(1), 13.0, 13.0, 91)


def test_frames_after_one_that_came_late_are_fine() -> None:
    watched = watch()
    watched.see(scene(0), 10.4, 10.4, 9)
    watched.see(scene(1), 10.43, 10.5, 22)


def test_without_a_known_rate_frame_numbers_may_jump() -> None:
    show(watch(fps=None), [scene(0), scene(1)], numbers=[1, 1000])


def test_a_stamp_that_goes_back_is_a_fault() -> None:
    watched = watch()
    watched.see(scene(0), 10.0, 10.0)
    with pytest.raises(CameraFault, match=r"back in time by 1.00 s"):
        watched.see(scene(1), 9.0, 10.03)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_covered_lens_is_noticed_although_it_has_noise(level) -> None:
    rng = np.random.default_rng(0)
    noise = [
        np.clip(level + rng.integers(-3, 3, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        for _ in range(100)
    ]
    with pytest.raises(CameraFault, match="one plain colour"):
        show(watch(), noise)


def test_an_infrared_picture_is_noticed() -> None:
    grey = [np.repeat(scene(index)[..., 2:], 3, axis=2) for index in range(100)]
    with pytest.raises(CameraFault, match="no colour"):
        show(watch(), grey)
