"""The simulated WidowX 250s."""

from __future__ import annotations


def register() -> None:
    """Make `gymnasium.make("ptrctl/WidowX-v0")` work; safe to call twice."""
    import gymnasium

    if "ptrctl/WidowX-v0" not in gymnasium.registry:
        gymnasium.register(
            "ptrctl/WidowX-v0",
            entry_point="hardware.sim.environment:WidowXEnv",
            max_episode_steps=50,
        )
