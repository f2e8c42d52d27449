"""`ptrctl setup` for an arm and cameras that behave as real ones (tests/ptrctl/bench)."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from hardware.modules import ARM_MODULES, CAMERA_MODULES
from ptrctl.cells import make_cell
from ptrctl.main import app
from ptrctl.profile import Profile, load_profile, save_profile
from ptrctl.sessions.setup import answers_as_command
from ptrctl.setup import wizard
from ptrctl.setup.wizard import SetupFlags
from ptrctl.workspace import Workspace
from recordings.errors import PtrctlError, SystemSetupError, UsageError
from tests.ptrctl.bench import ENVIRONMENT
from tests.ptrctl.terminal import Terminal

pytestmark = pytest.mark.sim

ENTER, DOWN, INTERRUPT = "\r", "\x1b[B", "\x03"
PICTURE = "over_shoulder=picture,path=seen.png"
ALL = f"--robot bench --port /dev/bench --task lift --camera {PICTURE} --image-size 64 --rate 5"
BOX = "--box-low 0.14 -0.25 0.01 --box-high 0.46 0.25 0.3"
POSE = "--start-pose 0.3 0 0.15 0 0 0"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, in which the arm `bench` and the camera `picture` are known."""
    monkeypatch.setitem(ARM_MODULES, "bench", "tests.ptrctl.bench.bench_arm")
    monkeypatch.setitem(ARM_MODULES, "bench-one", "tests.ptrctl.bench.bench_one")
    monkeypatch.setitem(CAMERA_MODULES, "picture", "tests.ptrctl.bench.bench_camera")
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[10:40, 20:50] = (200, 120, 40)
    Image.fromarray(picture).save(tmp_path / "seen.png")
    return tmp_path


def setup(*words: str) -> Result:
    return CliRunner().invoke(app, ["setup", *(word for line in words for word in line.split())])


def refused(result: Result, code: int, words: str) -> None:
    assert result.exit_code == code, result.output
    assert words in " ".join(result.stderr.split())
    assert not Path("ptrctl.toml").exists()
    assert not list(Path().glob("reference-*"))


@pytest.mark.slow  # The arm moves at its real pace.
def test_with_yes_the_only_arm_and_camera_are_found_checked_and_parked(place: Path) -> None:
    result = setup("--robot bench-one --yes --json")
    assert result.exit_code == 0, result.output
    profile = load_profile(Workspace(place))
    assert profile.robot_options == {"port": "/dev/bench"}
    assert profile.cameras == {"over_shoulder": {"kind": "picture", "path": "seen.png"}}
    assert (place / "reference-over_shoulder.png").exists()
    assert "Found: arm B on /dev/bench." in result.stderr
    assert "parked" in result.stderr
    assert "scene.kitchen_seed" not in json.loads(result.stdout)["profile"]


def test_with_yes_and_two_arms_the_flag_is_named(place: Path) -> None:
    refused(setup("--robot bench --yes"), 2, "arm A on /dev/dead; arm B on /dev/bench")


def test_with_yes_and_no_camera_the_flag_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wizard, "found_cameras", list)
    refused(setup("--robot bench-one --yes"), 2, "--camera over_shoulder=test-pattern")


def test_every_question_has_a_flag_and_all_of_them_need_no_terminal(place: Path) -> None:
    result = setup(ALL, BOX, POSE, "--no-motion --json")
    assert result.exit_code == 0, result.output
    profile = load_profile(Workspace(place))
    assert profile.start_pose == (0.3, 0.0, 0.15, 0.0, 0.0, 0.0)
    assert profile.workspace_high_m == (0.46, 0.25, 0.3)
    assert profile.task == "lift"
    assert profile.robot_options == {"port": "/dev/bench"}


def test_without_a_terminal_the_open_questions_are_named(place: Path) -> None:
    words = "--option, --task, --camera, --image-size, --rate, --box-low, --box-high, --start-pose"
    refused(setup("--robot bench"), 2, words)


