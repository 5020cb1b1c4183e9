#!/usr/bin/env python3
"""Compares the C headers with what they declared in 0.1.0: docs/versions.md says what may change.

    tests/golden/abi.py              fails if a function, a number or a field of abi-0.1.0.txt is gone, changed or moved
    tests/golden/abi.py --write      writes abi-0.1.0.txt, before the release only

A struct that begins with struct_size, or is an element of an array with a stride, may grow at its end. No other struct may grow.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
HEADERS = ["raftcore.h", "raftcore_host.h"]
GOLDEN = HERE / "abi-0.1.0.txt"
# Elements of arrays: the ready has their stride.
STRIDED = {"raftcore_entry", "raftcore_msg", "raftcore_read", "raftcore_drop", "raftcore_done", "raftcore_peer"}


def plain(text: str) -> str:
    """Returns the header without comments and with single blanks."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"//[^\n]*", " ", text)


def fields(body: str) -> list[str]:
    return [" ".join(field.split()) for field in body.split(";") if field.strip()]


def declared(text: str) -> list[str]:
    """Returns a line for each number, function and struct of a header."""
    text = plain(text)
    lines = [f"number {name} {' '.join(value.split())}" for name, value in re.findall(r"^#define (R(?:AFTCORE|H)_\w+) +([^\n\\]+)$", text, re.M)]
    body = re.sub(r"^#[^\n]*(\\\n[^\n]*)*", "", text, flags=re.M)
    for name, inside in re.findall(r"\benum (\w*)\s*\{([^{}]*)\}", body):
        lines.append(f"enum {name} {' '.join(inside.split())}")
    structs = re.findall(r"typedef struct \w* ?\{([^{}]*)\} (\w+);", body) + [
        (inside, name) for name, inside in re.findall(r"^struct (\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\};", body, re.M)
    ]
    lines += [f"struct {name}: " + "; ".join(fields(inside)) for inside, name in structs]
    without = re.sub(r"(typedef struct \w* ?|^(?:struct|enum) \w+\s*)\{((?:[^{}]|\{[^{}]*\})*)\}", " ", body, flags=re.M)
    for result, name, arguments in re.findall(r"([A-Za-z_][\w\s*]*?[\s*])(r(?:aftcore|h)_\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)[^;{}()]*;", without):
        result = re.sub(r"\b(RAFTCORE_API|RAFTCORE_MUST_USE|RH_API|extern)\b", "", result)
        if "typedef" not in result:
            lines.append(f"function {' '.join(result.split())} {name}({' '.join(arguments.split())})")
    return sorted(set(lines))


def grows(old: str, new: list[str]) -> bool:
    """Is the struct of line `old` the beginning of a struct that may grow?"""
    head, body = old.split(": ", 1)
    name = head.split()[1]
    may = body.startswith("uint32_t struct_size") or body.startswith("size_t struct_size") or name in STRIDED
    return may and any(line.startswith(old + ";") for line in new)


def main() -> None:
    now = [f"{header} {line}" for header in HEADERS for line in declared((HERE / "../../include" / header).read_text())]
    if sys.argv[1:] == ["--write"]:
        GOLDEN.write_text("\n".join(now) + "\n")
        return
    golden = GOLDEN.read_text().splitlines()
    present = set(now)
    faults = []
    for old in golden:
        bare = old.split(" ", 1)[1]
        if old in present or bare.startswith("struct ") and grows(old, now):
            continue
        if bare.startswith("enum ") and any(line.startswith(old) for line in now):
            continue
        if " number " in old and re.search(r"_VERSION(_\w+)? ", old):
            continue
        faults.append(old)
    if len(golden) < 300:
        sys.exit(f"only {len(golden)} lines in {GOLDEN}")
    if faults:
        sys.exit("gone, changed or moved since 0.1.0:\n  " + "\n  ".join(faults))
    print(f"ABI: {len(golden)} declarations of 0.1.0 hold, {len(now) - len(golden)} are new")


main()
