"""The program in the README runs, and prints what the README says."""

import contextlib
import io
import re
import sys
import tempfile
import unittest
from pathlib import Path

import raftcore

sys.path.append(str(Path(__file__).parents[3] / "tests"))
from ports import free_port  # noqa: E402

README = Path(__file__).parents[1] / "README.md"


class ReadmeTest(unittest.TestCase):
    def setUp(self):
        self.group, self.program, self.said = re.findall(r"```(?:python)?\n(.*?)```", README.read_text(), re.S)

    def run_program(self, program):
        """Returns the program's names, and the output."""
        names, out = {"__name__": "readme"}, io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(program, str(README), "exec"), names)
        return names, out.getvalue()

    def test_a_replicated_service_prints_its_sum_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            program = self.group.replace("data/1", folder).replace("7001", str(free_port()))
            self.assertEqual(self.run_program(program)[1], "5\n5\n")

    def test_the_first_program_prints_what_stands_below(self):
        self.assertEqual(self.run_program(self.program)[1], self.said)

    def test_its_loop_applies_a_log_that_is_larger_than_the_nodes_memory(self):
        boot = """
log.update((index, raftcore.Entry(1, index, 0, b"%06d" % index * 200)) for index in range(2, 302))
node = raftcore.Node(raftcore.Config(1, recent_bytes=65536, block_bytes=16384, max_entry_bytes=4096))
node.boot(stored._replace(term=1, commit=301, last=301, entries=log.values()))
"""
        begin, rest = self.program.split("node = raftcore.Node(raftcore.Config(id=1))\nnode.boot(stored)\n")
        names, _ = self.run_program(begin + boot + rest)

        self.assertEqual([data[:6] for data in names["state"][:300]], [b"%06d" % index for index in range(2, 302)])
        self.assertEqual(names["state"][300:], [b"hello"])

    def test_its_loop_answers_a_snapshot_that_is_too_large(self):
        program = (
            self.program
            + """
state.append(bytes(2 << 20))
fetch = raftcore.Fetch(FetchKind.SNAPSHOT, 99, 2, 1, 1, 1)
supply(fetch)
"""
        )
        self.assertRaisesRegex(raftcore.RaftError, "99", self.run_program, program)


if __name__ == "__main__":
    unittest.main()
