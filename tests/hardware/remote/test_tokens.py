"""Where the secret comes from."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from hardware.remote.tokens import VARIABLE, find_token, is_loopback, server_token
from recordings.errors import UsageError

SECRET = "a secret of twenty-four."


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_server_on_loopback_makes_a_token_for_its_owner_alone(tmp_path) -> None:
    path = tmp_path / "new folder" / "ptrctl-token"
    token, file = server_token("127.0.0.1", "", path)
    assert file == path
    assert len(token) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server_token("127.0.0.1", "", path) == (token, path), "it is kept"
    assert find_token(token_file=path) == token


def test_an_empty_file_that_a_kill_left_holds_no_token_and_gets_one(tmp_path) -> None:
    path = tmp_path / "ptrctl-token"
    path.touch()
    token, _ = server_token("127.0.0.1", "", path)
    assert find_token(token_file=path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_token_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        server_token("127.0.0.1", "", tmp_path / "ptrctl-token")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_a_home_that_nobody_knows_is_said_in_words() -> None:
    with pytest.raises(UsageError, match=r"cannot be read from ~nobody-of-this-name/token.*home"):
        find_token(token_file="~nobody-of-this-name/token")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "robot.local", "::"])
def test_other_machines_need_a_token_that_was_chosen(host, tmp_path, monkeypatch) -> None:
    with pytest.raises(UsageError, match="no token was chosen"):
        server_token(host, "", tmp_path / "ptrctl-token")
    assert not (tmp_path / "ptrctl-token").exists()
    chosen = tmp_path / "chosen"
    chosen.write_text(SECRET + "\n")
    assert server_token(host, chosen, tmp_path / "ptrctl-token") == (SECRET, chosen)
    monkeypatch.setenv(VARIABLE, SECRET)
    assert server_token(host, "", tmp_path / "ptrctl-token") == (SECRET, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1"])
def test_loopback_is_known(host) -> None:
    assert is_loopback(host)


def test_a_setting_goes_before_a_file_and_a_file_before_the_environment(
    tmp_path, monkeypatch
) -> None:
    path = tmp_path / "token"
    path.write_text("out of the file, 24 letters")
    monkeypatch.setenv(VARIABLE, "out of the environment, 24")
    assert find_token(SECRET, path) == SECRET
    assert find_token("", path) == "out of the file, 24 letters"
    assert find_token() == "out of the environment, 24"


@pytest.mark.parametrize("bad", ["", "short", "two lines\nof sixteen and more"])
def test_what_is_no_secret_is_refused(bad, tmp_path) -> None:
    path = tmp_path / "token"
    path.write_text(bad)
    with pytest.raises(UsageError):
        find_token(token_file=path)


def test_a_missing_file_is_said_in_words(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        find_token(token_file=tmp_path / "nowhere")
