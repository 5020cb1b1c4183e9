#!/usr/bin/env python3
"""Runs the commands of docs/c.md or docs/cpp.md in one shell, on free ports, and compares their output with the page.

    tests/host/page.py SCRATCH [docs/cpp.md]     SAY=1 prints each command

The C or C++ blocks of the page, one after another, must be the page's program. The table of lines must be right.
"""

import collections
import os
import re
import signal
import subprocess
import sys
import threading

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402

SCRATCH = sys.argv[1]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS = 60  # for a command
# Of each page: its program, the language of its blocks, and the least number of commands.
PAGES = {"docs/c.md": ("examples-c/counter.c", "c", 60), "docs/cpp.md": ("examples-c/scores.cpp", "cpp", 25)}
PAGE = sys.argv[2] if len(sys.argv) > 2 else "docs/c.md"
PROGRAM, LANGUAGE, LEAST = PAGES[PAGE]

page = open(f"{ROOT}/{PAGE}").read()
blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S)


def lines_of(text):
    return [line for line in text.splitlines() if line.strip()]


program = open(f"{ROOT}/{PROGRAM}").read()
printed = lines_of("".join(body for kind, body in blocks if kind == LANGUAGE))
if printed != lines_of(program[program.index("#include"):]):
    sys.exit(f"{PAGE}: the blocks of code are not {PROGRAM}")

for name, lines in re.findall(r"\(\.\./examples-c/(\w+\.c(?:pp)?)\).*\| (\d+) \|$", page, re.M):
    if len(open(f"{ROOT}/examples-c/{name}").readlines()) != int(lines):
        sys.exit(f"{PAGE}: examples-c/{name} has another number of lines")

ports = collections.defaultdict(lambda: str(free_port()))  # another port for each port of the page
blocks = [re.sub(r"\b[78]00\d\b", lambda match: ports[match[0]], body) for kind, body in blocks if kind == "console"]

shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(f"{SCRATCH}/stderr", "wb"),
                         cwd=SCRATCH, env={**os.environ, "RAFTCORE": ROOT, "MAKEFLAGS": ""}, text=True, bufsize=1, start_new_session=True)


def run(command):
    """Returns the output of a command, and its exit status."""
    shell.stdin.write(f"{command}\necho \"== $?\"\n")
    shell.stdin.flush()
    said = ""
    for line in shell.stdout:
        if (end := re.search(r"== (\d+)\n$", line)) is not None:
            return said + line[:end.start()], int(end[1])
        said += line
    return said, -1


def fail(command, said, words):
    end()
    sys.exit(f"{PAGE}: $ {command}\n{said}\n{words}\nstderr: {open(f'{SCRATCH}/stderr').read()[-2000:]}")


def end():
    """Ends the shell and its children."""
    if shell.poll() is None:
        os.killpg(shell.pid, signal.SIGKILL)


def hangs():
    print(f"{PAGE}: no answer after {SECONDS} s: $ {command}", file=sys.stderr, flush=True)
    end()


count, command = 0, ""
for body in blocks:
    for real in ("\n" + body).split("\n$ ")[1:]:
        command, _, wanted = real.partition("\n")
        if os.environ.get("SAY"):
            print("$", command, flush=True)
        timer = threading.Timer(SECONDS, hangs)
        timer.start()
        said, status = run(command)
        timer.cancel()
        if [s.rstrip() for s in said.splitlines()] != [s.rstrip() for s in wanted.splitlines()] or status != 0:
            fail(command, said, f"exit status {status}; the page says\n{wanted}")
        count += 1
end()
if count < LEAST:
    sys.exit(f"{PAGE}: {count} commands")
print(f"{PAGE}: {count} commands print what the page says")
