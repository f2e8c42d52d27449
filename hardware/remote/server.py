"""Serves one arm with its cameras to one client at a time.

One loop, in one thread, owns the socket and the arm: it answers messages and, between any two of
them and while there are none, enforces the rules of `hardware.remote.guard`.

Runs on Python 3.8: it is half of `hardware.remote.serve`.
"""

from __future__ import annotations

import contextlib
import hmac
import math
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import zmq

from hardware.faults import LostConnection
from hardware.loop import Judge
from hardware.remote import protocol
from hardware.remote.guard import GuardedArm
from hardware.remote.motion import unexpected
from hardware.remote.options import ServeOptions
from hardware.remote.protocol import BadMessage, Fields, NotAuthentic, array_fields
from hardware.remote.status import ANNOUNCED_S, Client, ServerStatus
from hardware.robot import RobotState, ShouldStop, Stop, never_stop
from hardware.station import Station
from recordings.errors import PtrctlError, RobotError, SystemSetupError
from recordings.records import ACTION_SIZE, STATE_SIZE

TURN_MS = 10
"""Longest wait for a message before the rules are looked at again."""
RATE_OVER_S = 2.0


class ArmServer:
    """See the module.

    Args:
        station: Not yet connected; its envelope guards the arm on this side.
        token: Known to the clients.
        options: Where to listen and when to act without being asked.
        judge: Knows the truth about the scene, on a simulated arm.
        task: What the judge judges.

    `locked` may be set from another thread: the operator beside the arm holds it, and no command
    moves it until this is taken back.
    """

    def __init__(
        self,
        station: Station,
        token: str,
        options: ServeOptions,
        judge: Judge | None = None,
        task: str = "",
    ) -> None:
        self.address = ""
        self.locked = False
        self._station = station
        self._token = token
        self._options = options
        self._judge = judge
        self._task = task
        self._arm = GuardedArm(station, options)
        self._clock = station.clock
        self._client: Client | None = None
        self._alone_since_s = self._clock.now_s()
        self._challenge = secrets.token_bytes(16)
        self._applied_s: deque[float] = deque(maxlen=200)
        self._refused: Counter[str] = Counter()
        self._open_asks: dict[str, Callable[[Fields], dict[str, Any]]] = {
            "look": self._look,
            "take": self._take,
            "time": lambda body: {"now_s": self._clock.now_s()},
        }
        self._asks: dict[str, Callable[[Fields, Client], dict[str, Any]]] = {
            "beat": self._beat,
            "leave": self._leave,
            "observe": self._observe,
            "state": lambda body, client: self._measured(self._arm.read_state()),
            "reachable": self._reachable,
            "apply": self._apply,
            "hold": self._hold,
            "let_go": self._let_go,
            "start": self._start,
            "park": self._park,
            "cancel": self._cancel,
            "motion": self._motion,
            "score": self._score,
        }

    # ---- running ------------------------------------------------------------------------------

    def run(
        self,
        should_end: ShouldStop,
        *,
        park_at_end: bool = False,
        should_stop: ShouldStop = never_stop,
        ready: Callable[[], None] = lambda: None,
    ) -> Stop:
        """Connect the arm and serve it until `should_end`; then hold it, whatever it was doing.

        Args:
            should_end: Asked all the time.
            park_at_end: Also park it.
            should_stop: Stops that parking.
            ready: Called once, when clients may come; `address` is known then.

        Returns:
            How the arm is left, see `GuardedArm.end`.

        Raises:
            SystemSetupError: The port is taken.
            RobotError: The arm is missing, or does not confirm that it holds at the end.
        """
        with self._bound() as socket:
            self._arm.connect()
            try:
                ready()
                while not should_end():
                    self.turn(socket)
            finally:
                try:
                    reached = self._arm.end(park=park_at_end, should_stop=should_stop)
                finally:
                    self._arm.disconnect()
        return reached

    @contextlib.contextmanager
    def _bound(self) -> Iterator[Any]:
        context = zmq.Context()
        socket = context.socket(zmq.ROUTER)
        try:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_REQUEST_BYTES)
            socket.setsockopt(zmq.RCVHWM, 64)
            port = self._options.port or "*"
            try:
                socket.bind(f"tcp://{self._options.host}:{port}")
            except zmq.ZMQError as problem:
                raise SystemSetupError(
                    f"Cannot listen on {self._options.host}, port {port}: {problem}.",
                    "The port is free, and the address is one of this machine's.",
                    "Stop the other server, or add `--port N`.",
                ) from problem
            self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            yield socket
        finally:
            socket.close()
            context.term()

    def turn(self, socket: Any) -> None:
        """Enforce the rules, then answer at most one message."""
        self.watch()
        if socket.poll(TURN_MS):
            self.watch()
            sender, *frames = socket.recv_multipart()
            with contextlib.suppress(zmq.Again):  # A client that reads nothing gets nothing.
                socket.send_multipart([sender, *self.answer(frames)], zmq.NOBLOCK)

    def watch(self) -> None:
        """What happens without being asked: dead-man, a client that is gone, parking."""
        self._arm.lock(self.locked)
        self._arm.tick()
        now_s = self._clock.now_s()
        if self.locked:
            # By somebody beside the arm, who need not be told.
            self._alone_since_s = now_s
        client = self._client
        if client is not None:
            if now_s - client.heard_s > self._options.gone_after_s:
                self._free()
        elif self._parks_in_s(now_s) < 0 and not self._arm.stopped:
            self._alone_since_s = now_s
            self._arm.park()

    def _parks_in_s(self, now_s: float) -> float:
        """Until an arm that nobody is in control of parks by itself, unless it was stopped."""
        after_s, arm = self._options.park_after_s, self._arm
        if self._client is not None or not after_s or not arm.may_be_up or arm.motion_words:
            return math.inf
        return self._alone_since_s + after_s - now_s

    def status(self) -> ServerStatus:
        """How it stands; may be asked from another thread."""
        now_s, client, arm = self._clock.now_s(), self._client, self._arm
        parks_in_s = self._parks_in_s(now_s)
        recent = [moment for moment in self._applied_s.copy() if now_s - moment < RATE_OVER_S]
        return ServerStatus(
            client=client.name if client else "",
            connected_s=now_s - client.since_s if client else 0.0,
            rate_hz=len(recent) / RATE_OVER_S,
            round_trip_s=client.round_trip_s if client else 0.0,
            command_age_s=None if arm.command_s is None else now_s - arm.command_s,
            mood=arm.mood,
            motion=arm.motion_words,
            commands=arm.commands,
            silences=arm.silences,
            refused={**self._refused, **arm.refused},
            clipped=dict(self._station.safety.counts),
            faults=tuple(arm.faults),
            parks_soon=parks_in_s <= ANNOUNCED_S and not arm.stopped,
            left_stopped=parks_in_s < 0 and arm.stopped,
        )

    # ---- answering ----------------------------------------------------------------------------

    def answer(self, frames: Sequence[bytes]) -> list[bytes]:
        """The reply to one message. Never raises: whatever comes is answered with an error."""
        number = 0
        try:
            request = protocol.unseal(self._token, protocol.REQUEST, frames)
            number = request.whole("id", 1, 2**62)
            reply = {"body": self._obey(request, number)}
        except NotAuthentic:
            self._refused["wrong token"] += 1
            # Sealed by the other side's token it cannot be; so it says nothing but this.
            return [b"", b""]
        except BadMessage as problem:
            self._refused["malformed"] += 1
            reply = {"error": protocol.error_fields(_malformed(problem))}
        except PtrctlError as error:
            reply = {"error": protocol.error_fields(error)}
        except Exception as error:  # A driver's own mistake must not leave the arm unguarded.
            fault = unexpected(error)
            self._arm.note_fault(fault)
            reply = {"error": protocol.error_fields(fault)}
        return protocol.seal(self._token, protocol.REPLY, {"id": number, **reply})

    def _obey(self, request: Fields, number: int) -> dict[str, Any]:
        version = request.whole("v", 0, 2**31)
        if version != protocol.VERSION:
            self._refused["other version"] += 1
            raise SystemSetupError(
                f"The client speaks version {version} of the protocol.",
                f"The server speaks version {protocol.VERSION}.",
                "Install the same ptrctl on both machines.",
            )
        ask, body = request.text("ask"), request.fields("body")
        if ask in self._open_asks:
            return self._open_asks[ask](body)
        client = self._in_control(request.data("session", 16), number)
        if ask not in self._asks:
            raise BadMessage(f"there is no request `{ask}`")
        return self._asks[ask](body, client)

    def _in_control(self, session: bytes, number: int) -> Client:
        client = self._client
        if client is None or not hmac.compare_digest(session, client.session):
            self._refused["not in control"] += 1
            raise LostConnection(
                "The server no longer knows this client.",
                "It was silent for too long, or the server was started again; the arm holds.",
                "Run the command again.",
            )
        if number <= client.last_id:
            self._refused["repeated"] += 1
            raise BadMessage(f"request {number} after {client.last_id}")
        client.last_id = number
        client.heard_s = self._clock.now_s()
        return client

    def _look(self, body: Fields) -> dict[str, Any]:
        cameras = [
            {
                "name": name,
                "height": camera.features.height,
                "width": camera.features.width,
                "identity": protocol.plain(camera.identity),
            }
            for name, camera in self._station.cameras.items()
        ]
        robot = self._station.robot
        # The client's envelope shall know the box that is really enforced.
        features = replace(robot.features, workspace=self._station.safety.workspace)
        return {
            "features": protocol.features_fields(features),
            "identity": protocol.plain(robot.identity),
            "cameras": cameras,
            "task": self._task if self._judge else "",
            "client": self._client.name if self._client else "",
            "mood": self._arm.mood.value,
            "challenge": self._challenge,
        }

    def _take(self, body: Fields) -> dict[str, Any]:
        # A new challenge for everyone: who only recorded an earlier client cannot take control.
        if not hmac.compare_digest(body.data("challenge", 16), self._challenge):
            raise BadMessage("`challenge` is out of date")
        self._challenge = secrets.token_bytes(16)
        if self._client is not None:
            self._refused["second client"] += 1
            raise RobotError(
                f"{self._client.name} is in control of the arm.",
                "One client at a time.",
                f"Stop it first; if it died, wait {self._options.gone_after_s:g} s.",
            )
        name, image_size = body.text("name"), body.whole("image_size", 0, protocol.MAX_EDGE)
        self._arm.taken()
        now_s = self._clock.now_s()
        self._client = Client(
            session=secrets.token_bytes(16),
            name=name,
            image_size=image_size,
            since_s=now_s,
            heard_s=now_s,
            last_id=0,
        )
        return {"session": self._client.session}

    def _free(self) -> None:
        self._client = None
        self._alone_since_s = self._clock.now_s()
        self._arm.abandoned()

    def _beat(self, body: Fields, client: Client) -> dict[str, Any]:
        client.round_trip_s = body.number("round_trip_s")
        return {}

    def _leave(self, body: Fields, client: Client) -> dict[str, Any]:
        self._free()
        return {}

    def _observe(self, body: Fields, client: Client) -> dict[str, Any]:
        frames, state = self._arm.observe()
        pictures = [
            protocol.picture_fields(name, frame, client.image_size)
            for name, frame in frames.items()
        ]
        return {"pictures": pictures, **self._measured(state)}

    def _measured(self, state: RobotState) -> dict[str, Any]:
        return {
            "state": array_fields(state.state),
            "joints_rad": array_fields(state.joint_positions_rad),
            "measured_s": float(state.measured_s),
            **self._commanded(),
        }

    def _commanded(self) -> dict[str, Any]:
        return {"commanded": array_fields(self._arm.commanded_state)}

    def _reachable(self, body: Fields, client: Client) -> dict[str, Any]:
        return {"reachable": bool(self._arm.reachable(body.array("target", STATE_SIZE)))}

    def _apply(self, body: Fields, client: Client) -> dict[str, Any]:
        sent = self._arm.apply(body.array("action", ACTION_SIZE), body.number("asked_s"))
        self._applied_s.append(self._clock.now_s())
        return {"sent": array_fields(sent), **self._commanded()}

    def _hold(self, body: Fields, client: Client) -> dict[str, Any]:
        self._arm.hold()
        return self._commanded()

    def _let_go(self, body: Fields, client: Client) -> dict[str, Any]:
        self._arm.let_go(body.number("asked_s"))
        return self._commanded()

    def _start(self, body: Fields, client: Client) -> dict[str, Any]:
        seed = body.whole("seed", 0, 2**62) if "seed" in body else None
        self._arm.start(seed, body.number("asked_s"))
        return {}

    def _park(self, body: Fields, client: Client) -> dict[str, Any]:
        self._arm.park(body.number("asked_s"))
        return {}

    def _cancel(self, body: Fields, client: Client) -> dict[str, Any]:
        self._arm.cancel()
        return {}

    def _motion(self, body: Fields, client: Client) -> dict[str, Any]:
        self._arm.watched()
        return self._commanded() if self._arm.motion_ended() else {}

    def _score(self, body: Fields, client: Client) -> dict[str, Any]:
        if self._judge is None:
            raise RobotError("Nobody judges on this server.", "", "Let the operator label.")
        score = self._arm.judged(self._judge)
        return {
            "success": bool(score.success),
            "progress": float(score.progress),
            "stage": score.stage,
        }


def _malformed(problem: BadMessage) -> RobotError:
    return RobotError(
        f"The server did not understand the client: {problem}.",
        "",
        "Install the same ptrctl on both machines.",
    )
