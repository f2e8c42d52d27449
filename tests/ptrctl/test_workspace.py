"""The workspace and its profile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptrctl.profile import BUILT_IN, Profile, load_profile, save_profile
from ptrctl.workspace import (
    PROFILE_NAME,
    WORKSPACE_VARIABLE,
    Workspace,
    episode_folders_in,
    open_workspace,
)
from recordings.errors import UsageError


def test_without_a_profile_the_simulator_is_used_and_said_to_be_built_in(tmp_path: Path) -> None:
    profile = load_profile(Workspace(tmp_path))
    assert profile.robot == "sim-wx250s"
    assert profile.source("robot") == BUILT_IN


def test_a_saved_profile_comes_back_with_its_source(tmp_path: Path) -> None:
    profile = Profile(
        task="open_drawer",
        kitchen_seed=7,
        workspace_low_m=(0.1, -0.2, 0.0),
        workspace_high_m=(0.4, 0.2, 0.3),
    )
    save_profile(Workspace(tmp_path), profile)
    loaded = load_profile(Workspace(tmp_path))
    assert loaded == profile
    assert loaded.source("kitchen_seed") == PROFILE_NAME


def test_every_value_in_the_file_has_a_comment(tmp_path: Path) -> None:
    text = save_profile(Workspace(tmp_path), Profile(task="open_drawer")).read_text()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), line


def test_saving_again_replaces_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    save_profile(Workspace(tmp_path), Profile())
    save_profile(Workspace(tmp_path), Profile(kitchen_seed=3))
    assert [path.name for path in tmp_path.iterdir()] == [PROFILE_NAME]
    assert load_profile(Workspace(tmp_path)).kitchen_seed == 3


def test_half_of_a_character_is_refused_and_leaves_the_profile_as_it_was(tmp_path: Path) -> None:
    save_profile(Workspace(tmp_path), Profile(task="lift"))
    with pytest.raises(UsageError, match=r"`port = \"/dev/tty\udcff\"` holds half of a character"):
        save_profile(Workspace(tmp_path), Profile(robot_options={"port": "/dev/tty\udcff"}))
    assert [path.name for path in tmp_path.iterdir()] == [PROFILE_NAME]
    assert load_profile(Workspace(tmp_path)).task == "lift"


@given(
    seed=st.integers(0, 2**31),
    size=st.integers(32, 640),
    task=st.none() | st.text("abcdefgh_", min_size=1),
    rate=st.floats(0.5, 50),
)
def test_any_valid_profile_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, task: str | None, rate: float
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("profile"))
    profile = Profile(task=task, kitchen_seed=seed, image_size=size, control_rate_hz=rate)
    save_profile(workspace, profile)
    assert load_profile(workspace) == profile


def test_a_flag_wins_over_the_profile_and_says_so(tmp_path: Path) -> None:
    profile = Profile(kitchen_seed=1).with_flags(kitchen_seed=5, task=None)
    assert profile.kitchen_seed == 5
    assert profile.source("kitchen_seed") == "--kitchen"
    assert profile.source("task") == BUILT_IN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[robot\nname = 1", "not valid TOML"),
        ("[robot]\nnam = 'x'", "Did you mean `robot.name`"),
        ("[robot]\nname = 3", "It must be a text"),
        ("[scene]\nkitchen_seed = true", "It must be a whole number"),
        ("[scene]\nkitchen_seed = -1", "0 or more"),
        ("[robot]\ncontrol_rate_hz = 500.0", "0.5 to 50 Hz"),
        ("[workspace_box]\nlow_m = [1, 2]", "3 numbers"),
        ("[workspace_box]\nlow_m = [0.1, 0.1, 0.1]", "Both corners are needed"),
        ("[workspace_box]\nlow_m = [1, 1, 1]\nhigh_m = [0, 2, 2]", "Low is below high"),
        ("robot = 5", "does not know"),
        ('[cameras."over/there"]\nkind = "uvc"', "cannot be named `over/there`"),
        ("[cameras.over_there]\ndevice = 'x'", "names no kind of camera"),
    ],
)
def test_a_wrong_profile_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / PROFILE_NAME).write_text(text)
    with pytest.raises(UsageError) as error:
        load_profile(Workspace(tmp_path))
    assert words in str(error.value)


def test_a_profile_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / PROFILE_NAME).mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_profile(Workspace(tmp_path))


def test_a_next_command_names_the_workspace_where_it_would_mean_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    here, lab = Workspace(Path()), Workspace(tmp_path / "lab")
    assert (here.flag(), lab.flag()) == ("", " --workspace lab")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "lab"))
    assert (here.flag(), lab.flag()) == (" --workspace .", "")


def test_a_missing_task_is_asked_for_by_its_flag() -> None:
    with pytest.raises(UsageError, match="--task"):
        Profile().task_or_fail()


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        open_workspace(file)


def test_next_commands_name_the_workspace_only_when_it_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Workspace(Path()).flag() == ""
    assert Workspace(tmp_path / "lab").flag() == " --workspace lab"


def test_episode_folders_are_found_and_quarantine_is_not_one(tmp_path: Path) -> None:
    for name in ("demos/a/x.h5", "demos/a/quarantine/y.h5", "trials/s/episodes/z.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folders = [str(path.relative_to(tmp_path)) for path in Workspace(tmp_path).episode_folders()]
    assert folders == ["demos/a", "trials/s/episodes"]
    # Recordings may lie on another disk; a link in a circle ends.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "y.h5").touch()
    (tmp_path / "demos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "demos" / "linked" / "round").symlink_to(tmp_path / "demos")
    linked = [tmp_path / "demos" / "a", tmp_path / "demos" / "linked"]
    assert episode_folders_in(tmp_path / "demos") == linked
    (tmp_path / "demos" / "linked").unlink()
    (tmp_path / "demos" / "b" / ".base.77.partial").mkdir(parents=True)
    # A folder that is named is one, whatever it is called.
    aside = tmp_path / "demos" / "a" / "quarantine"
    assert episode_folders_in(aside) == [aside]
    assert episode_folders_in(tmp_path / "demos") == [tmp_path / "demos" / "a"]
