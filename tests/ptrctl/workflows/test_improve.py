"""Practice counts only if measured success has not fallen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from policies.checkpoint import Checkpoint
from ptrctl.plan import freeze_same
from ptrctl.practice_plan import ImprovePlan
from ptrctl.statistics import Rate
from ptrctl.trials import TrialLog, TrialRecord, summarise
from ptrctl.workflows.attempt import Listeners
from ptrctl.workflows.improve import _Session
from ptrctl.workflows.improve_result import (
    NOT_DECIDED,
    NOTHING_LEARNED,
    Candidate,
    ImproveResult,
    choose_checkpoint,
)
from ptrctl.workflows.practice_learning import FIRST_DEMONSTRATIONS
from recordings.errors import UsageError
from tests.ptrctl.workflows.fake_cell import Walker, make_fake_cell
from tests.recordings.episodes import record as record_episode

PLAN = ImprovePlan(
    task="go_ahead",
    backward="",
    trials=2,
    practice_seeds=(300, 301),
    selection_seeds=(200, 201, 202, 203),
    robot="fake",
    kitchen_seed=0,
    criterion="the gripper is 30 cm ahead",
    checkpoint="walker",
    checkpoint_digest="abc",
    updates_per_trial=50,
    noise_scale=0.3,
    max_steps=40,
)


def candidate(name: str, successes: int) -> Candidate:
    return measured(name, [trial < successes for trial in range(len(PLAN.selection_seeds))])


def measured(name: str, successes: Sequence[bool]) -> Candidate:
    seeds = tuple(range(200, 200 + len(successes)))
    plan = replace(PLAN, selection_seeds=seeds).selection_plan(name)
    records = [
        TrialRecord(trial, seed, "counted", success=successes[trial])
        for trial, seed in enumerate(seeds)
    ]
    info: Any = None
    return Candidate(Checkpoint(Path(name), info, name), summarise(plan, records, Path(name)))


def test_a_better_candidate_is_recommended() -> None:
    chosen, verdict = choose_checkpoint(candidate("old", 1), [candidate("new", 4)])
    assert chosen.digest == "new"
    assert "1/4" in verdict
    assert "4/4" in verdict


@pytest.mark.parametrize("successes", [3, 4])
def test_what_may_be_luck_is_rolled_back_and_the_verdict_says_so(successes: int) -> None:
    chosen, verdict = choose_checkpoint(candidate("old", 2), [candidate("new", successes)])
    assert chosen.digest == "old"
    assert f"({successes - 2} of the same starts won, 0 lost), which may be luck" in verdict


@pytest.mark.parametrize(
    ("won", "lost", "taken"),
    [(3, 0, True), (4, 1, True), (6, 2, True), (2, 0, False), (3, 1, False), (5, 2, False)],
)
def test_starts_that_were_lost_count_against_those_that_were_won(
    won: int, lost: int, taken: bool
) -> None:
    old = measured("old", [False] * won + [True] * lost)
    chosen, _ = choose_checkpoint(old, [measured("new", [True] * won + [False] * lost)])
    assert chosen.digest == ("new" if taken else "old")


def test_as_many_successes_are_rolled_back_and_the_verdict_says_so() -> None:
    chosen, verdict = choose_checkpoint(candidate("old", 2), [candidate("new", 2)])
    assert chosen.digest == "old"
    assert "2/4" in verdict
    assert "is the same: rolled back" in verdict


def test_a_worse_candidate_is_rolled_back_and_the_verdict_says_so() -> None:
    chosen, verdict = choose_checkpoint(candidate("old", 3), [candidate("new", 1)])
    assert chosen.digest == "old"
    assert "rolled back" in verdict


def test_the_best_of_several_candidates_counts_and_of_equals_the_later() -> None:
    old = candidate("old", 0)
    chosen, _ = choose_checkpoint(old, [candidate("first", 4), candidate("second", 1)])
    assert chosen.digest == "first"
    chosen, _ = choose_checkpoint(old, [candidate("first", 4), candidate("second", 4)])
    assert chosen.digest == "second"


def test_the_best_of_two_has_to_win_by_more_than_a_single_one() -> None:
    old, lucky = candidate("old", 0), candidate("lucky", 3)
    assert choose_checkpoint(old, [lucky])[0].digest == "lucky"
    chosen, verdict = choose_checkpoint(old, [lucky, candidate("other", 0)])
    assert chosen.digest == "old"
    assert "may be luck" in verdict


def test_nothing_is_decided_before_the_practice_is_complete(tmp_path: Path) -> None:
    told: Any = lambda event: None  # noqa: E731
    learner: Any = SimpleNamespace()
    session = _Session(PLAN, make_fake_cell(), learner, tmp_path, tmp_path, told, Listeners())
    better = [candidate("better", 4)]
    assert choose_checkpoint(candidate("old", 0), better)[0].digest == "better"
    result = session.result(candidate("old", 0), better)
    assert not result.complete
    assert not result.kept
    assert (result.verdict, result.in_words) == (NOT_DECIDED, "stopped early")


@pytest.mark.parametrize(("before_counted", "after_counted"), [(4, 2), (2, 4)])
def test_a_selection_that_is_half_measured_decides_nothing(
    tmp_path: Path, before_counted: int, after_counted: int
) -> None:
    def cut(whole: Candidate, trials: int) -> Candidate:
        counted = whole.selection.counted[:trials]
        return replace(whole, selection=replace(whole.selection, counted=counted))

    told: Any = lambda event: None  # noqa: E731
    learner: Any = SimpleNamespace()
    session = _Session(PLAN, make_fake_cell(), learner, tmp_path, tmp_path, told, Listeners())
    log = session.trials.log
    for trial, seed in enumerate(PLAN.practice_seeds):
        log.append(TrialRecord(trial, seed, "counted"))
    old, better = candidate("old", 0), candidate("better", 4)
    assert session.result(old, [better]).kept
    result = session.result(cut(old, before_counted), [cut(better, after_counted)])
    assert not result.kept
    assert (result.verdict, result.in_words) == (NOT_DECIDED, "stopped early")


def test_practice_and_selection_must_not_share_start_states() -> None:
    values = {**PLAN.__dict__, "selection_seeds": (300,)}
    with pytest.raises(ValueError, match="share"):
        ImprovePlan(**values)


def test_where_nothing_was_learned_nothing_is_measured_again(tmp_path: Path) -> None:
    learner: Any = SimpleNamespace(updates=0, successes=FIRST_DEMONSTRATIONS - 1)
    session = _Session(
        replace(PLAN, backward="go_back"),
        make_fake_cell(),
        learner,
        tmp_path,
        tmp_path,
        lambda event: None,
        Listeners(),
    )
    assert session.maybe_candidate(PLAN.trials) == []
    log = session.trials.log
    for trial, seed in enumerate(PLAN.practice_seeds):
        log.append(TrialRecord(trial, seed, "counted"))
    result = session.result(candidate("old", 1), [])
    assert result.complete
    assert result.after is None
    assert result.recommended.digest == "old"
    assert result.verdict == NOTHING_LEARNED


def test_a_repeated_command_measures_what_was_measured_and_no_more(tmp_path: Path) -> None:
    plan = replace(PLAN, trials=6, practice_seeds=tuple(range(300, 306)), candidate_every=2)
    loaded: list[str] = []
    learner: Any = SimpleNamespace(
        updates=5,
        has_something_new=False,
        load_state=lambda path: loaded.append(path.name),
        save_state=lambda path: None,
    )
    (tmp_path / "learner-00005.safetensors").touch()
    told: Any = lambda event: None  # noqa: E731
    session: Any = _Session(
        plan, make_fake_cell(), learner, tmp_path, tmp_path / "run", told, Listeners()
    )
    # Of the first two nothing could be learned, so that there is no checkpoint after them.
    (tmp_path / "run" / "after-00004-trials").mkdir(parents=True)
    log = session.trials.log
    for trial in range(5):
        log.append(TrialRecord(trial, plan.practice_seeds[trial], "counted"))
    session.measure_candidate = lambda done: done
    assert list(session.catch_up()) == [4]
    assert loaded == ["learner-00005.safetensors"]


def test_checkpoints_of_trials_that_were_thrown_away_are_not_taken_for_new_ones(
    tmp_path: Path,
) -> None:
    learner: Any = SimpleNamespace()
    told: Any = lambda event: None  # noqa: E731
    session: Any = _Session(
        PLAN, make_fake_cell(), learner, tmp_path / "s", tmp_path / "run", told, Listeners()
    )
    (tmp_path / "run" / "after-00002-trials").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"after 2 trials, and .* 0 trials") as caught:
        session.run()
    assert "--session NEW_NAME" in caught.value.try_next
    assert not (tmp_path / "s").exists()


def test_who_stops_while_it_learns_anew_learns_it_once_more(tmp_path: Path) -> None:
    asked: list[bool] = []

    def stopping() -> bool:
        asked.append(len(asked) == 1)
        return asked[-1]

    updates: list[int] = []
    kept: list[int] = []
    learner: Any = SimpleNamespace(
        updates=0,
        has_something_new=True,
        successes=FIRST_DEMONSTRATIONS,
        load_state=lambda path: None,
        save_state=lambda path: kept.append(len(updates)),
        begin_again=lambda total: None,
        update=lambda count: updates.append(count) or {"loss": 1.0},
    )
    plan = replace(PLAN, backward="go_back", updates_per_trial=2)
    session: Any = _Session(
        plan,
        make_fake_cell(),
        learner,
        tmp_path,
        tmp_path / "run",
        lambda event: None,
        Listeners(),
        stopping=stopping,
    )
    freeze_same(plan.to_json(), tmp_path)
    log = session.trials.log
    for trial, seed in enumerate(PLAN.practice_seeds):
        log.append(TrialRecord(trial, seed, "counted"))
    learner.checkpoint = None
    session.measure = lambda checkpoint, name: candidate("old", 1)
    result = session.run()
    # Of twenty updates five were done; nothing of them is kept, and nothing is claimed.
    assert updates == [5]
    assert kept == [0]
    assert not result.complete
    assert not (tmp_path / "run").exists()


class Learner:
    """What it knows follows from every update, and from what it had been shown before that."""

    checkpoint = SimpleNamespace(info=SimpleNamespace(camera="front"))

    def __init__(self, needed: int, killed_at: int | None = None) -> None:
        self.needed, self.killed_at = needed, killed_at
        self.knows = self.updates = self.episodes = 0

    @property
    def has_something_new(self) -> bool:
        return self.episodes >= self.needed

    def add_episode(self, *_: object) -> None:
        self.episodes += 1

    def update(self, count: int) -> dict[str, float]:
        for _ in range(count):
            if self.updates == self.killed_at:
                raise KeyboardInterrupt
            self.updates += 1
            self.knows = hash((self.knows, self.episodes))
        return {"loss": 1.0}

    def save_state(self, path: Path) -> None:
        path.write_text(json.dumps([self.knows, self.updates, self.episodes]))

    def load_state(self, path: Path) -> None:
        self.knows, self.updates, episodes = json.loads(path.read_text())
        assert episodes == self.episodes


@pytest.mark.parametrize(
    ("needed", "killed_at", "stop_at", "trials"),
    [(3, 7, None, 3), (3, None, 5, 3), (1, 2, None, 1), (1, None, 0, 1)],
)
def test_a_trial_counts_though_learning_from_it_is_cut_short_and_that_goes_on(
    tmp_path: Path, needed: int, killed_at: int | None, stop_at: int | None, trials: int
) -> None:
    plan = replace(PLAN, trials=4, practice_seeds=(300, 301, 302, 303), updates_per_trial=4)

    def practise(folder: Path, learner: Any, stop_at: int | None = None) -> ImproveResult:
        session: Any = _Session(
            plan,
            make_fake_cell(),
            learner,
            folder,
            folder / "run",
            lambda event: None,
            Listeners(),
            stopping=lambda: learner.updates == stop_at,
        )
        session.measure = lambda checkpoint, name: candidate("old", 1)
        session.policy = lambda trial, task: Walker()
        session.maybe_candidate = lambda done: []
        with session.cell.station:
            result: ImproveResult = session.run()
        return result

    def counted(folder: Path) -> list[int]:
        return [r.trial for r in TrialLog(folder / "practice").records if r.status == "counted"]

    whole = Learner(needed)
    practise(tmp_path / "whole", whole)
    assert whole.updates == 16
    folder = tmp_path / "cut"
    if killed_at is not None:
        with pytest.raises(KeyboardInterrupt):
            practise(folder, Learner(needed, killed_at))
    else:
        assert not practise(folder, Learner(needed), stop_at).complete
    assert counted(folder) == list(range(trials))
    resumed = Learner(needed)
    assert practise(folder, resumed).complete
    assert counted(folder) == [0, 1, 2, 3]
    assert (resumed.knows, resumed.updates) == (whole.knows, whole.updates)


def test_the_policys_own_trials_are_told_from_those_of_the_other_task_and_from_memory(
    tmp_path: Path,
) -> None:
    learner: Any = SimpleNamespace()
    plan = replace(PLAN, backward="go_back", trials=3, practice_seeds=(300, 301, 302))
    session = _Session(
        plan, make_fake_cell(), learner, tmp_path, tmp_path, lambda event: None, Listeners()
    )
    records = {}
    for trial, (task, by) in enumerate(
        [("go_ahead", "policy:abc"), ("go_back", "policy:abc"), ("go_ahead", "memory")]
    ):
        episode = tmp_path / "practice" / "episodes" / f"e{trial}.h5"
        record_episode(episode.parent, f"e{trial}", task=task, decided_by=by)
        name = f"episodes/{episode.name}"
        records[trial] = TrialRecord(trial, 300 + trial, "counted", success=True, episode=name)
    own, from_memory = session.told_apart(records)
    assert own == (True,)
    assert from_memory == Rate(1, 1)
    alone = replace(session, plan=PLAN)
    assert alone.told_apart(records) == ((True, True, True), None)
