"""The application's boundary: help, errors as words and exit codes, JSON."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ptrctl.main import ErrorBoundary, app, main
from ptrctl.terminal import console
from ptrctl.terminal.console import duration, time_left
from recordings.errors import (
    CheckpointError,
    PtrctlError,
    RecordingError,
    RobotError,
    SystemSetupError,
    UsageError,
)

HEAVY = ("torch", "mujoco", "h5py", "numpy", "prompt_toolkit", "questionary", "matplotlib", "av")


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("setup", "record", "data", "doctor"):
        assert command in result.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from ptrctl.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.fixture
def small_app() -> Iterator[typer.Typer]:
    """An app with our boundary and a command that raises what it is told."""
    small = typer.Typer(cls=ErrorBoundary)
    errors: dict[str, BaseException] = {
        kind.__name__: kind("Found this.", "Expected that.", "Run `x`.")
        for kind in (
            PtrctlError,
            UsageError,
            RobotError,
            RecordingError,
            CheckpointError,
            SystemSetupError,
        )
    }
    errors["interrupt"] = KeyboardInterrupt()
    errors["unforeseen"] = KeyError("settings")
    errors["full"] = OSError(errno.ENOSPC, "No space left on device", "demos/x.h5")
    errors["denied"] = PermissionError(errno.EACCES, "Permission denied", "ptrctl.toml")

    @small.command()
    def fail(name: str, as_json: bool = False) -> None:
        console.mode.json = as_json
        raise errors[name]

    @small.command()
    def end_myself() -> None:
        signal.raise_signal(signal.SIGTERM)

    yield small
    console.mode.json = False


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("PtrctlError", 1),
        ("UsageError", 2),
        ("RobotError", 3),
        ("RecordingError", 4),
        ("CheckpointError", 5),
        ("SystemSetupError", 6),
        ("interrupt", 130),
        ("full", 6),
        ("denied", 6),
    ],
)
def test_every_kind_of_error_has_its_exit_code(
    small_app: typer.Typer, name: str, code: int
) -> None:
    assert CliRunner().invoke(small_app, ["fail", name]).exit_code == code


def test_an_error_says_what_was_found_expected_and_to_try(small_app: typer.Typer) -> None:
    result = CliRunner().invoke(small_app, ["fail", "RobotError"])
    assert result.stdout == ""
    for words in ("Found this.", "Expected that.", "Try: Run `x`."):
        assert words in result.stderr


def test_a_full_disk_is_said_in_our_words(small_app: typer.Typer) -> None:
    result = CliRunner().invoke(small_app, ["fail", "full"])
    assert "The disk is full (demos/x.h5)." in result.stderr
    assert "is intact" in result.stderr


def test_in_json_mode_an_error_is_one_document(small_app: typer.Typer) -> None:
    result = CliRunner().invoke(small_app, ["fail", "RobotError", "--as-json"])
    error = json.loads(result.stdout)["error"]
    assert error["kind"] == "RobotError"
    assert error["exit_code"] == 3


def test_in_json_mode_what_nobody_foresaw_is_one_document_too(
    small_app: typer.Typer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ptrctl.main.app", small_app)
    monkeypatch.setattr("sys.argv", ["ptrctl", "fail", "unforeseen", "--as-json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "KeyError"


def test_signs_that_the_encoding_lacks_cost_no_result(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from ptrctl.main import main; main()", "doctor", "--help"]
    shown = "from ptrctl.terminal import console; console.write_what_can_be_written(); "
    shown += "console.outcome_panel('Done', {'sign': '✓'})"
    for command in (words, [sys.executable, "-c", shown]):
        result = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            stdout=subprocess.PIPE,
            check=False,
        )
        assert result.returncode == 0
    assert b"Done" in result.stdout


def test_sigterm_unwinds_like_ctrl_c(small_app: typer.Typer) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert CliRunner().invoke(small_app, ["end-myself"]).exit_code == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_unknown_option_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["record", "--no-such-option"])
    assert result.exit_code == 2


def test_a_document_holds_plain_json_only() -> None:
    import numpy as np

    data = {"a": np.float64(1.5), "b": np.arange(2), "nan": float("nan"), "path": signal.SIGTERM}
    plain = json.loads(json.dumps(console._plain(data)))
    assert plain["a"] == 1.5
    assert plain["b"] == [0, 1]
    assert plain["nan"] is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3725, "1 h 02 min")],
)
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_time_left_follows_the_pace() -> None:
    assert time_left(30.0, 10, 40) == "about 1 min 30 s left"
    assert time_left(30.0, 0, 40) == ""
    assert time_left(30.0, 40, 40) == ""


def test_what_a_shell_closed_is_open_again() -> None:
    """Else the next file that is opened gets its number, and what a library prints goes into it."""
    code = (
        "import os; from ptrctl.main import _open_standard_streams; _open_standard_streams(); "
        "import sys; print('lost', flush=True); sys.stdin.read(); "
        "os._exit(sum(os.readlink(f'/proc/self/fd/{n}') == os.devnull for n in range(3)))"
    )
    command = f'exec {sys.executable} -c "{code}" <&- >&- 2>&-'
    assert subprocess.run(command, shell=True, check=False).returncode == 3
    command = f'exec {sys.executable} -c "{code}" 2>&-'
    kept = subprocess.run(command, shell=True, input=b"", capture_output=True, check=False)
    assert (kept.returncode, kept.stdout) == (1, b"lost\n")


def test_a_report_needs_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ptrctl.charts import learning_curve

    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert "<svg" in learning_curve([True, False], "two trials")
    assert Path(os.environ["MPLCONFIGDIR"]).parent == tmp_path
    monkeypatch.delenv("MPLCONFIGDIR")
