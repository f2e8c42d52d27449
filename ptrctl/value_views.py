"""What a report says of the critic's values: a chart, and how well they foretold the outcomes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from ptrctl import charts
from ptrctl.meters import trial_values, usable
from ptrctl.terminal import console
from ptrctl.trials import TrialSummary

if TYPE_CHECKING:
    from policies.meter_scores import Figure, TrialValues


@dataclasses.dataclass(frozen=True)
class ValueView:
    """A part of the page.

    Args:
        chart: SVG text.
        rows: (what, figure in words), measured on this session's trials.
        note: What the reader must not miss, a sentence or "".
    """

    chart: str
    rows: tuple[tuple[str, str], ...]
    note: str = ""


def value_view(name: str, summary: TrialSummary) -> ValueView | None:
    """The values along a session's trials; None if its recordings hold none."""
    damaged: list[Path] = []
    trials = trial_values(summary, damaged=damaged)
    if damaged:
        console.note(
            f"{len(damaged)} of the recordings in {summary.folder} cannot be read, such as "
            f"{damaged[0].name}: the report shows no values of them."
        )
    if not trials:
        return None
    curves = [
        (t.success, t.q.tolist(), None if t.chance is None else t.chance.tolist()) for t in trials
    ]
    chart = charts.value_curves(curves, f"Values {name}")
    limit = summary.plan.max_steps
    if not usable(summary.plan, limit):
        note = "Trials were given up as hopeless, so how well values foretell is not measured here."
        return ValueView(chart, (), note)
    note = (
        ""
        if any(trial.chance is not None for trial in trials)
        else "The meter was not calibrated during these trials: Q orders states, and is no chance."
    )
    return ValueView(chart, figure_rows(trials, limit), note)


def figure_rows(trials: list[TrialValues], max_steps: int) -> tuple[tuple[str, str], ...]:
    """The figures of some trials in words, the calibration error only if a meter foretold."""
    from policies.meter_scores import calibration_error, value_figures

    rows = [
        (figure_name(name, max_steps), str(figure))
        for name, figure in value_figures(trials, max_steps).items()
    ]
    foretold = [(t.chance, t.success) for t in trials if t.chance is not None]
    if foretold:
        error: Figure = calibration_error(foretold)
        rows.append(("calibration error of the chances shown live", str(error)))
    return tuple(rows)


def figure_name(name: str, max_steps: int) -> str:
    """A figure's name for people: "AUROC of Q at step 13 of 40, of trials still running"."""
    if name.startswith("auroc_step_"):
        step = name.removeprefix("auroc_step_")
        return f"AUROC of Q at step {step} of {max_steps}, of trials still running"
    if name.startswith("auroc_"):
        share = name.removeprefix("auroc_").removesuffix("_of_own_length").replace("_", " ")
        return f"AUROC of Q after {share} of the trial's own length, known only afterwards"
    return name.replace("_", " ") + ", held-out trials"
