"""What a command says to type next works as it stands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from ptrctl.kitchens import kitchen_flag, warn_of_another_kitchen
from ptrctl.next_command import changed, next_command, parking_command, scene_flags
from ptrctl.profile import Profile
from ptrctl.sessions.session_options import EvaluateOptions
from ptrctl.workspace import Workspace
from tests.recordings.episodes import record


@dataclass(frozen=True)
class Options:
    trials: int = 50
    updates_per_trial: int = 5
    prior: tuple[Path, ...] = ()


def test_only_flags_with_a_value_are_typed() -> None:
    words = next_command("evaluate", Workspace(Path()), task="t", checkpoint="", seed=0, fast=False)
    assert words == "ptrctl evaluate --task t --seed 0"


def test_a_flag_may_stand_alone_repeat_or_hold_a_fraction() -> None:
    given = {"baselines": True, "prior": (Path("a"), Path("b")), "noise": 0.25}
    words = next_command("improve", Workspace(Path()), **given)
    assert words == "ptrctl improve --baselines --prior a --prior b --noise 0.25"


def test_a_number_is_typed_as_it_was_given() -> None:
    words = next_command("improve", Workspace(Path()), noise=0.1234567, rate=5.0)
    assert words == "ptrctl improve --noise 0.1234567 --rate 5"


def test_names_with_spaces_are_one_word_for_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = next_command("record", Workspace(tmp_path / "my lab"), task="put it there")
    assert shlex.split(words)[2:] == ["--task", "put it there", "--workspace", "my lab"]


def test_what_was_left_at_its_default_is_not_repeated() -> None:
    assert changed(Options()) == {}
    options = Options(trials=3, updates_per_trial=7)
    assert changed(options, updates_per_trial="updates") == {"trials": 3, "updates": 7}
    given = changed(EvaluateOptions(trials=3, session="a", compare="b", seed=4, max_steps=9))
    assert set(given) == {"trials", "session", "compare", "seed", "max_steps"}


def test_arm_and_kitchen_are_repeated_only_when_they_were_flags() -> None:
    assert scene_flags(Profile(kitchen_seed=7)) == {}
    flags = Profile().with_flags(kitchen_seed=7, robot="other")
    assert scene_flags(flags) == {"robot": "other", "kitchen": 7}


def test_another_kitchen_than_the_demonstrations_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    demos = workspace.demos("wipe")

    def warned(kitchen: int) -> str:
        warn_of_another_kitchen(workspace, Profile(kitchen_seed=kitchen), "wipe", "these run")
        return " ".join(capsys.readouterr().err.split())

    assert warned(7) == ""
    record(demos, "a", scene={"kitchen": 7})
    assert warned(7) == ""
    assert "show kitchen 7, and these run in kitchen 9. Add `--kitchen 7`" in warned(9)
    assert kitchen_flag(Profile(kitchen_seed=9), demos) == {"kitchen": 7}
    record(demos, "b", scene={"kitchen": 8})
    assert warned(8) == ""
    assert "show kitchens 7, 8, and these run in kitchen 9" in warned(9)
    assert kitchen_flag(Profile(kitchen_seed=9), demos) == {}


def test_the_command_that_parks_names_the_arm_and_the_workspace(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert parking_command(Workspace(Path()), Profile()) == "ptrctl stop --park"
    flagged = Profile().with_flags(robot="dynamixel")
    words = parking_command(workspace, flagged)
    assert words == f"ptrctl stop --park --robot dynamixel --workspace {tmp_path}"
