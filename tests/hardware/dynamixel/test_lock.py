"""One program at a time on a servo bus."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.dynamixel import lock
from hardware.dynamixel.lock import PortBusy, PortLock
from recordings.errors import SystemSetupError

TAKE_AND_WAIT = """
import pathlib, sys, time
from hardware.dynamixel import lock
from hardware.dynamixel.lock import PortLock
lock.LOCKS = pathlib.Path(sys.argv[3])
PortLock(sys.argv[1], sys.argv[2]).acquire()
print("taken", flush=True)
time.sleep(60)
"""
PORT = "/dev/ttyOfATest"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """In place of the machine's own folder."""
    path = tmp_path / "locks"
    path.mkdir()
    path.chmod(0o1777)
    monkeypatch.setattr(lock, "LOCKS", path)
    return path


@pytest.fixture(params=["ptrctl"])
def other(request, folder) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the port."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_AND_WAIT, PORT, request.param, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_port_that_another_process_has_is_refused_and_the_process_named(other) -> None:
    with pytest.raises(PortBusy, match=rf"process {other.pid}.*End that program"):
        PortLock(PORT, "ptrctl").acquire()


@pytest.mark.parametrize("other", ["guardian"], indirect=True)
def test_a_port_on_which_the_guardian_parks_asks_for_patience(other) -> None:
    with pytest.raises(PortBusy, match=r"is being parked.*Wait until the arm lies still"):
        PortLock(PORT, "ptrctl").acquire()


def test_a_killed_process_gives_the_port_back(other) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    mine = PortLock(PORT, "ptrctl")
    mine.acquire()
    mine.release()


def test_a_port_is_refused_within_the_same_process_too() -> None:
    first, second = PortLock(PORT, "ptrctl"), PortLock(PORT, "ptrctl")
    first.acquire()
    with pytest.raises(PortBusy):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_every_program_that_drives_leaves_another_token_and_the_doctor_leaves_it() -> None:
    tokens = []
    for purpose in ("ptrctl", "doctor", "ptrctl"):
        mine = PortLock(PORT, purpose)
        mine.acquire()
        mine.release()
        holder = lock.last_holder(PORT)
        assert holder is not None
        assert holder.pid == os.getpid()
        tokens.append(holder.token)
    assert tokens[0] == tokens[1] != tokens[2]


def test_a_port_by_another_name_is_the_same_port(tmp_path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    by_id = tmp_path / "usb-FTDI"
    by_id.symlink_to(device)
    assert lock.lock_path(str(by_id)) == lock.lock_path(str(device))


def test_users_with_different_temporary_folders_take_turns(folder, tmp_path, monkeypatch) -> None:
    mine = PortLock(PORT, "ptrctl")
    mine.acquire()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(PortBusy):
        PortLock(PORT, "ptrctl").acquire()
    mine.release()
    assert {path.suffix for path in folder.iterdir()} == {".lock", ".holder"}


@pytest.mark.parametrize("unfit", ["missing", "a file", "for root alone"])
def test_where_not_everybody_may_write_the_folder_of_locks_another_is_used(
    unfit, folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(lock, "ELSE_LOCKS", tmp_path)
    folder.chmod(0o755)
    if unfit != "for root alone":
        folder.rmdir()
    if unfit == "a file":
        folder.touch()
        folder.chmod(0o666)
    assert lock.lock_path(PORT).parent == tmp_path


def test_a_machine_without_any_folder_for_locks_is_said_in_words(
    folder, tmp_path, monkeypatch
) -> None:
    folder.rmdir()
    monkeypatch.setattr(lock, "ELSE_LOCKS", tmp_path / "nowhere")
    mine = PortLock(PORT, "ptrctl")
    with pytest.raises(SystemSetupError, match="cannot be made: No such file"):
        mine.acquire()


def test_asking_who_has_the_port_does_not_lose_it(folder) -> None:
    mine = PortLock(PORT, "ptrctl")
    mine.acquire()
    lock.last_holder(PORT)
    with pytest.raises(PortBusy):
        PortLock(PORT, "ptrctl").acquire()
    tried = subprocess.run(
        [sys.executable, "-c", TAKE_AND_WAIT, PORT, "ptrctl", str(folder)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "PortBusy" in tried.stderr
    mine.release()


def full(*what: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_the_port_is_taken_and_the_note_before_stays(monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        first = PortLock(PORT, "ptrctl")
        first.acquire()
        # The guardian of this program compares them.
        assert first.token == lock.last_token(PORT) == ""
        first.release()
    before = PortLock(PORT, "ptrctl")
    before.acquire()
    before.release()
    monkeypatch.setattr(os, "pwrite", full)
    mine = PortLock(PORT, "ptrctl")
    mine.acquire()
    assert mine.token == lock.last_token(PORT) == before.token != ""
    mine.release()


def test_a_lock_that_cannot_be_made_is_not_taken_for_a_program_that_drives_the_arm(
    monkeypatch,
) -> None:
    monkeypatch.setattr(fcntl, "lockf", full)
    with pytest.raises(SystemSetupError, match=r"cannot be made: No space left on device"):
        PortLock(PORT, "ptrctl").acquire()


def test_a_shorter_note_replaces_a_longer_one() -> None:
    lock.holder_path(PORT).write_text(
        '{"pid": 1, "purpose": "ptrctl", "token": "' + "x" * 99 + '"}'
    )
    mine = PortLock(PORT, "ptrctl")
    mine.acquire()
    mine.release()
    assert lock.last_token(PORT) == mine.token


def test_a_lock_file_of_nonsense_is_no_obstacle() -> None:
    lock.holder_path(PORT).write_text("[1, 2")
    assert lock.last_holder(PORT) is None
    mine = PortLock(PORT, "ptrctl")
    mine.acquire()
    assert lock.last_holder(PORT) is not None
    mine.release()
