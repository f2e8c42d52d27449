"""What autonomous practice led to, and which checkpoint to use after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.checkpoint import Checkpoint
from policies.classifier_check import ErrorRates
from ptrctl.practice_plan import ImprovePlan
from ptrctl.statistics import Rate, mcnemar_p_value
from ptrctl.trials import TrialRecord, TrialSummary, compare_sessions

MOST_LUCK = 0.2
"""A practised checkpoint is taken if equal policies would differ as much in at most this share of
practices (exact one-sided McNemar test): 3 starts won and none lost, 4 and 1, 6 and 2. The best of
several candidates has to win by as much more as the best of several equal ones does (Bonferroni):
of two 4 and none, 6 and 1, 7 and 2."""

NOT_DECIDED = "Nothing is decided before the practice is complete; the checkpoint is as it was."
NOTHING_LEARNED = "Nothing was learned; the checkpoint is as it was."


@dataclass(frozen=True)
class Candidate:
    """A checkpoint and how it did on the selection start states."""

    checkpoint: Checkpoint
    selection: TrialSummary


@dataclass(frozen=True)
class ImproveResult:
    """What practice led to.

    Args:
        practice: The counted trials, in order.
        aborted: Aborted attempts.
        before: The checkpoint that practice began with.
        candidates: Those that it made, oldest first; none where nothing was learned.
        recommended: The one to use.
        verdict: Why, a sentence.
        complete: All trials were run and all candidates measured.
        agreement: Practice trials in which label and simulator agree; None if it was not asked.
        uncertain: Practice trials that nobody could label for certain.
        classifier: Held-out errors of the classifier that labelled them; None for no classifier.
        from_memory: Success of those trials that the arm did from memory; None without a backward
            task.
        own: Success of the policy's own trials of the task, in order: neither from memory, nor of
            the backward task.
    """

    practice: tuple[TrialRecord, ...]
    aborted: tuple[TrialRecord, ...]
    before: Candidate
    candidates: tuple[Candidate, ...]
    recommended: Checkpoint
    verdict: str
    complete: bool
    agreement: Rate | None = None
    uncertain: int = 0
    classifier: ErrorRates | None = None
    from_memory: Rate | None = None
    own: tuple[bool, ...] = ()

    @property
    def kept(self) -> bool:
        """The recommended checkpoint came out of practice."""
        return self.recommended.digest != self.before.checkpoint.digest

    @property
    def after(self) -> Rate | None:
        """Selection success of the recommended checkpoint, or of the best that was refused; None
        where no candidate has been measured."""
        for candidate in self.candidates:
            if candidate.checkpoint.digest == self.recommended.digest:
                return candidate.selection.rate
        return max(
            (candidate.selection.rate for candidate in self.candidates),
            key=lambda rate: rate.successes,
            default=None,
        )

    @property
    def in_words(self) -> str:
        """For one line: "kept, selection 5/5 [0.57, 1.00]"."""
        if not self.complete:
            return "stopped early"
        if self.after is None:
            return "nothing learned"
        return f"{'kept' if self.kept else 'rolled back'}, selection {self.after}"


def choose_checkpoint(before: Candidate, candidates: Sequence[Candidate]) -> tuple[Checkpoint, str]:
    """The checkpoint to use and why: practice counts only if measured success has clearly risen.

    Args:
        candidates: All of the practice, at least one.
    """
    # Of equals the later one: it has seen more.
    best = max(reversed(candidates), key=lambda candidate: candidate.selection.rate.successes)
    old, new = before.selection.rate, best.selection.rate
    stays = "rolled back, the earlier checkpoint stays the recommended one."
    if new.successes < old.successes:
        return before.checkpoint, f"Measured success fell from {old} to {new}: {stays}"
    if new.successes == old.successes:
        return before.checkpoint, f"Measured success was {old} and is the same: {stays}"
    pairs = compare_sessions(before.selection, best.selection)
    luck = mcnemar_p_value(pairs.only_new, pairs.only_old, two_sided=False)
    if luck > MOST_LUCK / len(candidates):
        return before.checkpoint, (
            f"Measured success was {old} and is {new} ({pairs.only_new} of the same starts won, "
            f"{pairs.only_old} lost), which may be luck: {stays}"
        )
    return best.checkpoint, (
        f"Measured success was {old} and is {new}: the practised checkpoint "
        f"{best.checkpoint.path.name} is the recommended one."
    )


def labels_in_words(plan: ImprovePlan) -> str:
    """Who labels practice trials, for panel and report."""
    if plan.reward == "classifier":
        return "a classifier of pictures"
    if plan.reward == "operator":
        return "the operator"
    return "the simulator's ground truth, which no real arm has (see --reward classifier)"


def facts_about_practice(plan: ImprovePlan, result: ImproveResult) -> dict[str, str]:
    """Name to words: who acted and who labelled, how often it was wrong before and agreed after."""
    facts = {"practice labelled by": labels_in_words(plan)}
    if result.from_memory is not None:
        told = result.from_memory
        facts["from memory"] = f"{told.successes} of {told.trials} succeeded, not by the policy"
    if result.classifier is not None:
        facts["classifier, held out"] = result.classifier.words
        facts["uncertain trials"] = f"{result.uncertain}, not learned from"
    if result.agreement is not None:
        agreed = result.agreement
        facts["agreement"] = (
            f"label and simulator agree on {agreed.successes}/{agreed.trials} practice trials"
        )
    return facts
