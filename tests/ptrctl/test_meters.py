"""Calibrations come from finished, labelled, undisturbed trials, and stay with their checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from policies.meter import METER_FILE, Meter, fit_meter, load_meter, save_meter
from policies.meter_scores import TrialValues
from ptrctl.meters import past_trials, refit, refit_after, session_meter, stop_rule
from ptrctl.plan import StopRule, TrialPlan, freeze_plan
from ptrctl.workflows.evaluate import evaluate
from ptrctl.workspace import Workspace
from recordings.errors import UsageError
from recordings.labels import relabel
from recordings.records import Decision, EpisodeInfo, Label, Observation, Outcome
from tests.ptrctl.workflows.fake_cell import Walker, make_fake_cell
from tests.ptrctl.workflows.test_evaluate import PLAN

DIGEST = PLAN.checkpoint_digest


class Valued(Walker):
    """Succeeds from even start states, where its value is higher."""

    def __init__(self) -> None:
        super().__init__(only_even=True)
        self.value = 0.0

    def begin(self, info: EpisodeInfo) -> None:
        super().begin(info)
        seed = info.seed or 0
        self.value = (2.0 if seed % 2 == 0 else 0.0) + 0.1 * (seed % 5)

    def act(self, observation: Observation) -> Decision:
        return dataclasses.replace(super().act(observation), extras={"q": self.value})


def plan_of(trials: int, first: int = 1, **changes: Any) -> TrialPlan:
    seeds = tuple(range(first, first + trials))
    return dataclasses.replace(PLAN, trials=trials, start_seeds=seeds, **changes)


def session(workspace: Workspace, name: str, plan: TrialPlan) -> Path:
    cell = make_fake_cell()
    with cell.station:
        evaluate(plan, cell, Valued(), workspace.trials(name))
    return workspace.trials(name)


def checkpoint(path: Path, *, digest: str = DIGEST, critic_updates: int = 8) -> Any:
    return SimpleNamespace(
        path=path,
        digest=digest,
        short_digest=digest[:12],
        info=SimpleNamespace(critic_updates=critic_updates),
    )


def some_meter(**changes: Any) -> Meter:
    rng = np.random.default_rng(0)
    trials = [TrialValues(rng.normal(n % 2, 1, 8), n % 2 == 1, PLAN.task) for n in range(20)]
    meter = fit_meter(trials, DIGEST, PLAN.max_steps)
    assert meter is not None
    return dataclasses.replace(meter, **changes)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_session_calibrates_its_checkpoint(workspace: Workspace) -> None:
    mine = checkpoint(workspace.checkpoint("mine"))
    session(workspace, "first", plan_of(12))
    assert refit(workspace, mine, PLAN.max_steps) is None
    assert "uncalibrated" in refit_after(workspace, mine, PLAN.max_steps)
    earlier = some_meter(trials=928, successes=791)
    words = refit_after(workspace, mine, PLAN.max_steps, earlier)
    assert words.startswith("calibrated before, on 928 trials (791 successes)")
    session(workspace, "practice/selection-01", plan_of(12, 100))
    words = refit_after(workspace, mine, PLAN.max_steps)
    assert words.startswith("calibrated on 24 trials (12 successes)")
    meter = load_meter(mine.path / METER_FILE)
    assert meter is not None
    assert (meter.trials, meter.successes, meter.checkpoint) == (24, 12, DIGEST)
    assert meter.chance(2.2, 3) > 0.7
    assert meter.chance(0.2, 3) < 0.3


def test_the_same_start_states_again_teach_the_meter_nothing_more(workspace: Workspace) -> None:
    session(workspace, "first", plan_of(4))
    session(workspace, "again", plan_of(4))
    assert len(past_trials(workspace, DIGEST, PLAN.max_steps)) == 4
    session(workspace, "others", plan_of(4, first=3))
    assert len(past_trials(workspace, DIGEST, PLAN.max_steps)) == 6


def test_disturbed_or_other_trials_teach_the_meter_nothing(workspace: Workspace) -> None:
    session(workspace, "other", plan_of(1, checkpoint_digest="another"))
    session(workspace, "stopped", plan_of(1, stop_hopeless=StopRule(0.1, "feed")))
    session(workspace, "sampled", plan_of(1, policy_mode="stochastic"))
    session(workspace, "longer", plan_of(1, max_steps=20))
    assert past_trials(workspace, DIGEST, PLAN.max_steps) == []
    session(workspace, "mine", plan_of(2))
    assert [t.success for t in past_trials(workspace, DIGEST, PLAN.max_steps)] == [False, True]


def test_a_label_given_later_counts_and_a_missing_one_leaves_the_trial_out(
    workspace: Workspace,
) -> None:
    folder = session(workspace, "mine", plan_of(3))
    first, second, _ = sorted((folder / "episodes").glob("*.h5"))
    relabel(first, Label(Outcome.SUCCESS, "", "operator"))
    relabel(second, Label())
    assert [t.success for t in past_trials(workspace, DIGEST, PLAN.max_steps)] == [True, False]


def test_a_critic_that_has_not_learned_has_no_meter(workspace: Workspace) -> None:
    blind = checkpoint(workspace.checkpoint("bc"), critic_updates=0)
    session(workspace, "first", plan_of(24))
    save_meter(blind.path / METER_FILE, some_meter())
    folder = workspace.trials("second")
    assert session_meter(workspace, blind, folder, PLAN.task, PLAN.max_steps) is None
    assert refit_after(workspace, blind, PLAN.max_steps) == ""


def test_a_session_keeps_the_meter_that_it_began_with(workspace: Workspace) -> None:
    mine = checkpoint(workspace.checkpoint("mine"))
    folder = workspace.trials("session")
    early, late = some_meter(), some_meter(q_mean=9.0)
    save_meter(mine.path / METER_FILE, early)
    assert session_meter(workspace, mine, folder, PLAN.task, PLAN.max_steps) == early
    freeze_plan(PLAN, folder)
    save_meter(mine.path / METER_FILE, late)
    assert session_meter(workspace, mine, folder, PLAN.task, PLAN.max_steps) == early
    # One that began without a meter goes on without.
    freeze_plan(PLAN, workspace.trials("blind"))
    blind = workspace.trials("blind")
    assert session_meter(workspace, mine, blind, PLAN.task, PLAN.max_steps) is None


@pytest.mark.parametrize("changes", [{"checkpoint": "other"}, {"tasks": ("x",)}, {"max_steps": 9}])
def test_a_meter_of_something_else_is_not_used(
    workspace: Workspace, changes: dict[str, Any]
) -> None:
    mine = checkpoint(workspace.checkpoint("mine"))
    save_meter(mine.path / METER_FILE, some_meter(**changes))
    folder = workspace.trials("session")
    assert session_meter(workspace, mine, folder, PLAN.task, PLAN.max_steps) is None


def test_a_checkpoint_outside_the_workspace_is_left_as_it_is(tmp_path: Path) -> None:
    workspace, outside = Workspace(tmp_path / "w"), checkpoint(tmp_path / "shipped")
    save_meter(outside.path / METER_FILE, some_meter(q_mean=9.0))
    content = (outside.path / METER_FILE).read_bytes()
    where = (workspace.trials("a"), PLAN.task, PLAN.max_steps)
    before = session_meter(workspace, outside, *where)
    assert before is not None
    assert before.q_mean == 9.0
    session(workspace, "first", plan_of(24))
    fitted = refit(workspace, outside, PLAN.max_steps)
    assert (outside.path / METER_FILE).read_bytes() == content
    # What was fitted here is preferred to what came with the checkpoint.
    assert session_meter(workspace, outside, workspace.trials("b"), *where[1:]) == fitted


def test_trials_are_given_up_only_on_request_and_by_a_calibrated_meter() -> None:
    meter = some_meter()
    assert stop_rule(meter, PLAN.task, None) is None
    assert stop_rule(None, PLAN.task, None) is None
    assert stop_rule(meter, PLAN.task, 0.05) == StopRule(0.05, meter.digest)
    with pytest.raises(UsageError, match="not calibrated"):
        stop_rule(None, PLAN.task, 0.05)


def test_trials_of_a_task_are_given_up_only_if_it_has_trials_enough_of_its_own() -> None:
    rng = np.random.default_rng(0)
    trials = [TrialValues(rng.normal(n % 2, 1, 8), n % 2 == 1, "go_ahead") for n in range(40)]
    trials += [TrialValues(rng.normal(-5, 1, 8), True, "go_back") for _ in range(30)]
    meter = fit_meter(trials, DIGEST, 10)
    assert meter is not None
    # It shows what it expects of both, but no trial of the second has ever failed.
    assert meter.tasks == ("go_ahead", "go_back")
    assert stop_rule(meter, "go_ahead", 0.02) is not None
    with pytest.raises(UsageError, match="not calibrated on enough trials of go_back"):
        stop_rule(meter, "go_back", 0.02)


def test_a_damaged_recording_does_not_cost_the_session(workspace: Workspace) -> None:
    folder = session(workspace, "first", plan_of(24))
    next((folder / "episodes").glob("*.h5")).write_bytes(b"no recording")
    mine = checkpoint(workspace.checkpoint("mine"))
    words = refit_after(workspace, mine, PLAN.max_steps)
    assert words.startswith("calibrated on 23 trials")
    (folder / "plan.json").write_text("{")
    assert refit_after(workspace, mine, PLAN.max_steps) == "not calibrated"
