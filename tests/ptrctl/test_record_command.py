"""`ptrctl record`, `setup`, `data` and `doctor` on the simulated arm, without a terminal."""

from __future__ import annotations

import errno
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from hardware.checks import Finding, Health
from ptrctl.doctor.machine_checks import check_rendering
from ptrctl.episodes import _in_words
from ptrctl.main import app
from ptrctl.profile import load_profile
from ptrctl.sessions.recording import _labelling, _warn_of_camera
from ptrctl.terminal import console
from ptrctl.workspace import Workspace
from recordings.dataset import EpisodeFolder
from recordings.labels import label_path
from recordings.reader import read_episode
from tests.ptrctl.terminal import PTRCTL
from tests.ptrctl.workflows.fake_cell import make_fake_cell
from tests.recordings.episodes import record as record_episode

pytestmark = pytest.mark.sim

TASK = "put_carrot_on_plate"


def ptrctl(workspace: Path, *words: str) -> Result:
    command = words[:2] if words[0] == "data" else words[:1]
    rest = words[len(command) :]
    return CliRunner().invoke(app, [*command, "--workspace", str(workspace), *rest])


def as_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    data: dict[str, Any] = json.loads(result.stdout)
    return data


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two recorded demonstrations."""
    workspace = tmp_path_factory.mktemp("lab")
    result = ptrctl(workspace, "record", "-t", TASK, "--demonstrator", "scripted", "-n", "2")
    assert result.exit_code == 0, result.stderr
    return workspace


def test_the_scripted_demonstrator_records_without_a_terminal(tmp_path: Path) -> None:
    result = ptrctl(tmp_path, "record", "-t", TASK, "--demonstrator", "scripted", "-n", "1")
    assert result.exit_code == 0
    assert "The demonstrations are complete" in result.stdout
    assert f"ptrctl finetune --task {TASK}" in " ".join(result.stdout.split())
    assert "Kept: success, 1 of 1 wanted; " in result.stderr
    assert "using the simulated arm" in result.stderr
    assert len(EpisodeFolder(tmp_path / "demos" / TASK).paths()) == 1


def test_episodes_without_a_label_are_named_with_the_command_that_helps(
    demos: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(demos / "demos" / TASK, tmp_path / "demos" / TASK)
    first, second = EpisodeFolder(folder).paths()
    for path in (first, second):
        assert ptrctl(tmp_path, "data", "label", str(path), "unlabelled").exit_code == 0
    here = Workspace(tmp_path)
    assert _labelling(here, TASK, folder) == f"ptrctl data list --task {TASK}{here.flag()}"
    assert ptrctl(tmp_path, "data", "label", str(second), "success").exit_code == 0
    command = _labelling(here, TASK, folder)
    assert command == f"ptrctl data label {first.stem} success{here.flag()}"
    assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0


def test_record_says_that_the_shipped_checkpoint_looks_through_another_camera(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cell = make_fake_cell()
    _warn_of_camera(cell)
    said = " ".join(capsys.readouterr().err.split())
    assert "looks through `over_shoulder`, and these are recorded with front" in said
    cell.station.cameras = {"over_shoulder": cell.station.cameras["front"]}
    _warn_of_camera(cell)
    assert capsys.readouterr().err == ""


def test_recording_again_continues_towards_the_total(demos: Path) -> None:
    words = ("record", "-t", TASK, "--demonstrator", "scripted", "-n", "3", "--json")
    data = as_json(ptrctl(demos, *words))
    assert data["counts"]["success"] == 3
    assert len(data["kept"]) == 1
    assert as_json(ptrctl(demos, *words))["kept"] == []


def test_an_episode_knows_its_task_arm_camera_seed_and_kitchen(tmp_path: Path) -> None:
    words = ("--demonstrator", "scripted", "-n", "1", "--kitchen", "7", "--seed", "40")
    assert ptrctl(tmp_path, "record", "-t", "open_drawer", *words).exit_code == 0
    (path,) = EpisodeFolder(tmp_path / "demos" / "open_drawer").paths()
    info = read_episode(path).info
    assert (info.task, info.kind, info.decided_by, info.seed) == (
        "open_drawer",
        "demo",
        "scripted",
        40,
    )
    assert info.scene["kitchen"] == 7
    assert info.robot["name"] == "sim-wx250s"
    assert info.cameras["over_shoulder"]["height"] == 128


def test_the_same_seed_records_the_same_episode(tmp_path: Path) -> None:
    episodes = []
    for name in ("a", "b"):
        ptrctl(tmp_path / name, "record", "-t", TASK, "--demonstrator", "scripted", "-n", "1")
        (path,) = EpisodeFolder(tmp_path / name / "demos" / TASK).paths()
        episodes.append(read_episode(path))
    first, second = episodes
    assert (first.states == second.states).all()
    assert (first.images("over_shoulder") == second.images("over_shoulder")).all()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-t", TASK], 2, "--demonstrator scripted"),
        (["-t", "put_carot_on_plate", "--demonstrator", "scripted"], 2, TASK),
        (["--demonstrator", "scripted"], 2, "Add `--task NAME`"),
        (["-t", TASK, "--demonstrator", "scripted", "--label-by", "operator"], 2, "--label-by"),
        (["-t", TASK, "--demonstrator", "scripted", "--robot", "wx250"], 2, "--robot"),
    ],
)
def test_a_call_that_cannot_work_says_what_to_type(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    result = ptrctl(tmp_path, "record", *words)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "demos").exists()


def test_a_profile_that_does_not_fit_the_arm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ptrctl.toml").write_text("[robot]\ncontrol_rate_hz = 10.0\n")
    result = ptrctl(tmp_path, "record", "-t", TASK, "--demonstrator", "scripted")
    assert result.exit_code == 2
    assert "runs at 5 Hz" in result.stderr
    (tmp_path / "ptrctl.toml").write_text("[camera]\nname = 'wrist'\n")
    result = ptrctl(tmp_path, "record", "-t", TASK, "--demonstrator", "scripted")
    assert "over_shoulder" in result.stderr


def test_the_profiles_workspace_box_holds_the_arm(tmp_path: Path) -> None:
    (tmp_path / "ptrctl.toml").write_text(
        "[workspace_box]\nlow_m = [0.1, -0.3, 0.14]\nhigh_m = [0.5, 0.3, 0.4]\n"
    )
    words = ("--demonstrator", "scripted", "-n", "1", "--failures", "1", "--max-steps", "20")
    assert ptrctl(tmp_path, "record", "-t", TASK, *words).exit_code == 0
    (summary,) = EpisodeFolder(tmp_path / "demos" / TASK).summaries()
    assert summary.end.interventions["workspace_box"] > 0
    assert read_episode(summary.path).states[:, 2].min() > 0.12


def test_data_lists_and_shows_what_was_recorded(demos: Path, tmp_path: Path) -> None:
    listed = as_json(ptrctl(demos, "data", "list", "--json"))["episodes"]
    assert {episode["task"] for episode in listed} == {TASK}
    sheet = tmp_path / "sheet.png"
    shown = ptrctl(demos, "data", "show", "last", "--png", str(sheet))
    assert shown.exit_code == 0
    assert "driven by scripted" in shown.stdout
    with Image.open(sheet) as picture:
        assert picture.width == 8 * 128
    name = listed[0]["episode_id"]
    assert as_json(ptrctl(demos, "data", "show", name, "--json"))["episode_id"] == name


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_a_list_cuts_nothing(demos: Path, monkeypatch, columns: int) -> None:
    monkeypatch.setattr(console.results(), "width", columns)
    shown = ptrctl(demos, "data", "list").stdout
    paths = EpisodeFolder(demos / "demos" / TASK).paths()
    assert all(path.stem in shown for path in paths)
    # Each with its task and who acted, none of them folded.
    assert shown.count(TASK) == shown.count("scripted") == len(paths)
    assert max(map(len, shown.splitlines())) <= columns


def test_equal_motors_of_an_arm_are_told_together() -> None:
    motors = {"1": "XM430", "2": "XM430", "3": "XL430"}
    words = _in_words({"name": "dynamixel", "motors": motors})
    assert words == "name dynamixel, motors 1 2: XM430; 3: XL430"


def test_data_label_changes_a_label_and_stats_count_it(demos: Path) -> None:
    before = as_json(ptrctl(demos, "data", "stats", "--json"))["folders"][0]["outcomes"]
    words = ("data", "label", "last", "failure", "--reason", "knocked the plate")
    assert ptrctl(demos, *words).exit_code == 0
    after = as_json(ptrctl(demos, "data", "stats", "--json"))["folders"][0]["outcomes"]
    assert after["failure"] == before["failure"] + 1
    label = as_json(ptrctl(demos, "data", "show", "last", "--json"))["label"]
    assert label == {
        "outcome": "failure",
        "reason": "knocked the plate",
        "labelled_by": "operator",
    }
    assert ptrctl(demos, "data", "label", "last", "success").exit_code == 0
    assert "satur." in ptrctl(demos, "data", "stats").stdout


def test_an_episode_that_does_not_exist_or_is_not_unique_is_an_error(demos: Path) -> None:
    missing = ptrctl(demos, "data", "show", "nonsense")
    assert missing.exit_code == 4
    assert "ptrctl data list" in missing.stderr
    several = ptrctl(demos, "data", "label", "202", "success")
    assert several.exit_code == 2
    assert "Type more" in several.stderr


def test_verify_finds_a_truncated_file_and_list_survives_it(tmp_path: Path) -> None:
    ptrctl(tmp_path, "record", "-t", TASK, "--demonstrator", "scripted", "-n", "2")
    assert ptrctl(tmp_path, "data", "verify").exit_code == 0
    broken = EpisodeFolder(tmp_path / "demos" / TASK).paths()[0]
    broken.write_bytes(broken.read_bytes()[:1000])
    result = ptrctl(tmp_path, "data", "verify", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["damaged"] == [str(broken)]
    listed = as_json(ptrctl(tmp_path, "data", "list", "--json"))
    assert len(listed["episodes"]) == 1
    assert listed["unreadable"] == [str(broken)]
    shown = ptrctl(tmp_path, "data", "list")
    assert "unreadable" in shown.stdout
    assert "2 episodes: 1 success, 0 failure, 0 unlabelled, 1 unreadable." in shown.stderr


def test_damaged_episodes_are_moved_away_by_the_command_that_verify_names(tmp_path: Path) -> None:
    record = ("record", "-t", TASK, "--demonstrator", "scripted", "-n", "2")
    ptrctl(tmp_path, *record)
    broken = EpisodeFolder(tmp_path / "demos" / TASK).paths()[0]
    ptrctl(tmp_path, "data", "label", str(broken), "failure")
    broken.write_bytes(broken.read_bytes()[:1000])
    refused = ptrctl(tmp_path, *record)
    assert refused.exit_code == 4
    assert "ptrctl data verify" in refused.stderr
    told = json.loads(ptrctl(tmp_path, "data", "verify", "--json").stdout)["next"]
    moved = CliRunner().invoke(app, [*shlex.split(told)[1:], "--json"])
    assert moved.exit_code == 0, moved.output
    quarantine = broken.parent / "quarantine"
    assert json.loads(moved.stdout)["wrote"] == [str(quarantine / broken.name)]
    assert len(list(quarantine.iterdir())) == 2
    assert ptrctl(tmp_path, "data", "verify").exit_code == 0
    assert ptrctl(tmp_path, *record).exit_code == 0
    assert len(EpisodeFolder(broken.parent).paths()) == 2


def test_a_damaged_label_file_moves_no_whole_recording_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demos" / TASK
    good, broken = (record_episode(folder, name) for name in ("e0", "e1"))
    label_path(good).write_text("{")
    for words in ((), ("--quarantine",)):
        result = ptrctl(tmp_path, "data", "verify", *words, "--json")
        assert result.exit_code == 4
        told = json.loads(result.stdout)
        assert (told["damaged"], told["next"], told["wrote"]) == ([str(good)], None, [])
    monkeypatch.setattr(console.results(), "width", 80)
    shown = ptrctl(tmp_path, "data", "verify")
    assert "e0.label.json" in shown.stdout
    broken.write_bytes(broken.read_bytes()[:1000])
    result = ptrctl(tmp_path, "data", "verify", "--quarantine", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["wrote"] == [str(folder / "quarantine" / broken.name)]
    assert [path.name for path in EpisodeFolder(folder).paths()] == [good.name]


@pytest.mark.parametrize(
    "words", ["list", "show", "label last success", "verify", "stats", "recover", f"list -t {TASK}"]
)
def test_a_workspace_that_does_not_exist_holds_no_healthy_episodes(
    tmp_path: Path, words: str
) -> None:
    result = ptrctl(tmp_path / "typo", "data", *words.split(), "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["found"] == f"There is no folder `{tmp_path}/typo`."


def test_a_workspace_that_is_not_looked_through_need_not_exist(demos: Path) -> None:
    folder = demos / "demos" / TASK
    assert ptrctl(demos / "new", "data", "verify", "--folder", str(folder)).exit_code == 0


def test_no_episode_is_not_called_healthy(tmp_path: Path) -> None:
    result = ptrctl(tmp_path, "data", "verify")
    assert result.exit_code == 0
    assert "! There is no episode" in result.stdout


def test_recover_counts_nothing_of_another_user_and_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "demos" / TASK / ".e0.partial"
    journal.parent.mkdir(parents=True)
    journal.touch()
    monkeypatch.setattr("recordings.recovery._other_owner", lambda path: "alice")
    result = ptrctl(tmp_path, "data", "recover", "--json")
    (left,) = as_json(result)["recovered"]
    assert left["fate"] == "left alone"
    assert "`alice`" in left["reason"]
    shown = ptrctl(tmp_path, "data", "recover")
    assert "No episode of yours was interrupted" in shown.output
    assert "data list" not in shown.output
    assert journal.exists()


def test_recover_says_when_there_is_nothing(demos: Path) -> None:
    assert as_json(ptrctl(demos, "data", "recover", "--json"))["recovered"] == []
    missing = ptrctl(demos, "data", "recover", "--folder", str(demos / "nowhere"))
    assert missing.exit_code == 2


@pytest.mark.parametrize("text", ["[robot\n", "[camera]\nimage_size = 33.5\n"])
def test_setup_begins_anew_where_the_profile_cannot_be_read_and_keeps_it(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "ptrctl.toml").write_text(text)
    result = ptrctl(tmp_path, "setup", "--yes", "--no-motion", "--task", TASK)
    assert result.exit_code == 0, result.output
    assert "setup begins anew" in " ".join(result.stderr.split())
    assert (tmp_path / "ptrctl.toml.unreadable").read_text() == text
    assert load_profile(Workspace(tmp_path)).task == TASK


def test_setup_writes_a_profile_and_a_reference_picture(tmp_path: Path) -> None:
    result = ptrctl(tmp_path, "setup", "--yes", "--task", TASK, "--kitchen", "3")
    assert result.exit_code == 0, result.stderr
    assert "follows within" in result.stdout
    assert "kitchen_seed = 3" in (tmp_path / "ptrctl.toml").read_text()
    assert (tmp_path / "reference-over_shoulder.png").exists()
    assert "ptrctl record" in result.stdout


def test_setup_without_a_terminal_names_the_flags_that_are_missing(tmp_path: Path) -> None:
    result = ptrctl(tmp_path, "setup", "--task", TASK)
    assert result.exit_code == 2
    assert "--robot, --kitchen, --camera, --image-size, --rate" in " ".join(result.stderr.split())
    assert not (tmp_path / "ptrctl.toml").exists()


def test_setup_asks_nothing_when_every_flag_is_given(tmp_path: Path) -> None:
    words = ("--robot", "sim-wx250s", "--task", TASK, "--kitchen", "1", "--image-size", "64")
    words += ("--camera", "over_shoulder", "--rate", "5")
    box = ("--box-low", "0.1", "-0.3", "0.0", "--box-high", "0.5", "0.3", "0.4")
    data = as_json(ptrctl(tmp_path, "setup", *words, *box, "--no-motion", "--json"))
    assert data["profile"]["workspace_box.high_m"] == [0.5, 0.3, 0.4]


def test_setup_with_yes_chooses_a_task_so_that_record_needs_no_flag(tmp_path: Path) -> None:
    data = as_json(ptrctl(tmp_path, "setup", "--yes", "--no-motion", "--json"))
    assert data["profile"]["session.task"] == TASK
    assert data["next"].startswith("ptrctl record")
    assert ptrctl(tmp_path, "record", "--demonstrator", "scripted", "-n", "1").exit_code == 0


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ("--camera wrist", 2, "over_shoulder"),
        ("--rate 10", 2, "runs at 5 Hz"),
        ("--box-low 1 1 1", 2, "--box-high"),
        ("--box-low 1 1 1 --box-high 2 2 2", 2, "outside the workspace box"),
        ("--box-low 0 0 .25 --box-high 1 1 1 --no-motion", 2, "outside the workspace box"),
        ("--start-pose 0.3 0 0.15 0 0 0 --no-motion", 2, "choose a real arm"),
    ],
)
def test_setup_refuses_what_does_not_fit_the_arm(
    tmp_path: Path, flags: str, code: int, words: str
) -> None:
    result = ptrctl(tmp_path, "setup", "--yes", *flags.split())
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "ptrctl.toml").exists()


def test_setup_lists_the_tasks(tmp_path: Path) -> None:
    tasks = as_json(ptrctl(tmp_path, "setup", "--list-tasks", "--json"))["tasks"]
    assert TASK in tasks
    assert len(tasks) >= 12


def test_setup_refuses_an_arm_that_does_not_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptrctl.setup.motion_check.TOLERANCE_M", 1e-6)
    result = ptrctl(tmp_path, "setup", "--yes", "--task", TASK)
    assert result.exit_code == 3
    assert "away from where it was sent" in result.stderr
    assert not (tmp_path / "ptrctl.toml").exists()


def test_the_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    data = as_json(ptrctl(tmp_path, "doctor", "--json"))
    health = {check["name"]: check["health"] for check in data["checks"]}
    assert health["Python"] == health["torch"] == health["rendering"] == "ok"
    assert health["terminal"] == "warning"
    assert "rendering" in ptrctl(tmp_path, "doctor").stdout


def test_the_doctor_fails_with_6_and_names_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Finding("rendering", Health.FAIL, "Cannot draw.", "Run `sudo apt-get install x`.")
    monkeypatch.setattr("ptrctl.doctor.diagnosis.check_rendering", lambda: broken)
    result = ptrctl(tmp_path, "doctor")
    assert result.exit_code == 6
    assert "sudo apt-get install x" in result.stdout


def test_the_doctor_names_the_package_when_nothing_can_draw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "no-such-backend")
    finding = check_rendering()
    assert finding.health is Health.FAIL
    assert "MUJOCO_GL=no-such-backend" in finding.found
    assert "libegl1" in finding.fix
    assert "libosmesa6" in finding.fix


def test_the_doctor_survives_a_disk_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "demos" / TASK / ".e0.partial"
    journal.parent.mkdir(parents=True)
    journal.touch()

    def refuse(folder: Path) -> list[Path]:
        raise OSError(errno.EROFS, "Read-only file system", str(journal))

    monkeypatch.setattr("recordings.recovery.leftovers", refuse)
    result = ptrctl(tmp_path, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["leftovers"]["health"] == "warning"
    assert "Read-only" in checks["leftovers"]["found"]
    assert "ptrctl data recover" in checks["leftovers"]["fix"]


def test_the_doctor_reports_a_broken_profile(tmp_path: Path) -> None:
    (tmp_path / "ptrctl.toml").write_text("[robot")
    result = ptrctl(tmp_path, "doctor", "--json")
    assert result.exit_code == 6
    profile = next(c for c in json.loads(result.stdout)["checks"] if c["name"] == "profile")
    assert profile["health"] == "FAIL"


def test_a_full_disk_ends_with_4_keeps_what_there_was_and_recover_saves_it(tmp_path: Path) -> None:
    # A limit on the size of files looks like a full disk to whoever writes one.
    words = f"record -w {tmp_path} -t {TASK} --demonstrator scripted -n 1"
    run = subprocess.run(
        ["/bin/bash", "-c", f"ulimit -f 40; exec {PTRCTL} {words}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 4, run.stderr
    assert "Error: " in run.stderr
    assert "Traceback" not in run.stderr
    assert len(EpisodeFolder(tmp_path / "demos" / TASK).paths()) == 0

    checks = json.loads(ptrctl(tmp_path, "doctor", "--json").stdout)["checks"]
    leftovers = next(check for check in checks if check["name"] == "leftovers")
    assert "ptrctl data recover" in leftovers["fix"]
    (recovered,) = as_json(ptrctl(tmp_path, "data", "recover", "--json"))["recovered"]
    assert recovered["fate"] == "recovered"
    assert recovered["steps"] >= 1
    assert len(EpisodeFolder(tmp_path / "demos" / TASK).paths()) == 1


def test_one_at_a_time_records_a_task(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    words = ("record", "-t", TASK, "--demonstrator", "scripted", "-n", "1")
    with workspace.alone_in(workspace.demos(TASK), "wait"):
        result = ptrctl(tmp_path, *words)
        assert result.exit_code == 2
        assert "another workspace with `--workspace`" in " ".join(result.stderr.split())
    assert ptrctl(tmp_path, *words).exit_code == 0
    assert len(EpisodeFolder(workspace.demos(TASK)).paths()) == 1


def test_an_excerpt_says_which_copies_it_set_aside(tmp_path: Path) -> None:
    recorded = ptrctl(tmp_path, "record", "-t", TASK, "--demonstrator", "scripted", "-n", "2")
    assert recorded.exit_code == 0
    source, small = tmp_path / "demos" / TASK, tmp_path / "small"
    words = ["data", "excerpt", str(source), "--out", str(small), "--json"]

    def excerpt() -> dict[str, Any]:
        return as_json(CliRunner().invoke(app, words))

    first = CliRunner().invoke(app, words)
    assert as_json(first)["set_aside"] == []
    assert "copying episodes: 2/2" in first.stderr
    name = EpisodeFolder(source).paths()[0].stem
    assert ptrctl(tmp_path, "data", "label", name, "failure").exit_code == 0
    told = excerpt()
    assert told["episodes"] == 1
    (aside,) = told["set_aside"]
    assert (Path(aside).parent, Path(aside).stem) == (small / "quarantine", name)
