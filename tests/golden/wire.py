#!/usr/bin/env python3
"""Fails if a golden vector of 0.1.0 is gone from tests/wire/vectors.txt, or has other bytes there.

Hosts in C and in Go read and write every vector of that file in their own tests.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent


def vectors(path: Path) -> dict[str, tuple[str, ...]]:
    """Returns, by name, all of a vector but what is for people."""
    found = {}
    for group in path.read_text().split("\n\n"):
        lines = [line for line in group.splitlines() if not line.startswith(("#", "meaning:"))]
        if lines:
            found[lines[0]] = tuple(lines)
    return found


old, new = vectors(HERE / "wire-0.1.0.txt"), vectors(HERE / "../wire/vectors.txt")
if len(old) < 20:
    sys.exit(f"only {len(old)} vectors in wire-0.1.0.txt")
faults = [name for name, lines in old.items() if new.get(name) != lines]
if faults:
    sys.exit("gone or changed since 0.1.0:\n  " + "\n  ".join(faults))
print(f"wire: {len(old)} vectors of 0.1.0 hold, {len(new) - len(old)} are new")
