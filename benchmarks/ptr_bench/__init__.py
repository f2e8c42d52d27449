"""The parts of the table that compares PTR with its controls; see docs/ptr-table.md."""
