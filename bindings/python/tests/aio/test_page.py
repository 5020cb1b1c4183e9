"""docs/python.md: the program is written, and the commands are run, as a reader would, in order.
"""

import contextlib
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from kit import TimedTest

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "python.md"
END = "--- end of a command ---"


def commands(page):
    """Returns (command, expected output) of all console blocks."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            found.append((command, expected))
    return found


def fetch_tools(folder):
    """Fetches with pip what builds a package. Returns True if pip can."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "setuptools>=70.1"]
    return subprocess.run(command, capture_output=True, timeout=240).returncode == 0


class Shell:
    """A bash that runs the commands of the page, in a folder."""

    LIMIT = 600  # seconds for a command: pip is the slowest

    def __init__(self, folder, env):
        self.errors = open(Path(folder) / "stderr", "w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors, "bufsize": 0}
        self.process = subprocess.Popen(["bash"], cwd=folder, env=env, start_new_session=True, **pipes)

    def run(self, command):
        """Returns the output of a command."""
        self.process.stdin.write(f"{command}\necho; echo '{END}'\n".encode())
        said, end, until = b"", f"\n{END}\n".encode(), time.monotonic() + self.LIMIT
        while not said.endswith(end):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"$ {command}\nnot done within {self.LIMIT} s; so far {said!r}\n{self.complaints()}")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise AssertionError(f"$ {command}\nended the shell\n{self.complaints()}")
            said += more
        return said[: -len(end)].decode()

    def complaints(self):
        """Returns the end of what the commands, and the members, wrote as errors."""
        self.errors.seek(0)
        return self.errors.read()[-4000:]

    def close(self):
        """Ends the shell, and the members of the page."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            file.close()


class Page(TimedTest):
    LIMIT = 900

    def test_every_command_prints_what_the_page_says(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        tools = Path(folder.name) / "tools"
        if not fetch_tools(str(tools)):
            self.assertNotEqual(os.environ.get("CI"), "true", "pip fetches no setuptools")
            self.skipTest("pip can fetch no setuptools here")
        peer, client = random.sample(range(11, 30), 2)
        page = re.sub(r"\b71(\d\d)\b", rf"{peer}\1", re.sub(r"\b81(\d\d)\b", rf"{client}\1", PAGE.read_text()))
        (name, program), *_ = re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", page, re.DOTALL)
        (Path(folder.name) / name).write_text(program)
        library = os.environ.get("RAFTCORE_LIBRARY", str(ROOT / "target" / "c" / "libraftcore.so"))
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # The page's pip takes the tools that are here already.
        env = {**kept, "RAFTCORE": str(ROOT), "RAFTCORE_LIBRARY": library, "PATH": path}
        env.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tools))
        shell = Shell(folder.name, env)
        self.addCleanup(shell.close)
        for command, expected in commands(page):
            said = shell.run(command)
            self.assertEqual(said, expected, f"$ {command}\n{shell.complaints()}")
        for senseless in (b"GET\r\n\r\n", b"\xff\xfe \x00\r\n\r\n", b"GET " + b"x" * 100_000, b"POST /lead/\xb2 HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", 100 * client + 3), timeout=10) as stranger:
                with contextlib.suppress(OSError):  # the member may hang up first
                    stranger.sendall(senseless)
                    stranger.shutdown(socket.SHUT_WR)
                    stranger.recv(1000)
        self.assertIn("voter True", shell.run(f"curl -sS http://127.0.0.1:{client}03/members"))
        self.assertNotIn("Traceback", shell.complaints())
        self.assertGreater(len(commands(page)), 25)


if __name__ == "__main__":
    unittest.main()
