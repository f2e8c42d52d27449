"""Autonomous practice: collect, label, learn between trials, and roll back if it does not help.

Source: PTR, section on autonomous improvement: a success classifier is the reward, and of the tasks
the least completed one is tried next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from hardware.faults import MotorFault
from hardware.registry import Cell
from policies.carrying import MOST_PERIODS, Carry
from policies.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from policies.meter import Meter
from policies.online import OnlineLearner
from policies.policy import Policy
from ptrctl.files import append_json_line, read_json_lines
from ptrctl.plan import PRACTICE_FOLDER, freeze_same
from ptrctl.practice_plan import ImprovePlan
from ptrctl.rewards import NOBODY_TO_ASK, GroundTruth, Reward
from ptrctl.statistics import Rate
from ptrctl.trials import ABORTED, COUNTED, TrialRecord
from ptrctl.workflows.alternation import Alternation, by_memory
from ptrctl.workflows.attempt import (
    AlreadyDoneError,
    Attempt,
    AttemptSettings,
    Listeners,
    run_attempt,
)
from ptrctl.workflows.evaluate import evaluate
from ptrctl.workflows.improve_result import (
    NOT_DECIDED,
    NOTHING_LEARNED,
    Candidate,
    ImproveResult,
    choose_checkpoint,
)
from ptrctl.workflows.logged_trials import LoggedTrials, TrialEvent, interrupted_record
from ptrctl.workflows.practice_learning import (
    Learned,
    Learning,
    PracticeLearning,
    StoppedError,
)
from recordings.errors import UsageError
from recordings.reader import read_episode, read_summary
from recordings.records import EndReason

AGREEMENT_FILE = "agreement.jsonl"
"""What the simulator says about trials that something else has labelled; nothing reads it but the
reader of the report."""

FAILURES_UNTIL_RESET = 2
"""With a backward task nobody resets the scene; after this many failures in a row the simulator
lays it out anew, as an operator would who finds the thing out of reach."""

ALREADY_DONE = "already done"
"""End reason of an attempt without a step: on the way to the start pose the arm let go of what it
held, and that fell into place. Nobody has succeeded or failed."""


@dataclass(frozen=True)
class Phase:
    """What begins: "practice", or the measuring of a checkpoint on the selection start states."""

    name: str


ImproveEvent = TrialEvent | Phase | Learning | Learned


def improve(
    plan: ImprovePlan,
    cell: Cell,
    learner: OnlineLearner,
    folder: Path,
    candidates_folder: Path,
    *,
    on_event: Callable[[ImproveEvent], None] = lambda event: None,
    listeners: Listeners | None = None,
    meter: Meter | None = None,
    reward: Reward | None = None,
    compare_labels: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> ImproveResult:
    """Practise, or go on where an earlier call stopped.

    Args:
        plan: Frozen into `folder` before the first trial.
        cell: Connected, set to the plan's task.
        learner: Fresh, on the plan's checkpoint.
        folder: The session's: trials, recordings, state of the learner.
        candidates_folder: Where candidate checkpoints go.
        on_event: Told of everything.
        listeners: Panels and the operator.
        meter: Of the plan's checkpoint. Practice goes on reading it while the critic learns.
        reward: Labels practice trials, ends them, and says which task is next; the truth by
            default.
        compare_labels: Ask the simulator too, where there is one, after a practice trial has been
            labelled, and only to report how often label and truth agree.
        stopping: Asked while the policy learns, which may take long: True ends the call.

    Raises:
        UsageError: The session was begun under another plan.
        RobotError: A trial was ended by a fault twice.
    """
    session = _Session(
        plan,
        cell,
        learner,
        folder,
        candidates_folder,
        on_event,
        listeners or Listeners(),
        meter,
        reward or GroundTruth(),
        compare_labels,
        stopping,
    )
    return session.run()


@dataclass
class _Session:
    """The parts of one call; `scene_is_ours` once a trial of this call has left a scene behind."""

    plan: ImprovePlan
    cell: Cell
    learner: OnlineLearner
    folder: Path
    candidates_folder: Path
    on_event: Callable[[ImproveEvent], None]
    listeners: Listeners
    meter: Meter | None = None
    reward: Reward = field(default_factory=GroundTruth)
    compare_labels: bool = False
    stopping: Callable[[], bool] = lambda: False
    scene_is_ours: bool = False

    @property
    def simulated(self) -> bool:
        """The simulator can lay a scene out."""
        return self.cell.station.robot.features.simulated

    @cached_property
    def trials(self) -> LoggedTrials:
        """Of practice, both tasks and every attempt among them."""
        folder = self.folder / PRACTICE_FOLDER
        return LoggedTrials(folder, self.plan.trials, self.on_event, "Practice trial")

    @cached_property
    def learning(self) -> PracticeLearning:
        """The learner, with what it tells."""
        return PracticeLearning(
            self.plan,
            self.learner,
            self.folder,
            self.on_event,
            self.listeners.operator,
            self.stopping,
        )

    @cached_property
    def alternation(self) -> Alternation:
        """Of the two tasks; only asked where there is a backward one."""
        workspace = self.cell.station.safety.workspace
        return Alternation(self.plan.task, self.plan.backward, workspace, self.plan.seed)

    def run(self) -> ImproveResult:
        self.refuse_checkpoints_of_others()
        freeze_same(self.plan.to_json(), self.folder)
        before = self.measure(self.learner.checkpoint, "before")
        self.trials.recover()
        if not before.selection.complete:
            return self.result(before, [])
        candidates: list[Candidate] = []
        try:
            candidates.extend(self.catch_up())
            for trial in range(len(self.trials.counted), self.plan.trials):
                if not self.practise(trial):
                    return self.result(before, candidates)
                candidates += self.maybe_candidate(trial + 1)
        except StoppedError:
            return self.result(before, candidates, stopped=True)
        return self.result(before, candidates)

    def refuse_checkpoints_of_others(self) -> None:
        """Raise `UsageError` if there are checkpoints after more trials than there are: those were
        thrown away, and what they taught would be measured in place of what is learned now."""
        done = len(self.trials.counted)
        later = [
            n for n in range(done + 1, self.plan.trials + 1) if self.candidate_path(n).exists()
        ]
        if later:
            raise UsageError(
                f"{self.candidates_folder} holds a checkpoint after {later[-1]} trials, and "
                f"{self.folder} {done} trials.",
                "The checkpoints of a practice belong to its trials.",
                "Put the trials back from a copy, or start anew with `--session NEW_NAME`.",
            )

    def catch_up(self) -> Iterator[Candidate]:
        """Bring a fresh learner to where an earlier call stopped; its candidates."""
        counted = self.trials.counted
        if not counted:
            return
        last = max(counted)
        # A kill may have come between the line of the last trial and the state after it.
        learned = last if self.learning.keeps(last + 1) else last - 1
        for trial in sorted(counted):
            self.take_up(counted[trial])
            if trial == learned:
                self.learning.load(trial + 1)
        self.learning.after_trial(last)
        for done in range(1, len(counted)):
            if self.candidate_path(done).exists():
                yield self.measure_candidate(done)
        yield from self.maybe_candidate(len(counted))

    def practise(self, trial: int) -> bool:
        """One practice trial and the learning after it; False if the operator stopped it."""
        plan = self.plan
        start = plan.practice_seeds[trial]
        while True:
            task, seed, carry = self.choose(trial)
            cell = _use_task(self.cell, task) if plan.backward else self.cell
            settings, policy = self.settings(task, seed, carry), self.policy(trial, task)
            how = " from memory" if carry else ""
            self.on_event(Phase(f"practice, {task}{how}" if plan.backward else "practice"))
            run = partial(
                run_attempt, cell, carry or policy, settings, seed, self.listeners, self.reward
            )
            try:
                attempt = self.trials.attempt(trial, start, run)
            except AlreadyDoneError:
                self.choose_anew(trial)
                continue
            except MotorFault:
                if not (seed is None and self.simulated):
                    raise
                # Wedged into what it left behind: the simulator lays out the scene anew.
                self.scene_is_ours = False
                continue
            if attempt is None:
                return False
            self.scene_is_ours = attempt.end.reason is not EndReason.FAULT
            self.keep(attempt, cell, trial)
            if attempt.counts or not self.trials.may_go_on(attempt, trial):
                return attempt.counts

    def choose_anew(self, trial: int) -> None:
        """The chosen task is done already: note it, and forget why it was chosen."""
        self.alternation.forget()
        log = self.trials.log
        # Where the other task is done as well, nothing is left to do in this scene.
        self.scene_is_ours = not (log.records and log.records[-1].end_reason == ALREADY_DONE)
        log.append(
            dataclasses.replace(
                interrupted_record(trial, self.plan.practice_seeds[trial]),
                reason="the way to the start pose did the task",
                end_reason=ALREADY_DONE,
            )
        )

    def settings(self, task: str, seed: int | None, carry: Carry | None) -> AttemptSettings:
        """Of an attempt at a task, from memory if somebody carries it out so."""
        plan = self.plan
        return AttemptSettings(
            kind="improve",
            max_steps=max(MOST_PERIODS, plan.max_steps) if carry else plan.max_steps,
            success_steps=plan.success_steps,
            episodes=self.trials.episodes,
            stop_hopeless=plan.stop_hopeless if task == plan.task and not carry else None,
            refuse_done=seed is None,
        )

    def policy(self, trial: int, task: str) -> Policy:
        """The policy as it has learned until now, which explores."""
        policy = self.learner.policy(stochastic=True, noise_scale=self.plan.noise_scale)
        policy.meter = self.meter if task == self.plan.task else None
        policy.trial_seed = self.plan.practice_seeds[trial]
        return policy

    def keep(self, attempt: Attempt, cell: Cell, trial: int) -> None:
        """Write down an attempt, and learn from one that counts."""
        record = self.trials.record(attempt, trial, self.plan.practice_seeds[trial])
        if attempt.counts and self.compare_labels and cell.judge is not None:
            truth = cell.judge.score().success
            line = {"episode": record.episode, "label": record.success, "truth": truth}
            append_json_line(self.agreement_path, line)
        self.trials.keep(record, attempt)
        if attempt.counts:
            # After the line that counts the trial: learning may take long, and be stopped. What it
            # lacks then is learned by the next call, from the state that was kept last.
            self.take_up(record)
            self.learning.after_trial(trial)

    def choose(self, trial: int) -> tuple[str, int | None, Carry | None]:
        """The task to practise now, the start state, and who does it from memory.

        A start state of None leaves the scene as it is; without memory the policy acts.
        """
        plan = self.plan
        if not plan.backward:
            return plan.task, plan.practice_seeds[trial], None
        if not self.scene_is_ours:
            self.alternation.forget()
        known = self.alternation.from_memory(trial)
        if known is not None:
            return known[0], None, known[1]
        records = self.trials.log.records
        tried = [record.success for record in records if record.end_reason != ALREADY_DONE]
        recent = tried[-FAILURES_UNTIL_RESET:]
        stuck = len(recent) == FAILURES_UNTIL_RESET and not any(recent)
        if trial == 0 or stuck or not self.scene_is_ours:
            task = self.alternation.promising
            if not self.simulated:
                self.listeners.operator.ask_again(f"Lay the scene out for {task}.")
            return task, plan.practice_seeds[trial], None
        return (plan.backward if self.forward_is_done() else plan.task), None, None

    def forward_is_done(self) -> bool:
        """Whether the scene now is what the forward task leads to: the backward one is next."""
        plan = self.plan
        judge = self.reward.judge(_use_task(self.cell, plan.task))
        if judge is not None:
            return judge.score().success
        # Otherwise the last trial says how the scene is.
        counted = [r for r in self.trials.log.records if r.status == COUNTED and r.episode]
        if not counted:
            return False
        episode = read_episode(self.trials.folder / counted[-1].episode)
        forward = episode.info.task == plan.task
        if not counted[-1].success:
            last = episode.images(self.learner.checkpoint.info.camera)[-1]
            done = self.reward.completed(np.asarray(last), (plan.task, plan.backward))
            if done is not None:
                # The least completed task is the next.
                return done[0] > done[1]
        return forward == counted[-1].success

    def take_up(self, record: TrialRecord) -> None:
        """Give the learner a recorded trial."""
        if not record.episode:
            return
        episode = read_episode(self.trials.folder / record.episode)
        if self.plan.backward:
            self.alternation.saw(episode, record.success)
            if not record.success or episode.info.task != self.plan.task:
                # The task that undoes it is a means; learning both made the policy worse at this.
                return
        if record.reason == NOBODY_TO_ASK:
            return
        self.learning.add(episode, record.success)

    @property
    def agreement_path(self) -> Path:
        return self.trials.folder / AGREEMENT_FILE

    def agreement(self, counted: Mapping[int, TrialRecord]) -> Rate | None:
        """Of the counted trials with both, how often label and simulator agree."""
        ours = {record.episode for record in counted.values()}
        lines = [line for line in read_json_lines(self.agreement_path) if line["episode"] in ours]
        if not lines:
            return None
        return Rate(sum(line["label"] == line["truth"] for line in lines), len(lines))

    def told_apart(
        self, counted: Mapping[int, TrialRecord]
    ) -> tuple[tuple[bool, ...], Rate | None]:
        """Success of the policy's own trials of the task, and of those from memory; None without a
        backward task, where all are the policy's."""
        if not self.plan.backward:
            return tuple(counted[trial].success for trial in sorted(counted)), None
        own, memory = [], []
        for trial in sorted(counted):
            record = counted[trial]
            if not record.episode:
                continue
            info = read_summary(self.trials.folder / record.episode).info
            if by_memory(info):
                memory.append(record.success)
            elif info.task == self.plan.task:
                own.append(record.success)
        return tuple(own), Rate(sum(memory), len(memory))

    def candidate_path(self, done: int) -> Path:
        return self.candidates_folder / f"after-{done:05d}-trials"

    def maybe_candidate(self, done: int) -> list[Candidate]:
        """A measured candidate if one is due after `done` trials, else nothing.

        None is due where nothing has been learned: that checkpoint has been measured.
        """
        plan = self.plan
        if done % plan.candidate_every and done != plan.trials:
            return []
        path = self.candidate_path(done)
        if not path.exists():
            if not self.learning.before_measuring(done):
                return []
            save_checkpoint(path, self.learner.learner.rollout_networks, self.learner.info())
        return [self.measure_candidate(done)]

    def measure_candidate(self, done: int) -> Candidate:
        return self.measure(load_checkpoint(self.candidate_path(done)), f"after {done} trials")

    def measure(self, checkpoint: Checkpoint, name: str) -> Candidate:
        """Score a checkpoint on the selection start states, or read what was scored before."""
        self.on_event(Phase(f"measuring {name}"))
        own = self.meter is not None and self.meter.checkpoint == checkpoint.digest
        summary = evaluate(
            self.plan.selection_plan(checkpoint.digest),
            _use_task(self.cell, self.plan.task) if self.plan.backward else self.cell,
            Policy.from_checkpoint(
                checkpoint, new_tasks=[self.plan.task], meter=self.meter if own else None
            ),
            self.folder / f"selection-{checkpoint.digest[:8]}",
            on_event=self.on_event,
            listeners=self.listeners,
        )
        self.scene_is_ours = False
        return Candidate(checkpoint, summary)

    def result(
        self,
        before: Candidate,
        candidates: list[Candidate],
        *,
        stopped: bool = False,
    ) -> ImproveResult:
        counted = self.trials.counted
        own, from_memory = self.told_apart(counted)
        measured = [c for c in candidates if c.selection.complete]
        practised = before.selection.complete and len(counted) == self.plan.trials
        complete = practised and len(measured) == len(candidates) and not stopped
        if not complete:
            recommended, verdict = before.checkpoint, NOT_DECIDED
        elif not measured:
            recommended, verdict = before.checkpoint, NOTHING_LEARNED
        else:
            recommended, verdict = choose_checkpoint(before, measured)
        return ImproveResult(
            practice=tuple(counted[trial] for trial in sorted(counted)),
            aborted=tuple(r for r in self.trials.log.records if r.status == ABORTED),
            before=before,
            candidates=tuple(measured),
            recommended=recommended,
            verdict=verdict,
            complete=complete,
            agreement=self.agreement(counted),
            uncertain=sum(r.reason == NOBODY_TO_ASK for r in counted.values()),
            from_memory=from_memory,
            own=own,
        )


def _use_task(cell: Cell, task: str) -> Cell:
    if cell.use_task is None:
        raise UsageError(
            f"The arm {cell.station.robot.features.name} cannot change to the task {task}.",
            "Alternating needs a cell that knows both tasks.",
            "Leave `--backward` out.",
        )
    return cell.use_task(task)
