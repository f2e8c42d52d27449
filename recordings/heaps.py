"""Damage that libhdf5 must not see: it would loop for ever, and Ctrl-C would not end it.

HDF5 keeps texts of any length in global heap collections (HDF5 File Format Specification, III.E).
A collection is `GCOL`, version, 3 reserved bytes, its size in 8 bytes; then objects, each a header
of index, reference count, 4 reserved bytes and size, and the object rounded up to 8 bytes. Index 0
is the free space behind them, whose size includes its header. libhdf5 (H5HGcache.c) goes from
object to object by these sizes, so that a size of 0 there, as zeroed sectors have it, holds it.
"""

from __future__ import annotations

import struct
from pathlib import Path

_SIGNATURE = b"GCOL\x01\0\0\0"
_OBJECT = struct.Struct("<HH4xQ")
_HEADER = 16
"""Bytes of the header of a collection, and of an object."""


def check_heaps(path: Path) -> None:
    """Look for collections that do not end where they say.

    Raises:
        ValueError: There is one.
        OSError: The file cannot be read.
    """
    # Not mapped into memory: what a bad disk cannot read would end the program without a word.
    contents = path.read_bytes()
    start = contents.find(_SIGNATURE)
    while start >= 0:
        if not _is_whole(contents, start):
            raise ValueError(f"the texts at byte {start} are damaged")
        start = contents.find(_SIGNATURE, start + _HEADER)


def _is_whole(contents: bytes, start: int) -> bool:
    end = start + int.from_bytes(contents[start + 8 : start + _HEADER], "little")
    position = start + _HEADER
    # Free space that is too small for a header has none.
    while position + _HEADER <= end <= len(contents):
        index, _, size = _OBJECT.unpack_from(contents, position)
        length = _HEADER + (size + 7) // 8 * 8 if index else size
        if length < _HEADER or position + length > end:
            return False
        position += length
    return end <= len(contents)
