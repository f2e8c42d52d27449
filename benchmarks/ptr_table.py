"""PTR against its controls and ablations on held-out targets, in one code with one budget.

The work is a list of jobs (demonstrations, pre-training, fine-tuning with trials); each finished
one is a line in OUT/runs.jsonl and is never done again, so the command goes on where it was
stopped, and several may work in one folder. docs/ptr-table.md says how it is meant.

    python benchmarks/ptr_table.py --quick --out OUT --clean DIR --mixed DIR
    python benchmarks/ptr_table.py --full --out OUT --clean DIR --mixed DIR --jobs 2
    python benchmarks/ptr_table.py --report --out OUT --markdown FILE --plot PNG
"""

from __future__ import annotations

import os

# One thread a process, in every process: set before anything loads a maths library.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.ptr_bench.jobs import plan_jobs
from benchmarks.ptr_bench.lines import read_lines
from benchmarks.ptr_bench.methods import METHODS, choose_methods
from benchmarks.ptr_bench.plot import draw
from benchmarks.ptr_bench.regimes import REGIMES, check_folder
from benchmarks.ptr_bench.report import to_markdown
from benchmarks.ptr_bench.results import load_results
from benchmarks.ptr_bench.scale import AS_BEST, Scale, freeze_scale
from benchmarks.ptr_bench.targets import ROLES
from benchmarks.ptr_bench.work import Place
from benchmarks.ptr_bench.workers import run_jobs
from policies.presets import PRESETS, preset
from ptrctl.files import write_text
from recordings.errors import PtrctlError

QUICK_UPDATES, QUICK_STARTS, QUICK_TARGETS = (60, 40), 20, 2
FULL_UPDATES, FULL_STARTS, FULL_TARGETS = (15_000, 500), 100, 6


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--quick", action="store_true", help="2 targets, 1 seed, a few updates")
    what.add_argument("--full", action="store_true", help="the table")
    what.add_argument("--report", action="store_true", help="print what the lines add up to")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bench")
    for regime, recipe in REGIMES.items():
        parser.add_argument(
            f"--{regime}", type=Path, metavar="DIR", help=f"recordings of the recipe {recipe}"
        )
    parser.add_argument("--cache", type=Path, help="of packed recordings (OUT/cache)")
    parser.add_argument("--role", choices=ROLES, default="reporting", help="which targets")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help=_names())
    parser.add_argument("--targets", nargs="+", metavar="TASK", help="all of the role")
    parser.add_argument("--regimes", nargs="+", choices=list(REGIMES), help="those with a folder")
    parser.add_argument("--seeds", nargs="+", type=int, help="of training (0 1 2; quick: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of trainings")
    parser.add_argument("--preset", choices=list(PRESETS), default="cpu")
    parser.add_argument("--pretraining-updates", type=int)
    parser.add_argument("--finetuning-updates", type=int)
    parser.add_argument("--starts", type=int, help="start states of each trained policy")
    parser.add_argument("--list", action="store_true", help="say what would be run, and stop")
    parser.add_argument("--markdown", type=Path, help="write the report there too")
    parser.add_argument("--plot", type=Path, help="draw the plot there (PNG)")
    return parser.parse_args()


def _names() -> str:
    return ", ".join(method.name for method in METHODS)


def chosen_scale(options: argparse.Namespace) -> Scale:
    """The scale that was asked for, with the numbers that were given."""
    before, after = QUICK_UPDATES if options.quick else FULL_UPDATES
    starts = QUICK_STARTS if options.quick else FULL_STARTS

    def given(value: int | None, default: int) -> int:
        return default if value is None else value

    return Scale(
        name="quick" if options.quick else "full",
        config=preset(options.preset).to_dict(),
        pretraining_updates=given(options.pretraining_updates, before),
        finetuning_updates=given(options.finetuning_updates, after),
        starts=given(options.starts, starts),
        targets=QUICK_TARGETS if options.quick else FULL_TARGETS,
        new_tasks=AS_BEST,
    )


def run(options: argparse.Namespace) -> bool:
    """Do what is left to do; returns whether all of it was done."""
    scale = chosen_scale(options)
    prior = {regime: getattr(options, regime) for regime in REGIMES if getattr(options, regime)}
    if not options.list:
        for regime, folder in prior.items():
            check_folder(regime, folder)
    jobs = plan_jobs(
        scale,
        options.role,
        choose_methods(options.methods),
        options.seeds or ([0] if options.quick else [0, 1, 2]),
        regimes=options.regimes or list(prior),
        target_names=options.targets,
    )
    finished = {line["job"] for line in read_lines(options.out)[0]}
    if options.list:
        for job in jobs:
            print("finished" if job.name in finished else "to do   ", job.name)
        return True
    freeze_scale(options.out, scale)
    open_jobs = sum(job.name not in finished for job in jobs)
    print(f"{len(jobs)} jobs, {open_jobs} to do", flush=True)
    place = Place(options.out, prior, options.cache or options.out / "cache", options.device)
    undone = run_jobs(jobs, place, options.jobs, functools.partial(print, flush=True))
    for name in undone:
        print(f"not done: {name}")
    return not undone


def report(options: argparse.Namespace) -> None:
    results = load_results(options.out, options.role)
    text = to_markdown(results)
    print(text)
    if options.markdown:
        write_text(options.markdown, text)
    if options.plot and results.rows:
        draw(results, options.plot)


def main() -> int:
    options = parse()
    done = True
    try:
        if not options.report:
            done = run(options)
        if not options.list:
            report(options)
    except PtrctlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
