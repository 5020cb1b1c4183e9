#!/usr/bin/env python3
"""Transactions of one INSERT each, a second: three nodes beside stock SQLite on one. SECONDS=5 ROUNDS=5; `make bench-sqlite`.

Rounds of the ways follow each other, so that each way sees the same machine. A figure is the median of the rounds.
"""
import os
import shutil
import sqlite3
import statistics
import tempfile
import time

from kit import Group

SECONDS, ROUNDS = float(os.environ.get("SECONDS", "3")), int(os.environ.get("ROUNDS", "5"))
BAR = 0.7


def inserts(path, seconds, first):
    """Returns transactions a second, and the slowest in milliseconds."""
    c = sqlite3.connect(path, uri=path.startswith("file:"), isolation_level=None, timeout=10)
    for sql in first:
        c.execute(sql).fetchall()
    c.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a TEXT)")
    begin, n, slowest = time.perf_counter(), 0, 0.0
    while (now := time.perf_counter()) < begin + seconds:
        c.execute("INSERT INTO t(a) VALUES (?)", ("some hundred bytes of text " * 4,))
        n, slowest = n + 1, max(slowest, time.perf_counter() - now)
    c.close()
    return n / (now - begin), slowest * 1000


def stock(folder, mode):
    path = os.path.join(folder, f"{mode}.db")
    return inserts(path, SECONDS, [f"PRAGMA journal_mode={mode}", "PRAGMA synchronous=FULL"])


def replicated(group):
    """The leader's program inserts; the other two only follow."""
    leader = group.members[0]
    leader.sql("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a TEXT)")
    leader.sql(f"PRAGMA raft_transfer={leader.number}") if not leader.is_leader() else None
    rate, slowest = leader.take(leader.post(do="inserts", seconds=SECONDS), 60)
    group.same()
    return rate, slowest


def main():
    folder = tempfile.mkdtemp(dir=os.environ.get("BENCH_DIR"), prefix="raftlite-bench-")
    one, three = Group(os.path.join(folder, "one"), 1), Group(os.path.join(folder, "three"), 3)
    ways = {"stock, journal DELETE, FULL": lambda: stock(folder, "DELETE"), "stock, WAL, FULL": lambda: stock(folder, "WAL"),
            "raft, one node": lambda: replicated(one), "raft, three nodes": lambda: replicated(three)}
    figures = {name: [] for name in ways}
    try:
        one.start()
        three.start()
        for _ in range(ROUNDS):
            for name, way in ways.items():
                figures[name].append(way())
    finally:
        one.end()
        three.end()
        shutil.rmtree(folder)
    print(figures) if os.environ.get("V") else None
    wal = statistics.median(rate for rate, _ in figures["stock, WAL, FULL"])
    print(f"| {'way':28} | transactions/s | of stock WAL | slowest |\n|---|---|---|---|")
    for name, rounds in figures.items():
        rate = statistics.median(rate for rate, _ in rounds)
        print(f"| {name:28} | {rate:14.0f} | {rate / wal:12.2f} | {max(s for _, s in rounds):4.0f} ms |")
    print(f"load average {os.getloadavg()[0]:.1f}; the bar for three nodes is {BAR} of stock WAL")


if __name__ == "__main__":
    main()
