"""The TCP ports of robot servers where no other is chosen; a module that is light to import."""

from __future__ import annotations

BRIDGE_PORT = 5556
"""Of widowx_env_service; its pictures come from the next one."""
REMOTE_PORT = 5757
"""Of `ptrctl serve-robot`."""
