"""What a folder says of a demo that was begun there."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ptrctl.main import app
from ptrctl.sessions.demo_state import STATE_FILE, DemoOptions, DemoState, quickly
from ptrctl.workspace import Workspace
from recordings.errors import RecordingError, UsageError


def test_another_demo_in_the_folder_is_refused_with_a_way_out(tmp_path: Path) -> None:
    DemoState(tmp_path / STATE_FILE, quickly(DemoOptions()), "a digest")
    with pytest.raises(UsageError, match="demonstrations was 2 and is now 10") as caught:
        DemoState(tmp_path / STATE_FILE, DemoOptions(), "a digest")
    assert "--workspace" in caught.value.try_next
    assert "--session" not in caught.value.try_next


@pytest.mark.parametrize("text", ["{}", '{"settings": 3, "stages": {}}'])
def test_a_damaged_state_is_said_to_be_one(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(RecordingError, match="does not say what of the demo is done"):
        DemoState(tmp_path / STATE_FILE, DemoOptions(), "a digest")


def test_the_demo_leaves_a_labs_workspace_alone(tmp_path: Path) -> None:
    recording = Workspace(tmp_path).demos("put_sushi_in_pot") / "ours.h5"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"")
    result = CliRunner().invoke(app, ["demo", "--quick", "--workspace", str(tmp_path)])
    assert result.exit_code == 2
    assert "a workspace of its own" in " ".join(result.stderr.split())
    assert not (tmp_path / STATE_FILE).exists()
    assert [path.name for path in (tmp_path / "demos").rglob("*")] == [
        "put_sushi_in_pot",
        "ours.h5",
    ]


def test_the_demo_does_not_take_the_workspace_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTRCTL_WORKSPACE", str(tmp_path / "lab"))
    monkeypatch.chdir(tmp_path)
    asked: list[Path] = []
    monkeypatch.setattr(
        "ptrctl.sessions.demo.run_demo", lambda folder, options: not asked.append(folder)
    )
    assert CliRunner().invoke(app, ["demo", "--quick"]).exit_code == 0
    assert asked == [Path("demo-workspace")]
