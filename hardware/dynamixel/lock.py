"""One program at a time on a servo bus: a lock file for each port."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path

from hardware.faults import LostConnection
from recordings.errors import SystemSetupError

DOCTOR = "doctor"

LOCKS, ELSE_LOCKS = Path("/run/lock"), Path("/tmp")
"""Where every user of the machine looks, whatever their TMPDIR is: some systems let only root write
the first."""

_mine: set[str] = set()
"""Locks of this process: POSIX locks do not exclude the process that has them."""


class PortBusy(LostConnection):
    """Another program has the bus."""


@dataclass(frozen=True)
class Holder:
    """Who has, or last had, a port.

    Args:
        pid: Its process.
        purpose: "ptrctl", "guardian", "reboot", or "doctor", who only looks.
        token: Different for every time that the port was opened by one who does more than look,
            as far as that could be noted.
    """

    pid: int
    purpose: str
    token: str


def lock_path(port: str) -> Path:
    """The lock file of a port, the same for every user and whatever name the port is called by."""
    name = os.path.realpath(port).strip("/").replace("/", "-")
    folder = LOCKS if _is_for_all(LOCKS) else ELSE_LOCKS
    return folder / f"ptrctl-{name}.lock"


def _is_for_all(folder: Path) -> bool:
    """Whether it is a folder that everybody may write."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_IWOTH)


def holder_path(port: str) -> Path:
    """Who has the port. Not in the lock file itself: a process that closes any file handle on that
    loses its lock."""
    return lock_path(port).with_suffix(".holder")


def last_holder(port: str) -> Holder | None:
    """Who opened the port last, whether or not they still have it; None if that is not known."""
    try:
        return Holder(**json.loads(holder_path(port).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def last_token(port: str) -> str:
    """The token of who opened the port last; "" if that is not known."""
    holder = last_holder(port)
    return holder.token if holder else ""


def _open_for_all(path: Path) -> int:
    """Open a file that every user of the machine may write, making it if need be."""
    try:
        return os.open(path, os.O_RDWR)
    except FileNotFoundError:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        os.fchmod(file, 0o666)
        return file


def _write_over(path: Path, text: bytes) -> None:
    """Replace a file's text in place, padded to its old length: it is never empty, and needs no
    room that it does not have. Not by a new file with its name: in a folder like /tmp that would
    not replace another user's."""
    file = _open_for_all(path)
    try:
        os.pwrite(file, text.ljust(os.fstat(file).st_size), 0)
    finally:
        os.close(file)


class PortLock:
    """The right to use a port. A POSIX lock, so that it ends with the process, however it ends,
    and no child inherits it.

    Args:
        port: Device path.
        purpose: See `Holder`.
    """

    def __init__(self, port: str, purpose: str) -> None:
        self._port = port
        self._purpose = purpose
        self._path = lock_path(port)
        self._file: int | None = None
        self.token = ""

    def acquire(self) -> None:
        """Take the port.

        Raises:
            PortBusy: Somebody has it.
            SystemSetupError: The lock file cannot be made.
        """
        if str(self._path) in _mine:
            raise self._busy()
        try:
            self._file = _open_for_all(self._path)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._leave_note()
        except OSError as problem:
            self.release()
            if problem.errno in {errno.EACCES, errno.EPERM} and problem.filename is not None:
                raise PortBusy(
                    f"The file {problem.filename} belongs to another user.",
                    "Everybody who uses the arm may write it.",
                    f"Type `sudo chmod a+rw {problem.filename}`, then try again.",
                ) from problem
            if problem.errno in {errno.EACCES, errno.EAGAIN}:
                raise self._busy() from problem
            raise SystemSetupError(
                f"The lock file {self._path} cannot be made: {problem.strerror}.",
                "Programs that use the arm take turns by it.",
                f"Free some room in {self._path.parent}, then try again.",
            ) from problem
        _mine.add(str(self._path))

    def _leave_note(self) -> None:
        """Say who has the port. On a full disk the note before stays, and its token is ours: the
        lock alone keeps others away, and our guardian goes by the token."""
        before = last_token(self._port)
        token = before if before and self._purpose == DOCTOR else uuid.uuid4().hex
        holder = {"pid": os.getpid(), "purpose": self._purpose, "token": token}
        try:
            _write_over(holder_path(self._port), json.dumps(holder).encode())
            self.token = token
        except PermissionError:
            raise
        except OSError:
            self.token = before

    def release(self) -> None:
        """Give the port back; safe to call twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            _mine.discard(str(self._path))

    def _busy(self) -> PortBusy:
        holder = last_holder(self._port)
        if holder is not None and holder.purpose == "guardian":
            return PortBusy(
                f"The arm on {self._port} is being parked, because the program that drove it "
                f"died (process {holder.pid}).",
                "One program at a time drives the arm.",
                "Wait until the arm lies still, then try again.",
            )
        process = f" (process {holder.pid})" if holder else ""
        return PortBusy(
            f"Another program{process} drives the arm on {self._port}.",
            "One program at a time.",
            "End that program, then try again.",
        )
