"""For judges.py: databases in memory become files, so that a foreign test suite reaches the file system.

REDIRECT names a folder for the files. With REDIRECT_LOG, the file gets a line for each connection: its path, and whether
raftlite serves it. Deleting a database deletes what raftlite has beside it.
"""
import itertools
import os
import shutil
import sqlite3
import sqlite3.dbapi2

FOLDER, LOG = os.environ.get("REDIRECT"), os.environ.get("REDIRECT_LOG")
numbers = itertools.count(1)
real_connect, real_unlink, real_remove = sqlite3.connect, os.unlink, os.remove


def connect(database, *args, **kwargs):
    if database == ":memory:":
        database = os.path.join(FOLDER, f"{os.getpid()}-{next(numbers)}.db")
    c = real_connect(database, *args, **kwargs)
    try:
        path = os.fspath(database)
        with open(LOG, "a", encoding="utf-8") as f:
            f.write(f"{path!r} {os.path.isdir(os.fsdecode(path).removeprefix('file:').split('?')[0] + '-raft')}\n")
    except TypeError:
        pass
    return c


def without_raft(real):
    def delete(path, *args, **kwargs):
        real(path, *args, **kwargs)
        if isinstance(path, (str, bytes, os.PathLike)):
            shutil.rmtree(os.fsdecode(path) + "-raft", ignore_errors=True)
    return delete


if FOLDER:
    sqlite3.connect = sqlite3.dbapi2.connect = connect
    os.unlink, os.remove = without_raft(real_unlink), without_raft(real_remove)
