"""What scored trials and practice have in common: a policy, an arm, a panel and a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hardware.registry import Cell
from ptrctl.cells import make_cell
from ptrctl.checkpoints import PRETRAINED, is_taken, open_checkpoint
from ptrctl.files import count_lines
from ptrctl.kitchens import warn_of_another_kitchen
from ptrctl.next_command import parking_command
from ptrctl.operator.at_the_arm import PARK, at_the_arm
from ptrctl.operator.interrupts import Interrupts
from ptrctl.operator.operators import NobodyThere
from ptrctl.profile import BUILT_IN, Profile, load_profile
from ptrctl.sessions.session_options import MAX_STEPS, SessionOptions
from ptrctl.terminal import console
from ptrctl.terminal.dashboard import Display, OnPanel, Stage, display
from ptrctl.terminal.panels import View, free_bytes
from ptrctl.trials import COUNTED, TrialRecord
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.logged_trials import TrialEvent, TrialFinished, TrialStarting
from ptrctl.workspace import Workspace, check_folder_name, open_workspace

if TYPE_CHECKING:
    from policies.checkpoint import Checkpoint

EXPECTED_TRIAL_S = 0.7
OTHER_SESSION = "name another session with `--session NAME`"


class Ready(NamedTuple):
    """A policy and the cell that it fits, not yet connected.

    Args:
        workspace, profile: Whose they are.
        name: Of the checkpoint.
        checkpoint, cell: What acts, and where.
    """

    workspace: Workspace
    profile: Profile
    name: str
    checkpoint: Checkpoint
    cell: Cell


def get_ready(folder: Path, flags: dict[str, Any], options: SessionOptions) -> Ready:
    """Find the checkpoint, the task's own or else the shipped one by default, and its cell.

    Raises:
        PtrctlError: There is no task, no such checkpoint, it is another arm's, or the session
            cannot be called so.
    """
    if options.session is not None:
        check_folder_name(options.session, "--session")
    workspace = open_workspace(folder)
    profile = load_profile(workspace).with_flags(**flags)
    task = profile.task_or_fail()
    if profile.source("robot") == BUILT_IN:
        console.note(f"No {workspace.profile_path.name} here: using the simulated arm.")
    name = options.checkpoint or default_checkpoint(workspace, task)
    checkpoint = open_checkpoint(workspace, name)
    cell = make_cell(profile, task=task, realtime=options.realtime)
    check_checkpoint_fits(checkpoint, cell)
    warn_of_another_kitchen(workspace, profile, task, "the trials run")
    return Ready(workspace, profile, name, checkpoint, cell)


def default_checkpoint(workspace: Workspace, task: str) -> str:
    """The task's own checkpoint if it has one, else the shipped one."""
    if is_taken(workspace, task):
        return task
    console.note(f"No checkpoint for {task} yet: trying the shipped one (zero-shot).")
    return PRETRAINED


def check_checkpoint_fits(checkpoint: Checkpoint, cell: Cell) -> None:
    """Raise `CheckpointError` if the checkpoint would move this arm wrongly."""
    from policies.checkpoint import check_fits

    features = cell.station.robot.features
    check_fits(
        checkpoint,
        robot=features.embodiment,
        cameras=sorted(cell.station.cameras),
        control_rate_hz=features.control_rate_hz,
    )


@dataclass(frozen=True)
class TrialSession:
    """A folder of trials that only this command writes into.

    Args:
        ready: What acts, and where.
        folder: Below trials/.
        interrupts: Signals to end between two trials.
        lines_before: Of its logs when the command began.
    """

    ready: Ready
    folder: Path
    interrupts: Interrupts
    lines_before: int

    @property
    def did_nothing(self) -> bool:
        """Whether no trial has been added."""
        return count_lines(self.folder) == self.lines_before

    @contextmanager
    def on_the_arm(
        self, command: str, stage: Stage, max_steps: int, *, labelled_by_operator: bool = False
    ) -> Iterator[tuple[Display, Listeners]]:
        """Connect to the arm and show a panel; afterwards the arm has been let go of.

        Args:
            command: Its name.
            stage: All of its progress.
            max_steps: Time limit of a trial in control periods.
            labelled_by_operator: In simulation too.
        """
        workspace, profile, _, _, cell = self.ready
        with (
            cell.station,
            listening(
                f"ptrctl {command} · {cell.task}",
                [stage],
                replace(cell, judge=None) if labelled_by_operator else cell,
                self.interrupts,
                self.folder,
                max_steps=max_steps,
                camera=profile.camera,
                park=parking_command(workspace, profile),
            ) as shown,
        ):
            yield shown


@contextmanager
def trial_session(ready: Ready, name: str) -> Iterator[TrialSession]:
    """Keep other commands out of a session's folder, and hear signals.

    Raises:
        UsageError: Another command is at work there.
    """
    folder = ready.workspace.trials(name)
    with ready.workspace.alone_in(folder, OTHER_SESSION), Interrupts() as interrupts:
        yield TrialSession(ready, folder, interrupts, count_lines(folder))


@contextmanager
def listening(
    title: str,
    stages: Sequence[Stage],
    cell: Cell,
    interrupts: Interrupts,
    folder: Path,
    *,
    max_steps: int = MAX_STEPS,
    camera: str = "",
    park: str = PARK,
) -> Iterator[tuple[Display, Listeners]]:
    """A display, and who speaks for the operator: signals in simulation, keys on hardware.

    Raises:
        UsageError: The operator would have to label trials, and no panel can be shown.
    """
    if cell.judge is not None:
        with display(title, stages) as shown:
            yield shown, Listeners((shown.listener,), NobodyThere(interrupts))
        return
    console.require_panel(
        "The operator", f"On the arm {cell.station.robot.features.name} a key labels every trial."
    )
    view = View(
        title=title,
        control_rate_hz=cell.station.robot.features.control_rate_hz,
        max_steps=max_steps,
        disk_free_bytes=free_bytes(folder),
    )
    with at_the_arm(
        view, cell, interrupts, folder, camera=camera, wait_for_start=True, park=park
    ) as (panel, operator):
        yield OnPanel(panel, stages), Listeners((panel,), operator)


def reporter(shown: Display, phase: Callable[[], str] = lambda: "") -> Callable[[TrialEvent], None]:
    """Tells a display about trials; `phase` says what they are for."""

    def tell(event: TrialEvent) -> None:
        if isinstance(event, TrialStarting):
            words = str(event.rate) if event.rate.trials else ""
            shown.advance(event.rate.trials, event.total, phase() + words)
        elif isinstance(event, TrialFinished):
            shown.trial(event.record.success if event.record.status == COUNTED else None)
            shown.advance(event.done, event.total, phase() + str(event.rate))

    return tell


def films_lacking(counted: Sequence[TrialRecord], folder: Path) -> dict[str, str]:
    """A row for a panel if some trials have no film: it could not be written."""
    lacking = sum(not (record.video and (folder / record.video).exists()) for record in counted)
    return {"films": f"{lacking} of {len(counted)} could not be written"} if lacking else {}
