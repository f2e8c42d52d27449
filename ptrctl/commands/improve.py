"""`ptrctl improve`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ptrctl.commands.finetune import LearnerName
from ptrctl.options import (
    CheckpointOption,
    JsonOption,
    KitchenOption,
    MaxStepsOption,
    RealtimeOption,
    RobotOption,
    StopHopelessOption,
    TaskOption,
    TrialSeedOption,
    WorkspaceOption,
)
from ptrctl.seeds import MOST_TRIALS
from ptrctl.terminal import console
from recordings.errors import INTERRUPTED


class RewardChoice(enum.Enum):
    """Who labels practice trials."""

    judge = "judge"
    operator = "operator"
    classifier = "classifier"


def improve(
    *,
    task: TaskOption = None,
    checkpoint: CheckpointOption = None,
    trials: Annotated[
        int, typer.Option("--trials", "-n", min=1, max=MOST_TRIALS, help="Practice trials.")
    ] = 20,
    backward: Annotated[
        str,
        typer.Option(
            help="Task that undoes it: both are practised in turn, nobody resets the scene, and "
            "the arm puts back from memory what it took away.",
            show_default="none, the scene is laid out anew for every trial",
        ),
    ] = "",
    learner: Annotated[
        LearnerName | None, typer.Option(help="How to learn.", show_default="the checkpoint's")
    ] = None,
    updates: Annotated[
        int,
        typer.Option(
            min=0,
            help="Learning steps after each trial; with --backward ten times as many before "
            "each measurement.",
        ),
    ] = 50,
    selection: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_TRIALS,
            help="Scored trials of each candidate; below 3 none can be taken.",
        ),
    ] = 20,
    noise: Annotated[
        float,
        typer.Option(min=0.0, max=3.0, help="Exploration, in deviations the policy has learned."),
    ] = 0.3,
    reward: Annotated[
        RewardChoice | None,
        typer.Option(
            help="Who labels practice trials: the simulator's truth, the operator, or a "
            "classifier of pictures. Checkpoints are compared by the truth in any case.",
            show_default="judge in simulation, operator on an arm",
        ),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            help="Recordings for the classifier, where the policy shall see no demonstrations: "
            "the last pictures of successes, and failures."
        ),
    ] = None,
    accept_classifier: Annotated[
        bool,
        typer.Option("--accept-classifier", help="Use the classifier however often it is wrong."),
    ] = False,
    prior: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of prior data to mix in.", show_default="the rehearsal set"),
    ] = None,
    kitchen: KitchenOption = None,
    seed: TrialSeedOption = 0,
    session: Annotated[
        str | None,
        typer.Option(
            help="Name of the folder under trials/.", show_default="from task and checkpoint"
        ),
    ] = None,
    max_steps: MaxStepsOption = 40,
    stop_hopeless: StopHopelessOption = None,
    robot: RobotOption = None,
    realtime: RealtimeOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Let a policy practise by itself and learn between trials; rolls back if it gets worse."""
    with console.starting():
        from ptrctl.sessions.improvement import run_improvement
        from ptrctl.sessions.session_options import ImproveOptions
        from ptrctl.sessions.training import folders_exist
    from ptrctl.workspace import existing_folder

    finished = run_improvement(
        workspace,
        {"robot": robot, "task": task, "kitchen_seed": kitchen},
        ImproveOptions(
            checkpoint=checkpoint,
            trials=trials,
            backward=backward,
            learner=None if learner is None else learner.value,
            updates_per_trial=updates,
            selection_trials=selection,
            noise_scale=noise,
            prior=folders_exist(prior or []),
            seed=seed,
            session=session,
            max_steps=max_steps,
            stop_hopeless=stop_hopeless,
            reward=None if reward is None else reward.value,
            examples=None
            if examples is None
            else existing_folder(
                examples, "Name recordings of the task, or leave `--examples` out."
            ),
            accept_classifier=accept_classifier,
            realtime=realtime is True,
        ),
    )
    if not finished:
        raise typer.Exit(INTERRUPTED)