def test_a_real_arm_never_moves_unasked(place: Path) -> None:
    refused(setup(ALL, BOX, POSE), 2, "A real arm does not move unasked")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--option prot=x", "Did you mean `port`"),
        ("--option baud_rate=fast", "a whole number"),
        ("--option port", "KEY=VALUE"),
        ("--address 10.0.0.1", "no such setting"),
        ("--camera Wrist=picture", "small letters"),
        ("--camera wrist=pictur", "There is no kind of camera named `pictur`"),
        ("--camera wrist=picture,pth=x", "Did you mean `path`"),
        (f"--camera {PICTURE} --camera wrist", "camera is `wrist`"),
        ("--start-pose 3 0 0.15 0 0 0", "between -2 and 2"),
        (f"--camera {PICTURE} --start-pose 0.6 0 0.15 0 0 0", "outside the workspace box"),
        ("--robot sim-wx250s --port /dev/x", "has no settings"),
        (f"--robot sim-wx250s --camera {PICTURE}", "only chosen by its name"),
    ],
)
def test_flags_that_do_not_fit_are_refused_in_words(place: Path, flags: str, words: str) -> None:
    arm = "" if "--robot" in flags else "--robot bench --port /dev/bench"
    result = setup(arm, "--yes --no-motion", flags)
    assert result.exit_code in (2, 3), result.output
    assert words in " ".join(result.stderr.split())
    assert not (place / "ptrctl.toml").exists()


def test_a_missing_camera_is_an_error_before_anything_moves(place: Path) -> None:
    (place / "seen.png").unlink()
    refused(setup(ALL, BOX, POSE, "--yes"), 3, "is missing")


def test_the_default_task_is_named_first_in_the_answers(tmp_path: Path) -> None:
    profile = Profile(task="open_door", tasks=("put_carrot_on_plate", "open_door"))
    words = answers_as_command(Workspace(tmp_path), profile)
    assert "--task open_door --task put_carrot_on_plate" in words


@pytest.mark.slow
def test_after_a_failed_check_the_answers_can_be_given_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptrctl.setup.motion_check.TOLERANCE_M", 1e-6)
    result = setup(ALL, BOX, POSE, "--yes")
    assert result.exit_code == 3
    assert not (place / "ptrctl.toml").exists()
    command = next(line for line in result.stderr.splitlines() if line.startswith("ptrctl setup"))
    monkeypatch.undo()
    monkeypatch.chdir(place)
    monkeypatch.setitem(ARM_MODULES, "bench", "tests.ptrctl.bench.bench_arm")
    monkeypatch.setitem(CAMERA_MODULES, "picture", "tests.ptrctl.bench.bench_camera")
    assert setup(command.removeprefix("ptrctl setup"), "--no-motion").exit_code == 0
    again = load_profile(Workspace(place))
    assert answers_as_command(Workspace(place), again) == command


def test_running_again_keeps_what_is_there(place: Path) -> None:
    assert setup(ALL, BOX, POSE, "--task open_drawer --no-motion").exit_code == 0
    before = load_profile(Workspace(place))
    assert before.tasks == ("lift", "open_drawer")
    assert setup("--yes --no-motion").exit_code == 0
    assert load_profile(Workspace(place)) == before
    assert setup("--yes --no-motion --task pour").exit_code == 0
    assert load_profile(Workspace(place)).tasks == ("pour", "lift", "open_drawer")


def test_without_a_default_task_the_first_of_those_listed_becomes_it(place: Path) -> None:
    assert setup(ALL, BOX, POSE, "--no-motion").exit_code == 0
    listed = replace(load_profile(Workspace(place)), task=None, tasks=("pour", "lift"))
    save_profile(Workspace(place), listed)
    assert setup("--yes --no-motion").exit_code == 0
    assert load_profile(Workspace(place)).task == "pour"


def test_another_arm_does_not_inherit_what_only_fitted_the_first(place: Path) -> None:
    assert setup(ALL, BOX, POSE, "--no-motion").exit_code == 0
    assert setup("--robot sim-wx250s --yes --no-motion --task open_drawer").exit_code == 0
    profile = load_profile(Workspace(place))
    assert profile.robot_options == {}
    assert profile.cameras == {}
    assert profile.start_pose is None
    assert profile.workspace_low_m is None


def test_a_misspelt_task_is_refused_where_tasks_are_listed() -> None:
    profile = Profile(robot="bench", task="lift", tasks=("lift", "open_drawer"))
    with pytest.raises(UsageError, match="open_drawer"):
        make_cell(profile, task="opn_drawer", realtime=False)


def test_the_file_explains_every_setting_and_names_those_not_set(place: Path) -> None:
    assert setup(ALL, BOX, POSE, "--no-motion").exit_code == 0
    text = (place / "ptrctl.toml").read_text()
    lines = text.splitlines()
    assert lines[lines.index('port = "/dev/bench"') - 1] == "# Device of the bus."
    assert lines[lines.index('path = "seen.png"') - 1] == "# File that the camera shows."
    assert "#   baud_rate: Of the bus." in lines


