"""What every test needs: an interruptible process, and no real hardware unless asked for."""

from __future__ import annotations

import signal

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hardware", action="store_true", help="Also run tests that move a real arm.")


def pytest_configure(config: pytest.Config) -> None:
    # A suite that a shell started in the background ignores SIGINT, and one under nohup SIGHUP; so
    # would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--hardware"):
        return
    skip = pytest.mark.skip(reason="moves a real arm: run with --hardware")
    for item in items:
        if "hardware" in item.keywords and item.get_closest_marker("hardware"):
            item.add_marker(skip)
