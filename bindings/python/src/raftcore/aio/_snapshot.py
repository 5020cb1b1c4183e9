"""A snapshot as bytes between members: docs/wire.md, section 9."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ._crc import crc32c
from ._errors import DamagedError

BLOCK = 256 << 10  # bytes of data in a block
_MAGIC = b"RHSNAP1\n"
_FRONT = Struct("<8sII")  # magic, checksum of the head, bytes of the head
_HEAD = Struct("<QQIIII")  # index, term, bytes of conf, of book, of a block, 0
_BLOCK, _TAIL, _NUMBER = Struct("<II"), Struct("<QQ"), Struct("<Q")


class Snapshot(NamedTuple):
    """The replicated state as of an entry. `data` is the table of sessions, then the machine's."""

    index: int  # type: ignore[assignment]
    term: int
    conf: bytes
    book: bytes
    data: bytes


class Place(NamedTuple):
    """A snapshot file, without its content."""

    index: int  # type: ignore[assignment]
    term: int
    size: int
    checksum: int


def write(snapshot: Snapshot) -> tuple[Place, list[bytes]]:
    """Returns the file, in parts of about BLOCK bytes."""
    index, term, conf, book, data = snapshot
    body = _HEAD.pack(index, term, len(conf), len(book), BLOCK, 0) + conf + book
    head = _FRONT.size + len(body)
    body += bytes(-head % 8)
    size = _FRONT.size + len(body)
    parts = [_FRONT.pack(_MAGIC, crc32c(_FRONT.pack(_MAGIC, 0, size)[12:] + body), size) + body]
    for number, at in enumerate(range(0, len(data), BLOCK)):
        block = data[at : at + BLOCK]
        parts.append(_BLOCK.pack(len(block), crc32c(block, crc32c(_NUMBER.pack(number)))) + block)
    end = _TAIL.pack(len(parts) - 1, len(data))
    parts.append(_BLOCK.pack(0, crc32c(end)) + end)
    checksum = 0
    for part in parts:
        checksum = crc32c(part, checksum)
    return Place(index, term, sum(map(len, parts)), checksum), parts


def head(file: bytes) -> tuple[int, int]:
    """Returns index and term out of the first bytes of a file. Raises DamagedError."""
    if len(file) < _FRONT.size + _HEAD.size or file[:8] != _MAGIC:
        raise DamagedError("no snapshot")
    index, term, *_ = _HEAD.unpack_from(file, _FRONT.size)
    return index, term


def read(file: bytes) -> Snapshot:
    """Reads and checks a whole file. Raises DamagedError."""
    index, term = head(file)
    _, checksum, size = _FRONT.unpack_from(file)
    _, _, conf_bytes, book_bytes, block_bytes, _ = _HEAD.unpack_from(file, _FRONT.size)
    at = _FRONT.size + _HEAD.size
    if size % 8 or not at + conf_bytes + book_bytes <= size <= len(file) or not 0 < block_bytes <= 1 << 20:
        raise DamagedError("the head of a snapshot")
    if crc32c(file[12:size]) != checksum:
        raise DamagedError("the head of a snapshot has another checksum")
    conf, book = file[at : at + conf_bytes], file[at + conf_bytes : at + conf_bytes + book_bytes]
    view, at = memoryview(file), size
    blocks: list[memoryview] = []
    while True:
        if at + _BLOCK.size > len(file):
            raise DamagedError("a snapshot ends early")
        length, checksum = _BLOCK.unpack_from(file, at)
        at += _BLOCK.size
        if not length:
            break
        block = view[at : at + length]
        if length > block_bytes or len(block) < length or crc32c(block, crc32c(_NUMBER.pack(len(blocks)))) != checksum:
            raise DamagedError(f"block {len(blocks)} of a snapshot has another checksum")
        blocks.append(block)
        at += length
    end = file[at:]
    data = b"".join(blocks)
    if len(end) != _TAIL.size or crc32c(end) != checksum or _TAIL.unpack(end) != (len(blocks), len(data)):
        raise DamagedError("the end of a snapshot")
    return Snapshot(index, term, conf, book, data)
