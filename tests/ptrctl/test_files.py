"""Small files take whatever a terminal types."""

from __future__ import annotations

from pathlib import Path

from ptrctl.files import append_json_line, read_json, read_json_lines, write_json, write_text

HALF = "cass\udce9"


def test_half_of_a_character_is_written_and_read_back(tmp_path: Path) -> None:
    append_json_line(tmp_path / "trials.jsonl", {"reason": HALF, "more": "caf\u00e9"})
    assert read_json_lines(tmp_path / "trials.jsonl") == [{"reason": HALF, "more": "caf\u00e9"}]
    write_json(tmp_path / "plan.json", {"reason": HALF})
    assert read_json(tmp_path / "plan.json") == {"reason": HALF}
    write_text(tmp_path / "page.html", HALF)
    assert (tmp_path / "page.html").read_text() == "cass\\udce9"
