#!/usr/bin/env python3
"""A bank on SQLite: moves money between accounts wherever it may write. The program knows nothing of Raft.

    bank.py FILE      on stdin: "go", "pause"; on stdout: "paused", and the number of each transfer that was committed
"""
import os
import random
import sqlite3
import sys
import threading
import time

ACCOUNTS, EACH = 10, 100
going = threading.Event()


def listen():
    for line in sys.stdin:
        if line.strip() == "go":
            going.set()
        else:
            going.clear()
    os._exit(0)


def open_bank(db):
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TABLE IF NOT EXISTS account(id INTEGER PRIMARY KEY, balance INTEGER CHECK (balance >= 0))")
    db.execute("CREATE TABLE IF NOT EXISTS transfer(id INTEGER PRIMARY KEY, a, b, amount, note)")
    db.executemany("INSERT OR IGNORE INTO account VALUES (?, ?)", ((i, EACH) for i in range(ACCOUNTS)))
    db.execute("COMMIT")


def transfer(db, number):
    a, b = random.sample(range(ACCOUNTS), 2)
    amount = random.randrange(50)
    db.execute("BEGIN IMMEDIATE")
    if db.execute("SELECT balance FROM account WHERE id = ?", (a,)).fetchone()[0] < amount:
        amount = 0
    db.execute("UPDATE account SET balance = balance - ? WHERE id = ?", (amount, a))
    db.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, b))
    db.execute("INSERT INTO transfer VALUES (?, ?, ?, ?, hex(randomblob(?)))", (number, a, b, amount, random.randrange(900)))
    db.execute("COMMIT")


def work(path):
    """Returns when a connection must be replaced."""
    db = sqlite3.connect(path, isolation_level=None, timeout=0.2)
    opened = said = False
    while True:
        if not going.is_set():
            if not said:
                print("paused", flush=True)
            said = True
            going.wait(0.1)
            continue
        said = False
        number = random.getrandbits(62)
        try:
            if not opened:
                open_bank(db)
            opened = True
            transfer(db, number)
            print(number, flush=True)
        except sqlite3.OperationalError as e:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if "I/O" in str(e):
                db.close()
                return
            time.sleep(0.02)


threading.Thread(target=listen, daemon=True).start()
while True:
    work(sys.argv[1])