def test_a_camera_without_a_kind_and_a_pose_out_of_reach_are_noticed_in_the_file(
    place: Path,
) -> None:
    for text, words in (
        ("[cameras.wrist]\npath = 'x'", "names no kind"),
        ("[robot]\nstart_pose = [300.0, 0.0, 150.0, 0.0, 0.0, 0.0]", "in m, between"),
        ("[robot]\nstart_pose = [0.3, 0.0, nan, 0.0, 0.0, 0.0]", "in m, between"),
        ("[session]\ntasks = [1]", "a text"),
    ):
        (place / "ptrctl.toml").write_text(text)
        with pytest.raises(UsageError, match=words):
            load_profile(Workspace(place))


def test_a_workspace_that_cannot_be_written_is_noticed_before_anything_moves(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **named: Any) -> Any:
        raise AssertionError("the arm was reached")

    monkeypatch.setattr("ptrctl.sessions.setup.make_cell", never)
    result = setup(ALL, BOX, POSE, "--yes --workspace /proc/lab")
    assert result.exit_code == SystemSetupError.exit_code
    assert "/proc/lab" in result.stderr
    assert stat.S_ISDIR(place.stat().st_mode)


def test_settings_typed_as_text_become_what_the_settings_want() -> None:
    with pytest.raises(PtrctlError):
        wizard.ask(Profile(), SetupFlags(options=("a=1",)), take_defaults=True)


def test_the_whole_wizard_in_a_terminal(place: Path) -> None:
    terminal = Terminal("setup --image-size 64 --no-motion", place)
    terminal.see("Which arm?")
    terminal.press("\x1b[A" * 6)  # From sim-wx250s up to bench.
    terminal.see("» bench ")
    terminal.press(ENTER)
    terminal.see("Where is it?")
    terminal.press(ENTER)  # The dead one.
    terminal.see("Nobody answers on /dev/dead")
    terminal.press(DOWN + ENTER)
    terminal.see("Which task?")
    terminal.press("\x15lift" + ENTER)
    terminal.see("Further tasks")
    terminal.press("Pour" + ENTER)
    terminal.see("Small letters")
    terminal.press("\x15pour" + ENTER)
    terminal.see("Which cameras?")
    terminal.press(DOWN + " " + ENTER)  # The picture is chosen already; the test pattern too.
    terminal.see("Camera 1 of 2: picture")
    terminal.press(ENTER)
    terminal.see("Its name? over_shoulder")
    terminal.press(ENTER)
    terminal.see("Camera 2 of 2: test-pattern")
    terminal.press(ENTER)
    terminal.see("Its name? wrist")
    terminal.press(ENTER)
    terminal.see("Which one do policies look through?")
    terminal.press(ENTER)
    terminal.see("Control rate")
    terminal.press(ENTER)
    terminal.see("Workspace box")
    terminal.press(DOWN + ENTER)
    terminal.see("Lowest x y z, then")
    terminal.press("\x15" + "1 0 0 0 1 1" + ENTER)
    terminal.see("Type six numbers")
    terminal.press("\x15" + "0.14 -0.25 0.01 0.46 0.25 0.3" + ENTER)
    terminal.see("Start pose")
    terminal.press(DOWN + ENTER)
    terminal.see("x y z in m, then roll")
    terminal.press("0.9 0 0.15 0 0 0" + ENTER)
    terminal.see("outside the workspace box")
    terminal.press(DOWN + ENTER)
    terminal.see("x y z in m, then roll")
    terminal.press("0.28 0 0.15 0 0 0" + ENTER)
    assert terminal.end() == (0, True)
    profile = load_profile(Workspace(place))
    assert profile.robot_options == {"port": "/dev/bench"}
    assert profile.tasks == ("lift", "pour")
    assert sorted(profile.cameras) == ["over_shoulder", "wrist"]
    assert profile.start_pose == (0.28, 0.0, 0.15, 0.0, 0.0, 0.0)


