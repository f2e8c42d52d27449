"""Small files take whatever a terminal types; what a file system lacks is said in words."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from pathlib import Path

import pytest

from hardware.checks import Health
from ptrctl.doctor.workspace_checks import check_leftovers, check_workspace
from ptrctl.files import (
    append_json_line,
    only_one,
    read_json,
    read_json_lines,
    write_json,
    write_text,
)
from ptrctl.workspace import Workspace
from recordings.errors import SystemSetupError

HALF = "cass\udce9"


def test_half_of_a_character_is_written_and_read_back(tmp_path: Path) -> None:
    append_json_line(tmp_path / "trials.jsonl", {"reason": HALF, "more": "caf\u00e9"})
    assert read_json_lines(tmp_path / "trials.jsonl") == [{"reason": HALF, "more": "caf\u00e9"}]
    write_json(tmp_path / "plan.json", {"reason": HALF})
    assert read_json(tmp_path / "plan.json") == {"reason": HALF}
    write_text(tmp_path / "page.html", HALF)
    assert (tmp_path / "page.html").read_text() == "cass\\udce9"


def refuse(monkeypatch: pytest.MonkeyPatch, module: object, name: str, code: int) -> None:
    """Let a call of the system fail."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, name, fail)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_folder_without_locks_is_refused_in_words_and_the_doctor_says_it_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse(monkeypatch, fcntl, "flock", code)
    with pytest.raises(SystemSetupError, match="no file locks"), only_one(tmp_path / "l", "", ""):
        pass
    finding = check_workspace(Workspace(tmp_path))
    assert finding.health is Health.FAIL
    assert "no file locks" in finding.found
    assert "--workspace" in finding.fix
    (tmp_path / "demos").mkdir()
    (tmp_path / "demos" / ".e0.partial").touch()
    assert "no file locks" in check_leftovers(Workspace(tmp_path)).found


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENODEV, "cannot map files into memory"), (errno.ENOMEM, "not enough memory to map")],
)
def test_the_doctor_says_where_files_cannot_be_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    assert check_workspace(Workspace(tmp_path)).health is Health.OK
    refuse(monkeypatch, mmap, "mmap", code)
    finding = check_workspace(Workspace(tmp_path))
    assert finding.health is Health.FAIL
    assert words in finding.found
