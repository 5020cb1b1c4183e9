#!/usr/bin/env python3
"""Faults planted in raftlite.so, each for a test to notice.

    mutants.py POWER.SO [PART OF A NAME]     a sync left out is for power.py: CUTS=30 moments, with a fixed SEED
"""
import os
import shutil
import subprocess
import sys
import tempfile

from kit import HERE, ROOT

POWER, PART = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
SOURCES = os.path.join(ROOT, "examples-c/sqlite")
CUTS, SNAPSHOT = ["power.py", POWER, "commits"], ["power.py", POWER, "joins"]
# The fault; file; old text; new text; the test to fail.
MUTANTS = [
    ("the file is not flushed before the log is cut", "snapshot.c",
     "if (n->file->pMethods->xSync(n->file, SQLITE_SYNC_NORMAL) != SQLITE_OK)", "if (false)", CUTS),
    ("the parts of a transaction are not flushed before the log is cut", "snapshot.c",
     "if (n->stage_fd >= 0 && fdatasync(n->stage_fd) != 0)", "if (false)", CUTS),
    ("the state is not flushed before its name", "state.c", "== (ssize_t)len && fsync(fd) == 0;", "== (ssize_t)len;", CUTS),
    ("the name of the state is not flushed", "state.c", "rename(new, path) == 0 && rl_sync_folder(dir)", "rename(new, path) == 0", CUTS),
    ("a received snapshot is not flushed before its name", "snapshot.c", " || fsync(n->loading.fd) != 0", "", SNAPSHOT),
    ("the file is not flushed behind a received snapshot", "snapshot.c",
     "written = n->file->pMethods->xSync(n->file, SQLITE_SYNC_NORMAL);", "written = SQLITE_OK;", SNAPSHOT),
    ("a rollback is proposed", "tx.c", "|| !is_commit(n, below))", "|| (is_commit(n, below), false))",
     ["traps.py", "Traps.test_a_spilled_transaction_that_rolls_back_proposes_nothing"]),
    ("a connection goes on beneath a commit that failed there", "apply.c", "n->epoch += effect;", "",
     ["states.py", "Doubts.test_in_doubt_then_in_effect_is_never_seen_by_an_open_connection"]),
    ("a transaction takes effect on top of any other", "apply.c", "|| e->base != s->last)", "|| false)",
     ["states.py", "States.test_a_fence_of_another_node_repeats_a_transaction"]),
    ("a view holds newer bytes", "snapshot.c", "v->saved[block] ? rl_scratch_read", "false ? rl_scratch_read",
     ["traps.py", "Lives.test_a_backup_is_of_one_moment"]),
    ("a reader is not waited for", "apply.c", "if (effect && !locked && !rl_lock_file(n, wait))", "if (false)",
     ["traps.py", "Traps.test_a_reader_holds_up_the_file_and_not_the_group"]),
]


def build(place, file, old, new):
    """Returns the library with the fault."""
    shutil.copytree(SOURCES, place)
    path = os.path.join(place, file)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    sources = " ".join(os.path.join(place, n) for n in os.listdir(place) if n.endswith(".c"))
    subprocess.run(["make", "-s", "-C", ROOT, f"SQLITE_OUT={place}", f"SQLITE_SRC={sources}", "HOST_WARN=-w", f"{place}/raftlite.so"],
                   check=True, stdout=subprocess.DEVNULL)
    return os.path.join(place, "raftlite.so")


def passes(test, library):
    env = {**os.environ, "CUTS": "30", "SEED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if library:
        env["RAFTLITE"] = library
    return subprocess.run([sys.executable, *test], cwd=HERE, env=env, capture_output=True, timeout=600, check=False).returncode == 0


def main():
    missed, sound = [], []
    folder = tempfile.mkdtemp(prefix="raftlite-mutants-")
    for number, (name, *how, test) in enumerate(MUTANTS):
        if PART in name:
            if test not in sound:
                assert passes(test, None), f"{test[-1]} fails without a fault"
                sound.append(test)
            seen = not passes(test, build(os.path.join(folder, str(number)), *how))
            print(f"    {'noticed' if seen else 'MISSED '}  {name}", flush=True)
            missed += [] if seen else [name]
    shutil.rmtree(folder)
    return 1 if missed else 0


sys.exit(main())
