"""Requests to a Bridge robot server (`widowx_env_service`), one at a time, each with a deadline.

The server answers in the order of arrival, from one thread: a request waits behind a running
action. No answer in time does *not* mean that nothing happened. The action may still be carried
out, so it is never sent again.

Source: rail-berkeley/bridge_data_robot, widowx_envs/widowx_env_service.py; youliangtan/edgeml,
edgeml/action.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zmq

from hardware.bridge.wire import MAX_PACKED_BYTES, ProtocolError, pack, unpack
from hardware.clock import Clock
from hardware.faults import LostConnection, MotionStopped, MotorFault, TorqueOff
from hardware.robot import ShouldStop, never_stop
from recordings.records import STATE_SIZE, FloatArray

ACTION_KEYS = ["init", "move", "gripper", "reset", "step_action", "reboot_motor"]
OBSERVATION_KEYS = ["image", "state", "full_image"]
VERSION = "0.0.1"

SUCCESS, EXECUTION_FAILURE, NOT_INITIALIZED = 1, 2, 3
"""What the server says of an action; 1 too when inverse kinematics failed and nothing moved."""

POLL_S = 0.01
"""How often a wait looks at the clock and asks whether to stop."""


class NotInitialised(TorqueOff):
    """The server runs, but its arm has not been set up since: nothing drives it."""

    def __init__(
        self, found: str = "The Bridge server runs, but its arm is not initialised."
    ) -> None:
        super().__init__(
            found,
            "The first start of an episode initialises it, in about 10 s.",
            "Start an episode, for example with `ptrctl record`.",
        )


@dataclass(frozen=True)
class Report:
    """What the server observed. It carries no time of its own.

    Args:
        state: (7,) float64, see `recordings.records.STATE_NAMES`.
        small_image: Resized by the server: (cameras, 3 * S * S) float 0..1, RGB.
        full_image: First camera as JPEG, its colours stored in the order blue, green, red.
        asked_s: When the request left; the observation is newer.
        arrived_s: When the answer was here.
    """

    state: FloatArray
    small_image: npt.NDArray[Any]
    full_image: bytes
    asked_s: float
    arrived_s: float


class BridgeClient:
    """The connection that an arm and its camera share; each opens and closes it.

    Threads may share it as well: their requests wait for each other.

    Args:
        host, port: Of the server.
        clock: Measures deadlines and stamps reports.
        timeout_s: Longest wait for an answer, but for `initialise`.
    """

    def __init__(self, host: str, port: int, clock: Clock, timeout_s: float) -> None:
        self.address = f"{host}:{port}"
        self._clock = clock
        self._timeout_s = timeout_s
        self._lock = threading.RLock()
        self._users = 0
        self._context: Any = None
        self._socket: Any = None
        self._latest: Report | None = None

    def open(self) -> None:
        """Make ready; sends nothing."""
        with self._lock:
            if self._users == 0:
                self._context = zmq.Context()
            self._users += 1

    def close(self) -> None:
        """Undo one `open`; never raises."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._drop_socket()
                self._context.term()
                self._latest = None

    def configuration(self) -> Mapping[str, Any]:
        """What the server says that it speaks.

        The original client insists on an equal text, port numbers included, and so cannot pass
        a tunnel; here the ports do not matter.

        Raises:
            LostConnection: No answer in time.
            ProtocolError: It speaks something else.
        """
        reply = self._ask({"type": "hash"}, self._timeout_s)
        try:
            found = json.loads(reply["payload"])
            told = {key: found[key] for key in ("action_keys", "observation_keys", "version")}
        except (TypeError, KeyError, ValueError) as problem:
            raise self._foreign(f"it does not tell its configuration ({reply!r:.80})") from problem
        wanted = {
            "action_keys": ACTION_KEYS,
            "observation_keys": OBSERVATION_KEYS,
            "version": VERSION,
        }
        for key, value in wanted.items():
            if told[key] != value:
                raise self._foreign(f"its {key} is {told[key]!r:.200}, not {value!r}")
        return dict(told)

    def observe(self, max_age_s: float = 0.0) -> Report:
        """The newest observation.

        Args:
            max_age_s: An earlier answer will do if it was asked for this recently and no action
                was sent since. The server needs about 80 ms for an observation, pictures and
                state together, so one has to serve for a whole control period.

        Raises:
            LostConnection: No answer in time.
            NotInitialised: The server's arm is not set up.
            ProtocolError: It is no observation of a 6-DoF WidowX.
        """
        with self._lock:
            return self._observe(max_age_s)

    def _observe(self, max_age_s: float) -> Report:
        now_s = self._clock.now_s()
        if self._latest is not None and now_s - self._latest.asked_s <= max_age_s:
            return self._latest
        reply = self._ask({"type": "obs", "keys": set(OBSERVATION_KEYS)}, self._timeout_s)
        try:
            state, small, full = (reply[key] for key in ("state", "image", "full_image"))
        except (TypeError, KeyError) as problem:
            raise self._foreign("its observation lacks state or image") from problem
        if isinstance(state, dict) and not state:
            raise NotInitialised
        if not isinstance(state, np.ndarray) or state.shape != (STATE_SIZE,):
            raise self._foreign(
                f"its state is not {STATE_SIZE} numbers but {np.shape(state)}; its action mode "
                "has to be 3trans3rot"
            )
        state = state.astype(np.float64)
        if not np.isfinite(state).all():
            raise MotorFault(
                f"The Bridge server measures the state {state}.",
                "Seven finite numbers.",
                "Look at the server's own messages, then restart it.",
            )
        if not isinstance(small, np.ndarray) or not isinstance(full, bytes):
            raise self._foreign("its pictures are neither an array nor JPEG")
        state[6] = np.clip(state[6], 0.0, 1.0)
        self._latest = Report(state, small, full, now_s, self._clock.now_s())
        return self._latest

    def step(self, action: FloatArray, blocking: bool) -> None:
        """Move the server's target by (7,) and begin to go there; sent once, never again.

        Raises:
            LostConnection: No answer in time. The action may be carried out later.
            NotInitialised, MotorFault: The server says so.
        """
        self._act("step_action", {"action": action, "blocking": blocking})

    def move(self, matrix: FloatArray, duration_s: float) -> None:
        """Begin to move to a pose (4, 4), outside the workspace box as well.

        Afterwards the server's target is what it measures 0.2 s later, and the servos take
        `duration_s` for later steps too. Raises as `step` does.
        """
        self._act("move", {"pose": matrix, "duration": duration_s, "blocking": False})

    def open_gripper(self) -> None:
        """Begin to open the gripper. Raises as `step` does."""
        self._act("gripper", {"open": 1.0})

    def initialise(
        self,
        env_params: Mapping[str, Any],
        image_size: int,
        timeout_s: float,
        should_stop: ShouldStop = never_stop,
    ) -> None:
        """Set up the server's arm and camera; opens the gripper.

        Raises:
            MotionStopped: `should_stop` said so; the server goes on with it.
            NotInitialised: It runs in test mode, without an arm.
            LostConnection, MotorFault: As `step` does.
        """
        payload = {"env_params": dict(env_params), "image_size": image_size}
        self._act("init", payload, timeout_s, should_stop)

    def _act(
        self,
        key: str,
        payload: Mapping[str, Any],
        timeout_s: float | None = None,
        should_stop: ShouldStop = never_stop,
    ) -> None:
        request = {"type": "act", "key": key, "payload": dict(payload)}
        with self._lock:
            self._latest = None
            reply = self._ask(request, timeout_s or self._timeout_s, should_stop)
        status = reply.get("status") if isinstance(reply, dict) else None
        if status == SUCCESS:
            return
        if status == NOT_INITIALIZED:
            if key == "init":
                raise NotInitialised("The Bridge server runs in test mode, without an arm.")
            raise NotInitialised
        if status == EXECUTION_FAILURE:
            raise MotorFault(
                f"The Bridge server could not carry out `{key}`.",
                "It does, unless a motor pushes too hard: then it opens the gripper and goes to "
                "its neutral pose.",
                "Clear the space around the arm, read the server's messages, then try again.",
            )
        raise self._foreign(f"it answers `{key}` with {reply!r:.80}")

    def _ask(self, request: Any, timeout_s: float, should_stop: ShouldStop = never_stop) -> Any:
        with self._lock:
            return unpack(self._exchange(pack(request), timeout_s, should_stop))

    def _exchange(self, request: bytes, timeout_s: float, should_stop: ShouldStop) -> bytes:
        answered = False
        give_up_s = self._clock.now_s() + timeout_s
        try:
            if self._socket is None:
                self._socket = self._context.socket(zmq.REQ)
                self._socket.setsockopt(zmq.LINGER, 0)
                self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_PACKED_BYTES)
                self._socket.connect(f"tcp://{self.address}")
            self._socket.send(request)
            while not self._socket.poll(POLL_S * 1000):
                if should_stop():
                    raise MotionStopped("The motion was stopped while the server set up its arm.")
                if self._clock.now_s() > give_up_s:
                    raise LostConnection(
                        f"The Bridge server at {self.address} has not answered for "
                        f"{timeout_s:g} s.",
                        "It answers within a control period.",
                        "See whether widowx_env_service still runs on the robot's machine, then "
                        "run `ptrctl doctor`.",
                    )
            packed: bytes = self._socket.recv()
            answered = True
        except zmq.ZMQError as problem:
            raise LostConnection(
                f"The connection to the Bridge server at {self.address} failed: {problem}.",
                "host is a name or an address without spaces.",
                "Correct host and port in ptrctl.toml, then run `ptrctl doctor`.",
            ) from problem
        finally:
            # A request socket that misses an answer is of no further use.
            if not answered:
                self._drop_socket()
        return packed

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _foreign(self, what: str) -> ProtocolError:
        return ProtocolError(
            f"The program at {self.address} is not the Bridge server that ptrctl knows: {what}.",
            "rail-berkeley/bridge_data_robot, widowx_env_service.py --server.",
            "Correct host and port in ptrctl.toml, or update the server, then run `ptrctl doctor`.",
        )
