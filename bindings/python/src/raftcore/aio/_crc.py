"""CRC-32C, missing in Python's library, without a loop over all bytes.

A checksum is the remainder of the data, as a polynomial over two elements, by the polynomial of
CRC-32C. The remainder stays equal if x**5321 becomes x**3574 + x**2491 + 1, and so for
equal exponents times a power of two. Shifts of large integers then fold many kilobytes at once, and
a table ends the last few hundred bytes. tests/aio/test_wire.py compares with a table alone.
"""

from __future__ import annotations

_A, _B, _C = 5321, 3574, 2491
_TAKE = _A - _B  # bits removed by a fold, times the scale


def _table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


_TABLE = _table()


def crc32c(data: bytes | memoryview, crc: int = 0) -> int:
    """Returns the checksum of `data`, or of data before with the checksum `crc`, and `data`."""
    crc ^= 0xFFFFFFFF
    if len(data) > 2048:
        data, crc = _folded(data, crc), 0
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _folded(data: bytes | memoryview, crc: int) -> bytes:
    """Returns fewer bytes with an equal remainder. The lowest bit has the highest power of x."""
    bits = 8 * len(data)
    value = int.from_bytes(data, "little") ^ crc
    while bits >= _A + _TAKE:
        scale = 1 << (bits // (_A + _TAKE)).bit_length() - 1
        take = _TAKE * scale
        head = value & (1 << take) - 1
        value = value >> take ^ head ^ head << (_B - _C) * scale ^ head << _B * scale
        bits -= take
    size = (bits + 7) // 8
    return (value << 8 * size - bits).to_bytes(size, "little")
