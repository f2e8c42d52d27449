"""ptrctl talks to the operator: commands, keyboard, panels, workspace, reports."""

__version__ = "0.1.0"
