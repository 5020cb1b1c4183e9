#!/usr/bin/env python3
"""sqllogictest files through raftlite, beside stock SQLite: each record must have the same end.

    slt.py FOLDER [SECONDS]     all .test and .slt files below the folder, as many as the time allows

No package has the files of SQLite's own suite, so this judge needs a copy: docs/sqlite.md.
"""
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from kit import LIBRARY


def records(path):
    """Yields (kind, sql, sort) of a file's records for SQLite. kind: ok, error, or the types of a query's columns."""
    with open(path, encoding="utf-8", errors="replace") as f:
        blocks = f.read().replace("\r\n", "\n").split("\n\n")
    for block in blocks:
        lines = [line for line in block.strip("\n").split("\n") if not line.startswith("#")]
        skip = False
        while lines and lines[0].split()[:1] in (["skipif"], ["onlyif"]):
            word, engine = lines.pop(0).split()[:2]
            skip = skip or (engine == "sqlite") == (word == "skipif")
        words = lines[0].split() if lines else []
        if words[:1] == ["halt"] and not skip:
            return
        if skip or len(words) < 2 or words[0] not in ("statement", "query"):
            continue
        sql = "\n".join(lines[1:]).split("\n----")[0]
        yield words[1], sql, words[2] if words[0] == "query" and len(words) > 2 else "nosort"


def text(value, kind):
    if value is None:
        return "NULL"
    if kind == "I":
        try:
            return str(int(value))
        except ValueError:
            return "0"
    if kind == "R":
        try:
            return f"{float(value):.3f}"
        except ValueError:
            return "0.000"
    return "".join(c if " " <= c <= "~" else "@" for c in str(value)) or "(empty)"


def outcome(db, kind, sql, sort):
    try:
        rows = db.execute(sql).fetchall()
    except sqlite3.Error as e:
        return "error" if kind == "error" else f"failed: {e}"
    if kind in ("ok", "error"):
        return "ok"
    found = [[text(v, k) for v, k in zip(row, kind)] for row in rows]
    if sort == "rowsort":
        found.sort()
    values = [v for row in found for v in row]
    if sort == "valuesort":
        values.sort()
    return hashlib.md5("\n".join(values).encode()).hexdigest()


def child(folder):
    """For each path on stdin: a line with the outcomes of the records."""
    for number, path in enumerate(sys.stdin):
        db = sqlite3.connect(os.path.join(folder, f"{number}.db"), isolation_level=None)
        print(json.dumps([outcome(db, *record) for record in records(path.strip())]), flush=True)
        db.close()
        for name in os.listdir(folder):
            place = os.path.join(folder, name)
            shutil.rmtree(place) if os.path.isdir(place) else os.unlink(place)


class Way:
    def __init__(self, how):
        self.folder = tempfile.mkdtemp(prefix=f"raftlite-slt-{how}-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        if how == "raft":
            env.update(LD_PRELOAD=LIBRARY, RAFTLITE_FILE="*", RAFTLITE_SOLO="1", RAFTLITE_TICK="1", RAFTLITE_LOG_BYTES="65536")
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--child", self.folder], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, path):
        self.process.stdin.write(path + "\n")
        self.process.stdin.flush()

    def take(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder)


def main():
    top, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1e9
    paths = sorted(os.path.join(d, n) for d, _, names in os.walk(top) for n in names if n.endswith((".test", ".slt")))
    random.Random(1).shuffle(paths)
    ways, end = [Way("stock"), Way("raft")], time.monotonic() + seconds
    files, count, failed, differ = 0, 0, 0, []
    for path in paths:
        if time.monotonic() > end:
            break
        for way in ways:
            way.send(os.path.abspath(path))
        stock, raft = (way.take() for way in ways)
        files, count = files + 1, count + len(stock)
        failed += sum(o.startswith("failed") for o in stock)
        differ += [f"{path}: record {i}: stock {a}, raftlite {b}" for i, (a, b) in enumerate(zip(stock, raft)) if a != b]
    for way in ways:
        way.end()
    print(f"sqllogictest: {files} of {len(paths)} files, {count} records; {failed} fail with stock SQLite; {len(differ)} differ through raftlite")
    print("\n".join(differ[:20]))
    return 1 if differ or not count else 0


if __name__ == "__main__":
    sys.exit(child(sys.argv[2]) if sys.argv[1:2] == ["--child"] else main())
