from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recordings.journal import Journal, read_journal


def write_three(path: Path) -> list[int]:
    """A journal of three entries; returns its length after each."""
    journal = Journal(path)
    ends = []
    for index in range(3):
        journal.append("step", {"index": index}, bytes(range(index * 10)))
        ends.append(path.stat().st_size)
    journal.close()
    return ends


def test_entries_are_read_back(tmp_path: Path) -> None:
    write_three(tmp_path / "j")
    contents = read_journal(tmp_path / "j")
    assert contents.lost_bytes == 0
    assert [entry.fields["index"] for entry in contents.entries] == [0, 1, 2]
    assert contents.entries[2].data == bytes(range(20))


def test_a_journal_cut_anywhere_keeps_every_whole_entry(tmp_path: Path) -> None:
    ends = write_three(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        contents = read_journal(tmp_path / "cut")
        kept = sum(end <= length for end in ends)
        assert len(contents.entries) == kept
        assert contents.lost_bytes == length - (ends[kept - 1] if kept else 0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), value=st.integers(1, 255))
def test_a_changed_byte_never_passes_as_an_entry(tmp_path: Path, place: int, value: int) -> None:
    path = tmp_path / "j"
    path.unlink(missing_ok=True)
    ends = write_three(path)
    damaged = bytearray(path.read_bytes())
    place %= len(damaged)
    damaged[place] ^= value
    path.write_bytes(damaged)
    assert len(read_journal(path).entries) == sum(end <= place for end in ends)


def test_a_journal_is_created_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(FileExistsError):
        Journal(tmp_path / "j")
    journal.remove()
    Journal(tmp_path / "j").close()
