"""The robot behind a fake Bridge server: its state, its composition of targets, its faults.

Written from the description of `widowx_env_service`, independently of the driver: rotations are
scipy's. Time may run faster than the machine's, by `factor`.
"""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation, Slerp

DOWN = Rotation.from_matrix([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
NEUTRAL = np.array([0.1202, -0.0191, 0.2467, -0.040, -0.127, 0.025])
STEP_LOW = np.array([-0.05] * 3 + [-0.25] * 3 + [0.0])
STEP_HIGH = np.array([0.05] * 3 + [0.25] * 3 + [1.0])
REACH_M = 0.62
"""Beyond this from the shoulder there is no solution, and nothing moves."""

DEFAULT_PARAMS = {
    "move_duration": 0.2,
    "override_workspace_boundaries": [[0.1, -0.15, -0.1, -1.57, 0], [0.45, 0.25, 0.18, 1.57, 0]],
    "start_state": [0.3, 0, 0.15, 0, 0, 0, 1],
    "camera_topics": [{"name": "/blue/image_raw"}],
}

SUCCESS, FAILURE, NOT_INITIALIZED = 1, 2, 3


class EffortError(Exception):
    """Ends the server's loop, as an effort abort does in the middle of a step."""


class FakeArm:
    """One arm on a desk, as the server's environment sees it.

    Args:
        factor: Its seconds pass so many times as fast.
        initialised: Somebody has sent `init` before.
        testing: The server's `--test`: there is no arm.
    """

    def __init__(self, factor: float, *, initialised: bool = True, testing: bool = False) -> None:
        self.factor = factor
        self.testing = testing
        self.initialised = initialised
        self.params: dict[str, Any] = DEFAULT_PARAMS if initialised else {}
        self.image_size = 128
        self.init_s = 4.0  # 10 s in a lab
        self.observe_s = 0.02
        self.from_pose = self.to_pose = np.array([0.27, 0.03, 0.15, 0.0, 0.0, 0.0])
        self.from_s = self.until_s = self.now_s()
        self.opening, self.opening_goal, self.opening_s = 1.0, 1.0, self.now_s()
        self.target: np.ndarray | None = self.state() if initialised else None
        self.moving_time_s = 0.25
        # Faults.
        self.stuck = False
        self.overloaded = False
        self.frozen = False
        self.slow_s = 0.0
        self.next_status = 0
        self.state_override: Any = None
        # What tests look at.
        self.actions: list[tuple[str, Any]] = []
        self.pictures = 0

    def now_s(self) -> float:
        return time.monotonic() * self.factor

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.factor)

    # Motion.

    def pose(self) -> np.ndarray:
        if self.now_s() >= self.until_s:
            return self.to_pose.copy()
        done = (self.now_s() - self.from_s) / (self.until_s - self.from_s)
        ends = Rotation.from_euler("xyz", [self.from_pose[3:], self.to_pose[3:]])
        turned = Slerp([0, 1], ends)(done).as_euler("xyz")
        return np.concatenate([self.from_pose[:3] * (1 - done) + self.to_pose[:3] * done, turned])

    def state(self) -> np.ndarray:
        spent = (self.now_s() - self.opening_s) * 2.0  # the fingers need half a second
        self.opening += float(np.clip(self.opening_goal - self.opening, -spent, spent))
        self.opening_s = self.now_s()
        return np.concatenate([self.pose(), [self.opening]])

    def is_still(self) -> bool:
        goes_nowhere = bool(np.abs(self.to_pose - self.from_pose).max() < 1e-4)
        return goes_nowhere or self.now_s() >= self.until_s

    def go(self, pose: np.ndarray, duration_s: float) -> None:
        if self.stuck or np.linalg.norm(pose[:3] - [0.0, 0.0, 0.11]) > REACH_M:
            return  # "no IK solution found, do nothing"
        self.from_pose, self.to_pose = self.pose(), np.array(pose[:6])
        self.from_s = self.now_s()
        self.until_s = self.from_s + duration_s

    def grip(self, opening: float) -> None:
        self.state()
        self.opening_goal = float(np.clip(opening, 0.0, 1.0))

    # Requests.

    def observe(self, keys: Any) -> dict[str, Any]:
        if not self.initialised:
            noise = np.random.default_rng().integers(0, 255, (480, 640, 3), dtype=np.uint8)
            return {"image": noise, "state": {}, "full_image": noise}
        self.sleep(self.observe_s)
        if not self.frozen:
            self.pictures += 1
        full, small = picture(self.pictures, self.image_size)
        state = self.state() if self.state_override is None else self.state_override
        return {"image": small, "state": state, "full_image": full}

    def act(self, key: str, payload: dict[str, Any]) -> dict[str, Any]:
        self.actions.append((key, payload))
        delay_s, self.slow_s = self.slow_s, 0.0
        self.sleep(delay_s)
        status, self.next_status = self.next_status, 0
        if status:
            return {"status": status}
        if key not in ("init", "move", "gripper", "reset", "step_action", "reboot_motor"):
            return {"status": FAILURE}
        if key != "init" and not self.initialised:
            return {"status": NOT_INITIALIZED}
        return {"status": getattr(self, f"do_{key}")(payload) or SUCCESS}

    def do_init(self, payload: dict[str, Any]) -> int:
        again = payload["env_params"] == self.params
        self.params, self.image_size = payload["env_params"], payload["image_size"]
        if self.testing:
            return NOT_INITIALIZED
        if again:
            self.do_reset({})
        else:
            self.set_up()
        return SUCCESS

    def set_up(self) -> None:
        """What takes long at first, and again after every exception."""
        self.sleep(self.init_s)
        self.initialised = True
        self.target = None
        self.grip(1.0)
        if not self.params.get("start_at_current_pos", False):
            self.go(NEUTRAL, 3.0)
            self.sleep(3.0)

    def do_step_action(self, payload: dict[str, Any]) -> None:
        action = np.clip(payload["action"], STEP_LOW, STEP_HIGH)
        assert payload["action"].shape == (7,)
        if self.target is None:
            raise TypeError("the previous target is None")
        low, high = self.params["override_workspace_boundaries"]
        turn = Rotation.from_euler("xyz", action[3:6])
        here = self.pose()[:3]
        position = turn.apply(self.target[:3] - here) + action[:3] + here
        rotation = (turn * Rotation.from_euler("xyz", self.target[3:6])).as_euler("xyz")
        goal = np.concatenate([np.clip(position, low[:3], high[:3]), rotation])
        self.grip(action[6])
        if self.overloaded:
            self.overloaded = False
            self.grip(1.0)
            self.go(NEUTRAL, 1.0)
            self.sleep(1.0)
            raise EffortError
        self.go(goal, self.moving_time_s)
        if payload["blocking"]:
            self.sleep(self.moving_time_s)
        self.target = np.concatenate([goal, action[6:]])
        self.sleep(self.observe_s)

    def do_move(self, payload: dict[str, Any]) -> int | None:
        matrix = payload["pose"]
        if matrix.shape != (4, 4):
            matrix = np.eye(4)
            matrix[:3, :3] = Rotation.from_euler("xyz", payload["pose"][3:]).as_matrix()
            matrix[:3, 3] = payload["pose"][:3]
        if self.overloaded:
            self.overloaded = False
            self.grip(1.0)
            self.go(NEUTRAL, 1.0)
            self.sleep(1.0)
            return FAILURE
        rotation = (Rotation.from_matrix(matrix[:3, :3]) * DOWN.inv()).as_euler("xyz")
        self.moving_time_s = payload["duration"]
        self.go(np.concatenate([matrix[:3, 3], rotation]), payload["duration"])
        if payload["blocking"]:
            self.sleep(payload["duration"])
        self.sleep(0.2)
        self.target = self.state()
        return None

    def do_gripper(self, payload: dict[str, Any]) -> None:
        self.grip(1.0 if payload["open"] > 0.5 else 0.0)

    def do_reset(self, payload: dict[str, Any]) -> None:
        self.grip(1.0)
        self.sleep(1.0)
        for pose in (NEUTRAL, np.array(self.params["start_state"][:6])):
            self.go(pose, 1.5)
            self.sleep(1.5)
        self.target = self.state()
        self.moving_time_s = 1.25 * self.params["move_duration"]

    def do_reboot_motor(self, payload: dict[str, Any]) -> None: ...


def picture(number: int, small_size: int) -> tuple[bytes, np.ndarray]:
    """One picture twice: JPEG with red and blue swapped, and floats; top left is red."""
    rows = np.linspace(0, 200, 480, dtype=np.uint8)
    image = np.repeat(np.repeat(rows[:, None, None], 640, axis=1), 3, axis=2)
    image[:240, :320] = (220, 30, 40)
    image[400:440, 560:600] = np.random.default_rng(number).integers(0, 255, (40, 40, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[:, :, ::-1])).save(buffer, "JPEG", quality=95)
    small = np.asarray(Image.fromarray(image).resize((small_size, small_size)))
    return buffer.getvalue(), np.float32(small.transpose(2, 0, 1).reshape(1, -1)) / 255.0