class AnsweredOnce:
    """Stands for a question that is asked once, and once only."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def __call__(self, *about: Any) -> Any:
        self.asked += 1
        assert self.asked == 1, "the same question again"
        return self.answer


LOW_BOX = {"box_low": (0.14, -0.25, 0.01), "box_high": (0.46, 0.25, 0.16)}


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (LOW_BOX, ""),  # The start pose of the profile lies above it.
        ({**LOW_BOX, "cameras": ("wrist",)}, "camera is `wrist`"),
        ({"cameras": ("wrist",)}, "camera is `wrist`"),
    ],
)
def test_what_another_rate_does_not_mend_asks_for_no_other_rate(
    place: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], error: str
) -> None:
    profile = Profile(
        robot="bench",
        robot_options={"port": "/dev/bench"},
        cameras={"over_shoulder": {"kind": "picture", "path": "seen.png"}},
        start_pose=(0.3, 0.0, 0.2, 0.0, 0.0, 0.0),
    )
    given = SetupFlags(robot="bench", port="/dev/bench", tasks=("lift",), image_size=64, **flags)
    rate = AnsweredOnce(5.0)
    monkeypatch.setattr(wizard.console, "is_interactive", lambda: True)
    monkeypatch.setattr(wizard.questions, "ask_rate", rate)
    monkeypatch.setattr(wizard.questions, "ask_cameras", lambda *_: (profile.cameras, [], False))
    monkeypatch.setattr(
        wizard.questions, "ask_start_pose_source", AnsweredOnce(wizard.questions.OWN)
    )
    if error:
        with pytest.raises(UsageError, match=error):
            wizard.ask(profile, given, take_defaults=False)
    else:
        assert wizard.ask(profile, given, take_defaults=False).start_pose is None
    assert rate.asked == 1


def test_the_start_pose_is_jogged_to(place: Path) -> None:
    terminal = Terminal(f"setup {ALL} {BOX} --no-motion", place)
    terminal.see("Start pose")
    terminal.press(DOWN * 2 + ENTER)
    terminal.see("The arm goes to its start pose first")
    terminal.press("y")
    terminal.see("x y z, m")
    terminal.press("i")
    terminal.see("+0.30")
    terminal.press("z")
    terminal.see("does nothing here")
    terminal.press(ENTER)
    assert terminal.end() == (0, True)
    pose = load_profile(Workspace(place)).start_pose
    assert pose is not None
    assert pose[0] > 0.3
    assert "under torque" in terminal.output.decode()


def test_enter_alone_moves_no_real_arm(place: Path) -> None:
    terminal = Terminal(f"setup {ALL} {BOX} {POSE}", place)
    terminal.see("Is the space around the arm free?")
    terminal.press(ENTER)
    code, restored = terminal.end()
    assert (code, restored) == (1, True)
    assert "The arm goes to its start pose." not in terminal.output.decode()
    assert not (place / "ptrctl.toml").exists()


def test_space_during_the_first_motion_holds_the_arm_and_writes_nothing(place: Path) -> None:
    terminal = Terminal(f"setup {ALL} {BOX} {POSE}", place)
    terminal.see("Is the space around the arm free?")
    terminal.press("y")
    terminal.see("The arm goes to its start pose.")
    terminal.press(" ")
    assert terminal.end() == (130, True)
    assert "Nothing was written" in terminal.output.decode()
    assert not (place / "ptrctl.toml").exists()


def test_ctrl_c_at_the_picture_of_a_camera_ends_the_command(place: Path) -> None:
    words = "--robot bench --port /dev/bench --task lift --image-size 64 --rate 5"
    terminal = Terminal(f"setup {words} {BOX} {POSE}", place)
    terminal.see("Which cameras?")
    terminal.press(ENTER)
    terminal.see("Camera 1 of 1")
    terminal.press(INTERRUPT)
    assert terminal.end() == (130, True)
    assert not (place / "ptrctl.toml").exists()


def test_a_kept_camera_is_offered_again_and_a_broken_one_is_not_forced_on_anybody(
    place: Path,
) -> None:
    save_profile(
        Workspace(place),
        Profile(robot="bench", cameras={"front": {"kind": "picture", "path": "gone.png"}}),
    )
    (place / "seen.png").unlink()
    words = "--robot bench --port /dev/bench --task lift --image-size 64 --rate 5 --no-motion"
    terminal = Terminal(f"setup {words} {BOX} {POSE}", place)
    terminal.see("front: picture,path=gone.png")
    terminal.press(DOWN + " " + ENTER)  # Also the one that was found, which is gone meanwhile.
    terminal.see("Use it all the same?")
    terminal.press("n")
    assert terminal.end() == (0, True)
    profile = load_profile(Workspace(place))
    assert list(profile.cameras) == ["front"]
    assert profile.camera == "front"
