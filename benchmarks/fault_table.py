"""Puts every fault into every arm's peer while the arm moves, and measures when it stands still.

Usage: python benchmarks/fault_table.py [--runs N] [--arm NAME ...] [--write docs/faults.md]

Prints a Markdown table; with --write the table between the two marks of that page is replaced.
The peers are those of the tests (the vendor's simulator, a byte-level servo bus, servers on
loopback): no figure here comes from a real arm.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from recordings.records import EndReason
from tests.hardware.fault_runs import OUR_FAULTS, FaultRun, run_with_fault
from tests.hardware.peers import PEERS, open_peer

NOTHING_TO_MEASURE = "at once (simulated)"
GOES_ON = "goes on, within its limits"
BEGIN, END = "<!-- the table begins -->", "<!-- the table ends -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--arm", action="append", choices=sorted(PEERS))
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    rows = [
        "| arm | fault | periods until still, median (worst) | the operator sees |",
        "|---|---|---|---|",
    ]
    for arm in options.arm or PEERS:
        faults, simulated = _about(arm)
        for fault in (*faults, *OUR_FAULTS):
            runs = [run_with_fault(arm, fault) for _ in range(options.runs)]
            rows.append(_row(arm, fault, runs, simulated=simulated))
            print(rows[-1], file=sys.stderr, flush=True)
    table = "\n".join(rows)
    print(table)
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        options.write.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _about(arm: str) -> tuple[list[str], bool]:
    """The faults of an arm itself, and whether it is the simulated one, which moves only while a
    command is carried out, so that there is nothing to measure."""
    with open_peer(arm) as peer:
        return list(peer.faults), peer.simulated


def _row(arm: str, fault: str, runs: list[FaultRun], *, simulated: bool) -> str:
    periods = [run.periods for run in runs]
    told = "" if all(run.still_when_told for run in runs) else " **told before it stood still**"
    words = runs[-1].end.fault or f"(the episode ends: {runs[-1].end.reason.value})"
    figures = f"{statistics.median(periods):.1f} ({max(periods):.1f}){told}"
    if simulated:
        figures = NOTHING_TO_MEASURE
    elif runs[-1].end.reason is EndReason.TIME_LIMIT:
        figures = GOES_ON
    return f"| {arm} | {fault} | {figures} | {' '.join(words.split())} |"


if __name__ == "__main__":
    main()
