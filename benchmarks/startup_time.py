"""Prints how long `ptrctl --help` takes, start of the interpreter included.

Usage: python benchmarks/startup_time.py [--runs 20]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    command = shutil.which("ptrctl", path=str(Path(sys.executable).parent)) or "ptrctl"
    times_s = []
    for _ in range(runs + 1):
        begin_s = time.perf_counter()
        subprocess.run([command, "--help"], stdout=subprocess.DEVNULL, check=True)
        times_s.append(time.perf_counter() - begin_s)
    # The first run also fills the disk cache.
    median_s, worst_s = statistics.median(times_s[1:]), max(times_s[1:])
    print(f"ptrctl --help: median {median_s:.3f} s, worst {worst_s:.3f} s of {runs} runs (aim 0.2)")


if __name__ == "__main__":
    main()
