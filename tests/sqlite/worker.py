#!/usr/bin/env python3
"""A program that uses SQLite and knows nothing of Raft: reads a line of JSON, answers with one.

    worker.py PATH      {"do": "sql", "c": connection, "sql": text, "args": [...]}; connections are made as they are named

"script" runs many statements, "close" ends a connection, "exit" the program, "fork" runs SQL in a child of fork, "sync" is
sync().
"""
import json
import os
import sqlite3
import sys
import threading

from bench import inserts

path = sys.argv[1]
connections = {}
lock = threading.Lock()


def connection(name):
    if name not in connections:
        c = sqlite3.connect(path, uri=path.startswith("file:"), isolation_level=None, timeout=5, check_same_thread=False)
        connections[name] = c
    return connections[name]


def in_child(sql):
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        answers = []
        for c in (connections.get("main"), None):
            try:
                c = c or sqlite3.connect(path, uri=path.startswith("file:"), timeout=1)
                answers.append(["rows", c.execute(sql).fetchall()])
            except sqlite3.Error as e:
                answers.append(["error", str(e)])
        os.write(w, json.dumps(answers).encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(child, 0)
    return json.loads(text)


def answer(ask):
    try:
        if ask["do"] == "fork":
            return {"rows": in_child(ask["sql"])}
        if ask["do"] == "close":
            if ask["c"] in connections:
                connections.pop(ask["c"]).close()
            return {"rows": []}
        if ask["do"] == "sync":
            os.sync()
            return {"rows": []}
        if ask["do"] == "inserts":
            return {"rows": inserts(path, ask["seconds"], [])}
        c = connection(ask.get("c", "main"))
        if ask["do"] == "timeout":
            c.execute(f"PRAGMA busy_timeout={ask['ms']}").fetchall()
            return {"rows": []}
        if ask["do"] == "script":
            c.executescript(ask["sql"])
            return {"rows": []}
        return {"rows": c.execute(ask["sql"], ask.get("args", [])).fetchall()}
    except sqlite3.Error as e:
        return {"error": str(e), "code": getattr(e, "sqlite_errorcode", 0), "in_transaction":
                bool(connections.get(ask.get("c", "main")) and connections[ask.get("c", "main")].in_transaction)}


def serve(ask):
    got = answer(ask)
    got["n"] = ask.get("n")
    with lock:
        print(json.dumps(got, default=repr), flush=True)


connection("main")
for line in sys.stdin:
    ask = json.loads(line)
    if ask["do"] == "exit":
        break
    if ask.get("thread"):
        threading.Thread(target=serve, args=(ask,), daemon=True).start()
    else:
        serve(ask)
for c in connections.values():
    c.close()
