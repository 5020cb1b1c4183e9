"""judge.py: redis-py's own tests against a plain server, and against three members. The outcomes must be equal, test by test.

    judge.py SCRATCH [FILE…]      SERVER=… a different server; files of redis-py's tests, default FILES

Tests that meet a refused command (NOPERM) differ by design, and are listed. The package comes from PyPI.
"""

import collections
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree

from kit import ROOT, Client, Group, free_port, version_of, wait_for

REDIS_PY = "redis==5.0.8"
FILES = ["test_commands.py", "test_pipeline.py", "test_scripting.py", "test_lock.py", "test_pubsub.py", "test_function.py",
         "test_hash.py", "test_encoding.py", "test_connection_pool.py", "test_asyncio/test_commands.py",
         "test_asyncio/test_pipeline.py", "test_asyncio/test_lock.py"]
VENV = os.path.join(ROOT, "target", "redis", "venv")


def fetch():
    """Returns an interpreter with pytest, and a folder with redis-py's tests."""
    tests = os.path.join(VENV, "redis-py")
    python = os.path.join(VENV, "bin", "python")
    if not os.path.exists(os.path.join(tests, "tests")):
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", REDIS_PY, "pytest", "pytest-asyncio", "mock", "packaging"], check=True)
        with tempfile.TemporaryDirectory() as d:
            subprocess.run([python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", d,
                            REDIS_PY], check=True)
            with tarfile.open(os.path.join(d, os.listdir(d)[0])) as tar:
                tar.extractall(d, filter="data")
            source = next(os.path.join(d, n) for n in os.listdir(d) if os.path.isdir(os.path.join(d, n)))
            os.makedirs(tests, exist_ok=True)
            shutil.move(os.path.join(source, "tests"), os.path.join(tests, "tests"))
    return python, tests


def run_file(python, tests, port, file, report):
    with open(report + ".log", "w") as log:
        subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not redismod and not ssl",
                        "-o", "asyncio_mode=auto", "-o", "junit_family=xunit1", f"--junitxml={report}",
                        f"--redis-url=redis://127.0.0.1:{port}/9", os.path.join("tests", file)],
                       cwd=tests, stdout=log, stderr=log, timeout=900)
    return xml.etree.ElementTree.parse(report)


def run(python, tests, port, files, where):
    """The outcome of each test by name, and the names of refused tests. A process for each file."""
    found, refused = {}, set()
    for number, file in enumerate(files):
        for case in run_file(python, tests, port, file, os.path.join(where, f"{number}.{port}.xml")).iter("testcase"):
            kinds = {child.tag for child in case}
            name = f"{case.get('classname')}.{case.get('name')}"
            found[name] = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
            if any("NoPermissionError" in (child.text or "") for child in case):
                refused.add(name)
    return found, refused


def plain_server(server, where):
    port = free_port()
    os.makedirs(where)
    process = subprocess.Popen([*server.split(), "--port", str(port), "--save", "", "--dir", where], stdout=subprocess.DEVNULL)
    wait_for("the plain server", lambda: Client(port).do("PING") == "PONG")
    return process, port


def main():
    scratch, files = tempfile.mkdtemp(dir=sys.argv[1]), sys.argv[2:] or FILES
    server = os.environ.get("SERVER") or "redis-server"
    python, tests = fetch()
    process, port = plain_server(server, os.path.join(scratch, "plain"))
    try:
        plain, _ = run(python, tests, port, files, scratch)
    finally:
        process.kill()
        process.wait()
    begin = time.monotonic()
    with Group(os.path.join(scratch, "group"), server=server, options=["--allow", "+config|set +config|rewrite"
               if version_of(server) >= (7,) else "+config"]) as group:
        ours, refused = run(python, tests, group.client[group.wait_leader()], files, scratch)
        reloads = sum(group.log(i).count("loaded anew") for i in group.members)
        group.assert_equal()
    differ = {name: (plain.get(name), ours.get(name)) for name in sorted({*plain, *ours}) if plain.get(name) != ours.get(name)}
    refused &= differ.keys()
    counts = collections.Counter(plain.values())
    print(f"    {REDIS_PY} on {os.path.basename(server.split()[0])} {'.'.join(map(str, version_of(server)))}: {len(plain)} tests; "
          f"plain: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped; "
          f"equal through three members: {len(plain) - len(differ)}; refused by design: {len(refused)}; "
          f"other differences: {len(differ) - len(refused)}; reloads {reloads}; {time.monotonic() - begin:.0f} s; members equal")
    for name, (a, b) in differ.items():
        print(f"      {'refused' if name in refused else 'DIFFERS'}: {name}: plain {a}, members {b}")
    return 1 if len(differ) > len(refused) or counts["passed"] < 100 else 0


sys.exit(main())
