"""Processes that take jobs: each the first one that is ready and that nobody else is at.

There is no master: a job belongs to the process that holds its lock, and is finished when its line
is there. So several commands may work in one folder, and a killed one leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.ptr_bench.jobs import Job
from benchmarks.ptr_bench.lines import Line, read_lines
from benchmarks.ptr_bench.work import Place, Worker
from recordings.errors import PtrctlError

NICENESS = 10
_WAIT_S = 1.0

Tell = Callable[[str], None]
Do = Callable[[Job, Mapping[str, Line]], Line]


def run_jobs(jobs: Sequence[Job], place: Place, processes: int, tell: Tell = print) -> list[str]:
    """Do all jobs that have no line yet; returns the names of those that could not be done.

    Args:
        jobs: Each after those that it needs.
        processes: Each with one thread.
        tell: Called with a sentence for every job begun and ended, with one process only.
    """
    failed = place.out / "failed"
    for path in failed.glob("*.txt"):
        path.unlink()
    if processes == 1:
        work(jobs, place, tell)
    else:
        context = multiprocessing.get_context("spawn")
        children = [
            context.Process(target=work, args=(jobs, place, tell)) for _ in range(processes)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join()
    finished = _by_name(place.out)
    return [job.name for job in jobs if job.name not in finished]


def work(jobs: Sequence[Job], place: Place, tell: Tell = print) -> None:
    """What one process does."""
    os.nice(NICENESS)
    torch.set_num_threads(1)
    take_turns(jobs, place.out, Worker(place).do, tell)


def take_turns(jobs: Sequence[Job], out: Path, do: Do, tell: Tell = print) -> None:
    """Do jobs until each has a line, has failed, or needs one that failed.

    Args:
        out: Of lines, locks and failures.
        do: Does one and appends its line.
    """
    parent = multiprocessing.parent_process()
    # Without the command that began it, a process ends after the job it is at.
    while parent is None or parent.is_alive():
        lines = _by_name(out)
        failed = {path.stem for path in (out / "failed").glob("*.txt")}
        waiting = False
        for job in _open_jobs(jobs, lines, failed):
            if any(need not in lines for need in job.needs):
                waiting = True
                continue
            with _alone_at(job, out) as mine:
                if not mine:
                    waiting = True
                    continue
                # Another process may have finished it between the reading and the lock.
                lines = _by_name(out)
                if job.name not in lines:
                    _do_one(job, lines, out, do, tell)
            break
        else:
            if not waiting:
                return
            time.sleep(_WAIT_S)


def _open_jobs(jobs: Sequence[Job], lines: Mapping[str, Line], failed: set[str]) -> Iterator[Job]:
    """Jobs to do, those left out that can never be done."""
    hopeless = set(failed)
    for job in jobs:
        if job.name in lines:
            continue
        if job.name in hopeless or any(need in hopeless for need in job.needs):
            hopeless.add(job.name)
            continue
        yield job


def _do_one(job: Job, lines: Mapping[str, Line], out: Path, do: Do, tell: Tell) -> None:
    tell(f"begins   {job.name}")
    try:
        line = do(job, lines)
    except (PtrctlError, OSError, ValueError, RuntimeError):
        report = out / "failed" / f"{job.name}.txt"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(traceback.format_exc(), encoding="utf-8")
        tell(f"failed   {job.name}: see {report}")
    else:
        rate = f" {line['successes']}/{line['trials']}" if line["kind"] == "trials" else ""
        tell(f"finished {job.name}{rate} in {line['wall_s']:.0f} s")


def _by_name(out: Path) -> dict[str, Line]:
    return {line["job"]: line for line in read_lines(out)[0]}


@contextmanager
def _alone_at(job: Job, out: Path) -> Iterator[bool]:
    """Whether nobody else is at the job; the lock goes with the process."""
    path = out / "locks" / f"{job.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
