"""How well the critic's values foretold the outcomes of trials that `ptrctl evaluate` has run.

Each folder is a session (trials/NAME in a workspace). AUROC is of Q itself and needs no fit. The
calibration error is that of the chances shown live, if the meter was calibrated by then (fitted on
earlier trials: nothing here has seen the outcome), and that of a fit to this session's other trials
(five folds). Intervals are 95 %, bootstrapped by trial.

    python benchmarks/value_meter.py WORKSPACE/trials/SESSION...
"""

from __future__ import annotations

import argparse
from pathlib import Path

from policies.meter import fit_meter
from policies.meter_scores import TrialValues
from ptrctl.meters import trial_values, usable
from ptrctl.trials import load_summary
from ptrctl.value_views import figure_name, figure_rows


def rows_of(trials: list[TrialValues], checkpoint: str, max_steps: int) -> list[tuple[str, str]]:
    """(what, figure in words) for trials of one checkpoint."""
    rows = list(figure_rows(trials, max_steps))
    meter = fit_meter(trials, checkpoint, max_steps)
    if meter is None:
        return [*rows, ("calibration", "too few trials, or nearly all ended alike")]
    error = meter.figures["calibration_error"]
    return [*rows, (figure_name("calibration_error", max_steps), str(error))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sessions", type=Path, nargs="+")
    for folder in parser.parse_args().sessions:
        summary = load_summary(folder)
        plan = summary.plan
        print(f"{folder}: {plan.task}, checkpoint {plan.checkpoint_digest[:12]}, {summary.rate}")
        if not usable(plan, plan.max_steps):
            print("  trials were given up as hopeless, or actions sampled: nothing is measured")
            continue
        trials = trial_values(summary)
        if not trials:
            print("  the recordings hold no values: the critic has not learned")
            continue
        for what, figure in rows_of(trials, plan.checkpoint_digest, plan.max_steps):
            print(f"  {what}: {figure}")


if __name__ == "__main__":
    main()
