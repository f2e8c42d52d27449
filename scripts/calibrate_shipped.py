"""Calibrate the value meter of the checkpoint that comes with ptrctl, and write it beside it.

A few trials of each task that the checkpoint has learned, each task in a kitchen of its own that
nothing else uses. Finished trials are kept in OUT, so the script goes on where it stopped. To be
run again whenever the shipped checkpoint changes: a meter of another checkpoint is not used.

    python scripts/calibrate_shipped.py OUT [--trials-per-task 4]
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

from hardware.registry import CellRequest, make_sim_cell
from policies.checkpoint import load_checkpoint
from policies.meter import METER_FILE, fit_meter, save_meter
from policies.policy import Policy
from ptrctl.checkpoints import PRETRAINED, shipped_folder
from ptrctl.meters import trial_values
from ptrctl.plan import TrialPlan
from ptrctl.seeds import evaluation_seeds
from ptrctl.sessions.session_options import MAX_STEPS
from ptrctl.workflows.attempt import now_utc
from ptrctl.workflows.evaluate import evaluate

FIRST_KITCHEN = 1_100_000
"""Beyond every kitchen of prior data and of every benchmark."""

SEED = 9_000
"""Of the start states."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials-per-task", type=int, default=4)
    options = parser.parse_args()
    checkpoint = load_checkpoint(shipped_folder())
    policy = Policy.from_checkpoint(checkpoint)
    trials = []
    for number, task in enumerate(sorted(checkpoint.info.tasks.names)):
        kitchen = FIRST_KITCHEN + number
        cell = make_sim_cell(CellRequest(task=task, kitchen_seed=kitchen, realtime=False))
        plan = TrialPlan(
            task=task,
            criterion=cell.criterion,
            trials=options.trials_per_task,
            start_seeds=evaluation_seeds(SEED, options.trials_per_task),
            robot=cell.station.robot.features.name,
            kitchen_seed=kitchen,
            checkpoint=PRETRAINED,
            checkpoint_digest=checkpoint.digest,
            max_steps=MAX_STEPS,
            created_at=now_utc(),
            code_version=version("ptrctl"),
        )
        with cell.station:
            summary = evaluate(plan, cell, policy, options.out / f"{checkpoint.digest[:8]}-{task}")
        trials += trial_values(summary)
        print(f"{task} in kitchen {kitchen}: {summary.rate}", flush=True)
    meter = fit_meter(trials, checkpoint.digest, MAX_STEPS)
    if meter is None:
        raise SystemExit("Too few trials, or nearly all ended alike: nothing was written.")
    save_meter(shipped_folder() / METER_FILE, meter)
    print(f"{meter.successes} of {meter.trials} trials succeeded")
    for name, figure in meter.figures.items():
        print(f"{name}: {figure}")


if __name__ == "__main__":
    main()
