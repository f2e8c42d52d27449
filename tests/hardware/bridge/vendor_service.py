"""The lab's own `widowx_env_service.py`, unmodified, on a ROS that is not there.

Run as `python -m tests.hardware.bridge.vendor_service BRIDGE EDGEML PORT`. BRIDGE is a checkout of
rail-berkeley/bridge_data_robot, EDGEML one of youliangtan/edgeml. The service, its environment
and its composition of targets are theirs; ROS, the cameras and the motors' controller are stubs,
with a `FakeArm` for the motion. A line on stdin is answered by one of JSON on stdout: the
server's own target, where the arm is, and whether it stands still. "overload" makes the next
motion an effort abort.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from tests.hardware.peers.bridge_arm import DOWN, NEUTRAL, FakeArm

ARM = FakeArm(1.0)
ANSWERS = sys.stdout
OVERLOADED = threading.Event()


def module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(contents)
    sys.modules[name] = made
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], child, made)
    return made


class Stamp(float):
    """A ROS time."""

    def __sub__(self, other: float) -> Stamp:
        return Stamp(float(self) - other)

    def to_sec(self) -> float:
        return float(self)

    @classmethod
    def now(cls) -> Stamp:
        return cls(time.time())


class Recorder:
    """A camera whose picture changes."""

    camera_info = None
    img_height, img_width = 480, 640

    def __init__(self, *_: Any) -> None: ...

    def get_image(self) -> tuple[Stamp, np.ndarray]:
        noise = np.random.default_rng().integers(0, 255, (480, 640, 3), dtype=np.uint8)
        noise[:240, :320] = (40, 30, 220)  # red, in OpenCV's order
        return Stamp.now(), noise


class Controller:
    """Stands for `WidowX_Controller`: matrices in, matrices out, as that has them."""

    default_rot = DOWN.as_matrix()

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def move_to_eep(
        self, pose: np.ndarray, duration: float = 1.5, blocking: bool = True, step: bool = True
    ) -> None:
        if OVERLOADED.is_set():
            OVERLOADED.clear()
            self.open_gripper()
            self.move_to_neutral(1.0)
            raise sys.modules["widowx_envs.utils.exceptions"].Environment_Exception
        if not (step and not blocking):
            ARM.moving_time_s = duration
        rotation = (Rotation.from_matrix(pose[:3, :3]) * DOWN.inv()).as_euler("xyz")
        ARM.go(np.concatenate([pose[:3, 3], rotation]), ARM.moving_time_s)
        if blocking:
            time.sleep(duration)

    def move_to_neutral(self, duration: float = 4.0) -> None:
        ARM.go(NEUTRAL, duration)
        time.sleep(duration)

    def set_moving_time(self, moving_time: float) -> None:
        ARM.moving_time_s = 1.25 * moving_time

    def get_cartesian_pose(self, matrix: bool = False) -> np.ndarray:
        pose, made = ARM.pose(), np.eye(4)
        made[:3, :3] = (Rotation.from_euler("xyz", pose[3:]) * DOWN).as_matrix()
        made[:3, 3] = pose[:3]
        return made if matrix else pose

    def get_state(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.zeros(6), np.zeros(6), self.get_cartesian_pose(True)

    def get_joint_effort(self) -> np.ndarray:
        return np.zeros(6)

    def get_gripper_position(self) -> np.ndarray:
        return ARM.state()[6:]

    def set_continuous_gripper_position(self, opening: np.ndarray) -> None:
        ARM.grip(float(opening[0]))

    def open_gripper(self, wait: bool = False) -> None:
        ARM.grip(1.0)

    def close_gripper(self) -> None:
        ARM.grip(0.0)


def resize(image: np.ndarray, shape: tuple[int, int], **_: Any) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((shape[1], shape[0])))


def stub_the_middleware() -> None:
    def from_euler(roll: float, pitch: float, yaw: float) -> np.ndarray:
        return Rotation.from_euler("xyz", [roll, pitch, yaw]).as_quat()

    def to_matrix(quaternion: np.ndarray) -> np.ndarray:
        made = np.eye(4)
        made[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
        return made

    module("rospy", sleep=time.sleep, get_time=time.time, Time=Stamp)
    sys.modules["gym"] = gymnasium
    module("funcsigs", signature=inspect.signature, Parameter=inspect.Parameter)
    module("skimage")
    module("skimage.transform", resize=resize)
    module("sensor_msgs")
    module("sensor_msgs.msg", Image=None)
    module("tf")
    module("tf.transformations", quaternion_from_euler=from_euler, quaternion_matrix=to_matrix)
    module("multicam_server.camera_recorder", CameraRecorder=Recorder)
    module("widowx_controller")
    module(
        "widowx_controller.widowx_controller",
        WidowX_Controller=Controller,
        publish_transform=lambda *_: None,
    )
    if "yaml" not in sys.modules:
        try:
            import yaml  # noqa: F401
        except ModuleNotFoundError:
            module("yaml")


def answer_questions(servers: list[Any]) -> None:
    for line in sys.stdin:
        if line.strip() == "overload":
            OVERLOADED.set()
        env = servers[-1].bridge_env if servers else None
        target = None if env is None else env._previous_target_qpos
        said = {
            "target": None if target is None else list(map(float, target)),
            "state": ARM.state().tolist(),
            "still": ARM.is_still(),
            "moving_time_s": ARM.moving_time_s,
        }
        ANSWERS.write(json.dumps(said) + "\n")
        ANSWERS.flush()


def main(bridge: str, edgeml: str, port: str) -> None:
    os.environ["ROBONETV2_ARM"] = "wx250s"
    envs = Path(bridge) / "widowx_envs"
    sys.path[:0] = [str(envs), str(envs / "multicam_server" / "src"), edgeml]
    stub_the_middleware()
    # Their control loops want far more, and are not used by the service.
    from widowx_envs.utils import exceptions

    module("widowx_envs.control_loops", Environment_Exception=exceptions.Environment_Exception)
    from widowx_envs import widowx_env_service as service

    servers: list[Any] = []
    theirs = service.WidowXActionServer

    def kept(*args: Any, **how: Any) -> Any:
        servers.append(theirs(*args, **how))
        return servers[-1]

    service.WidowXActionServer = kept
    threading.Thread(target=answer_questions, args=[servers], daemon=True).start()
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (the service prints a lot)
    sys.argv = ["widowx_env_service.py", "--server", "--port", port]
    service.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
