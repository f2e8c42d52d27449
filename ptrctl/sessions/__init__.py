"""A module for each long command: puts profile, arm, panel and workflow together, and shows the
outcome."""
