"""Whatever happens while an arm moves, it stands still before anybody hears of it."""

from __future__ import annotations

import pytest

from recordings.records import EndReason
from tests.hardware.fault_runs import OUR_FAULTS, run_with_fault
from tests.hardware.peers import PEERS, open_peer

PERIODS_UNTIL_STILL = 25.0
"""Far more than any arm needs: time runs ten times as fast for most peers, so a loaded machine is
ten times as slow. docs/faults.md has the measured figures; the time limit comes nine periods
later."""


@pytest.mark.parametrize("fault", OUR_FAULTS)
@pytest.mark.parametrize("name", PEERS)
def test_a_fault_around_the_arm_stops_it_first(name: str, fault: str) -> None:
    check(name, fault)


@pytest.mark.parametrize("name", PEERS)
def test_every_fault_of_the_arm_stops_it_first(name: str) -> None:
    with open_peer(name) as peer:
        faults = list(peer.faults)
    assert "lost" in faults
    for fault in faults:
        check(name, fault)


def check(name: str, fault: str) -> None:
    run = run_with_fault(name, fault)
    # An arm that is only blocked pushes no harder than its limits; it goes on when it is freed.
    expected = {
        "operator stops": {EndReason.OPERATOR_STOP},
        "stuck": {EndReason.FAULT, EndReason.TIME_LIMIT},
    }.get(fault, {EndReason.FAULT})
    assert run.end.reason in expected, (fault, run.end)
    assert run.still_when_told, (fault, run.end)
    if fault != "stuck":
        assert run.periods < PERIODS_UNTIL_STILL, (fault, run.periods, run.end)
