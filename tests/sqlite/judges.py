#!/usr/bin/env python3
"""Foreign test suites on database files, with stock SQLite and through raftlite.so: which tests end otherwise?

    judges.py cpython          test_sqlite3 of this Python
    judges.py django [LABEL…]  Django's own tests, from the sdist of PyPI; some labels if none is given

A database in memory becomes a file (redirect/sitecustomize.py); each file is a group of one.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from kit import HERE, LIBRARY, ROOT

DJANGO, OUT = "4.2.16", os.path.join(ROOT, "target/sqlite")
LABELS = """backends transactions basic savepoints select_for_update bulk_create delete get_or_create custom_pk indexes constraints
    update queries aggregation expressions""".split()
# Outcomes that differ for a reason that the page docs/sqlite.md gives.
EXPECTED = {
    "test.test_sqlite3.test_dbapi.MultiprocessTests.test_ctx_mgr_rollback_if_commit_failed test_ctx_mgr_rollback_if_commit_failed":
        "a second process of the machine writes",
}


def outcomes(text):
    """Returns {test: outcome} of unittest's verbose output, in which a test's first line of text may stand between."""
    found, name = {}, None
    for line in text.split("\n"):
        m = re.match(r"(\w+) \(([\w.]+)\)", line)
        if m:
            name = f"{m[2]} {m[1]}"
        m = re.search(r"(?:\.\.\. |^)(ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b", line)
        if m and name and name not in found:
            found[name] = m[1]
    return found


def run(command, how, cwd, environment):
    """Runs a suite. Returns its outcomes, and how many connections of how many reached raftlite."""
    folder = tempfile.mkdtemp(prefix=f"raftlite-judge-{how}-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.join(HERE, "redirect"), *environment.pop("PYTHONPATH", [])]),
           "REDIRECT": folder, "REDIRECT_LOG": folder + "/connections", "PYTHONDONTWRITEBYTECODE": "1", "JUDGE_FOLDER": folder,
           **environment}
    if how == "raft":
        env.update(LD_PRELOAD=LIBRARY, RAFTLITE_FILE="*", RAFTLITE_SOLO="1", RAFTLITE_TICK="1", RAFTLITE_LOG_BYTES="65536")
    got = subprocess.run(command, cwd=cwd or folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace", check=False)
    with open(os.path.join(OUT, f"judge-{how}.log"), "w", encoding="utf-8") as f:
        f.write(got.stdout)
    with open(folder + "/connections", encoding="utf-8") as f:
        lines = f.read().splitlines()
    shutil.rmtree(folder)
    return outcomes(got.stdout), sum(line.endswith("True") for line in lines), len(lines)


def judge(name, command, cwd=None, environment=None):
    stock, _, _ = run(command, "stock", cwd, dict(environment or {}))
    raft, reached, connections = run(command, "raft", cwd, dict(environment or {}))
    differ = {t: (stock.get(t, "not run"), raft.get(t, "not run")) for t in {*stock, *raft} if stock.get(t) != raft.get(t)}
    print(f"{name}: {len(stock)} tests, {sum(o == 'ok' for o in stock.values())} pass with stock SQLite; "
          f"{sum(o == 'ok' for o in raft.values())} through raftlite; {reached} of {connections} connections reached it")
    for test, (before, after) in sorted(differ.items()):
        print(f"  differs: {test}: stock {before}, raftlite {after}{'  (expected: ' + EXPECTED[test] + ')' if test in EXPECTED else ''}")
    return len(stock) > 0 and reached > 0 and not [t for t in differ if t not in EXPECTED]


def cpython():
    return judge("CPython " + sys.version.split()[0], [sys.executable, "-m", "unittest", "-v", "test.test_sqlite3"])


def fetch_django():
    """Returns the unpacked sdist, beside a venv with what its tests need; None: PyPI is not reached."""
    place = os.path.join(OUT, f"Django-{DJANGO}")
    if os.path.isdir(place):
        return place
    pip = [os.path.join(OUT, "venv/bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", os.path.join(OUT, "venv")], check=True)
    for words in (["download", "--no-deps", "--no-binary", "django", "-d", OUT, f"django=={DJANGO}"],
                  ["install", f"django=={DJANGO}", "tblib"]):
        if subprocess.run(pip + words, check=False).returncode != 0:
            return None
    subprocess.run(["tar", "xzf", f"Django-{DJANGO}.tar.gz"], cwd=OUT, check=True)
    return place


SETTINGS = """
import os
DATABASES = {n: {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["JUDGE_FOLDER"] + f"/{n}.db",
                 "TEST": {"NAME": os.environ["JUDGE_FOLDER"] + f"/test-{n}.db"}} for n in ("default", "other")}
SECRET_KEY = "none"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
"""


def django(labels):
    place = fetch_django()
    if not place:
        print("skipped: Django's tests: pip can fetch no sdist here")
        return os.environ.get("CI") != "true"
    with open(os.path.join(OUT, "judge_settings.py"), "w", encoding="utf-8") as f:
        f.write(SETTINGS)
    command = [os.path.join(OUT, "venv/bin/python"), "runtests.py", "--settings=judge_settings", "--parallel=1", "-v", "2", "--noinput"]
    return judge(f"Django {DJANGO}", command + (labels or LABELS), os.path.join(place, "tests"), {"PYTHONPATH": [OUT, place]})


good = cpython() if sys.argv[1] == "cpython" else django(sys.argv[2:])
sys.exit(not good)
