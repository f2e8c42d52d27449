from __future__ import annotations

import subprocess
import sys

import pytest

ROUNDS = """
import resource
from policies.memory import keep_freed_memory

def page_faults(rounds):
    began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        pieces = [bytearray(8_000_000) for _ in range(8)]
        del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - began

page_faults(2)
before = page_faults(3)
kept = keep_freed_memory()
page_faults(2)
print(int(kept), before, page_faults(3))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True)
    kept, before, after = (int(number) for number in run.stdout.split())
    if not kept:
        pytest.skip("The C library is not glibc.")
    assert before > 5000
    assert after < 100
