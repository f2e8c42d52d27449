"""`record`, `finetune`, `evaluate`, `improve` to the end on every arm, and a fault in the middle.

An operator sits at a real terminal; behind the driver is the arm's peer from `tests.hardware`. With
PTRCTL_KEEP_LOGS=FOLDER the screens that the operator saw are written there; those of one run are in
`real_arm_logs/`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptrctl.profile import Profile, save_profile
from ptrctl.workspace import Workspace
from recordings.dataset import EpisodeFolder
from recordings.records import EndReason, Outcome
from tests.hardware.peers import PEERS, Peer, open_peer
from tests.ptrctl.terminal import PTRCTL, Terminal

pytestmark = [pytest.mark.sim, pytest.mark.slow, pytest.mark.timeout(600)]

TASK = "put_cup_on_shelf"
"""No simulator knows it: on a real arm a task is whatever the operator says."""


class Lab:
    """An operator's workspace with an arm."""

    def __init__(self, name: str, peer: Peer, folder: Path) -> None:
        self.name, self.peer, self.folder = name, peer, folder
        # Behind the remote arm is the simulated one, and says so.
        self.real = peer.robot != "remote"
        self.workspace = Workspace(folder)
        profile = Profile(
            robot=peer.robot,
            task=TASK,
            image_size=64,
            robot_options=peer.options,
            cameras=peer.cameras,
        )
        save_profile(self.workspace, profile)
        self.screens: list[str] = []

    def operator(self, words: str) -> Terminal:
        self.screens.append(f"$ ptrctl {words}")
        return Terminal(words, self.folder, self.peer.env)

    def see(self, terminal: Terminal, words: str) -> None:
        terminal.see(words)
        self.screens.append(f"--- the operator sees `{words}`\n{shown_by(terminal)}")

    def ends(self, terminal: Terminal) -> int:
        code, restored = terminal.end()
        self.screens.append(f"--- the end\n{shown_by(terminal)}")
        assert restored, "the terminal's settings were not put back"
        return code

    def script(self, words: str) -> int:
        """Run a command without a terminal; its exit code."""
        done = subprocess.run(
            [str(PTRCTL), *words.split()],
            cwd=self.folder,
            env={**os.environ, **self.peer.env},
            capture_output=True,
            text=True,
            check=False,
        )
        self.screens.append(f"$ ptrctl {words}\n{done.stderr}{done.stdout}")
        return done.returncode

    def keep_log(self) -> None:
        if folder := os.environ.get("PTRCTL_KEEP_LOGS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            text = "\n\n".join(self.screens).replace(str(self.folder), "lab")
            (Path(folder) / f"{self.name}.txt").write_text(text + "\n", encoding="utf-8")

    def begins(self, terminal: Terminal) -> None:
        """The operator lets the arm go to its start pose, and starts."""
        if self.real:
            self.see(terminal, "ready for the start pose")
            assert self.peer.is_still(), "the arm moved before it was asked to"
            terminal.press("s")
        self.see(terminal, "ready to start")
        terminal.press("s")

    def next_one(self, terminal: Terminal) -> None:
        self.see(terminal, "ready to start")
        terminal.press("s")

    def label(self, terminal: Terminal, key: str = "y") -> None:
        def over() -> bool:
            return any(words in "\n".join(terminal.screen.display) for words in (wanted, late))

        wanted, late = "waiting for a ", "s late. "
        terminal.read_until(over, "end of the attempt")
        if late in "\n".join(terminal.screen.display):
            # The machine is busy; an attempt that a fault has ended is run once more.
            self.begins(terminal)
            terminal.see(wanted)
        assert self.peer.is_still()
        terminal.press(key)


def shown_by(terminal: Terminal) -> str:
    """The screen without the camera's picture."""
    lines = [re.sub("▀+", "▀", line).rstrip() for line in terminal.screen.display]
    return "\n".join(line for line in lines if line and not re.match(r"code=|[0-9a-f]+:", line))


def wait_for_step(terminal: Terminal, number: int) -> None:
    def there() -> bool:
        found = re.search(r"step +(\d+) of", "\n".join(terminal.screen.display))
        return found is not None and int(found[1]) >= number

    terminal.read_until(there, f"step {number}")


@pytest.fixture(params=PEERS)
def lab(request, tmp_path: Path) -> Iterator[Lab]:
    with open_peer(request.param, realtime=True) as peer:
        made = Lab(request.param, peer, tmp_path)
        yield made
        made.keep_log()


def test_the_whole_way_on_a_real_arm(lab: Lab) -> None:
    record(lab)
    finetune(lab)
    evaluate(lab)
    improve(lab)
    interrupt_and_park(lab)
    meet_a_fault(lab)


def record(lab: Lab) -> None:
    terminal = lab.operator("record --episodes 2 --max-steps 30")
    lab.begins(terminal)
    terminal.see("hold")
    terminal.press("j")
    wait_for_step(terminal, 4)
    terminal.press(" ")
    lab.see(terminal, "the arm holds")
    terminal.press("p")
    terminal.see("stop, then label")
    terminal.press("y")
    lab.next_one(terminal)
    terminal.see("stop, then label")
    terminal.press("l")
    wait_for_step(terminal, 4)
    terminal.press("y")
    assert lab.ends(terminal) == 0
    assert lab.real == ("parked" in "\n".join(terminal.screen.display))
    assert lab.peer.is_still()
    kept = EpisodeFolder(lab.workspace.demos(TASK)).summaries()
    assert [summary.label.outcome for summary in kept] == [Outcome.SUCCESS] * 2
    assert lab.real == ({summary.info.seed for summary in kept} == {None})
    assert len({summary.info.embodiment for summary in kept}) == 1


def finetune(lab: Lab) -> None:
    assert lab.script("finetune --from-scratch --preset tiny --learner bc --steps 4") == 0


def evaluate(lab: Lab) -> None:
    terminal = lab.operator("evaluate --trials 2 --max-steps 6")
    lab.begins(terminal)
    lab.label(terminal)
    lab.next_one(terminal)
    lab.label(terminal, "f")
    terminal.see("missed grasp")
    terminal.press("m")
    assert lab.ends(terminal) == 0
    lab.see(terminal, "1/2")


def improve(lab: Lab) -> None:
    terminal = lab.operator("improve --trials 1 --selection 1 --updates 2 --max-steps 6")
    lab.begins(terminal)
    lab.label(terminal)
    lab.next_one(terminal)
    lab.label(terminal)
    # After it has learned, the arm asks anew.
    lab.begins(terminal)
    lab.label(terminal)
    assert lab.ends(terminal) == 0


def interrupt_and_park(lab: Lab) -> None:
    terminal = lab.operator("record --episodes 4 --max-steps 60")
    lab.begins(terminal)
    wait_for_step(terminal, 2)
    terminal.press("\x03")
    assert lab.ends(terminal) == 130
    assert lab.real == ("holds where it is" in "\n".join(terminal.screen.display))
    assert lab.peer.is_still()
    assert lab.script("stop --park") == (0 if lab.real else 2)
    assert lab.peer.is_still()


def meet_a_fault(lab: Lab) -> None:
    terminal = lab.operator("record --episodes 4 --max-steps 60")
    lab.begins(terminal)
    wait_for_step(terminal, 2)
    lab.peer.faults["lost"]()
    lab.see(terminal, "The arm was stopped")
    assert lab.peer.is_still()
    terminal.press("z")
    assert lab.ends(terminal) == 3
    last = EpisodeFolder(lab.workspace.demos(TASK)).summaries()[-1]
    assert last.end.reason is EndReason.FAULT
    assert last.end.fault
    assert last.label.outcome is Outcome.UNLABELLED
