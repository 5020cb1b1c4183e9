"""raftcore.aio beside PySyncObj: three members each, as processes, in turns.

    bench.py DIR SECONDS ROUNDS    prints a table; medians of the rounds
"""

import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = [("write", "leader", 1), ("write", "leader", 64), ("write", "follower", 1), ("write", "follower", 64)]
READS = [("read", "leader", 1), ("read", "leader", 64), ("read", "follower", 1), ("read", "follower", 64)]


class Members:
    def __init__(self, library, directory):
        port = random.randrange(10000, 30000)
        self.processes = []
        for id in (1, 2, 3):
            command = [sys.executable, str(HERE / "member.py"), library, str(id), f"{directory}/{library}-{id}", str(port)]
            self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"

    def ask(self, id, line):
        process = self.processes[id - 1]
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def run(self, what, where, callers, seconds):
        leader = self.ask(1, "leader")
        id = leader if where == "leader" else leader % 3 + 1
        return self.ask(id, f"{what} {callers} {seconds}")

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


def main(directory, seconds, rounds):
    libraries = {name: Members(name, directory) for name in ("raftcore", "pysyncobj")}
    print("| | callers | raftcore.aio /s | p50 | p99 | PySyncObj /s | p50 | p99 | ratio |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    try:
        for what, where, callers in CASES + READS:
            cells = []
            rates = []
            for name, members in libraries.items():
                if what == "read" and name == "pysyncobj":  # reads there ask nobody, and may be old
                    cells += ["none", "", ""]
                    continue
                runs = [members.run(what, where, callers, seconds) for _ in range(rounds)]
                rate, p50, p99 = (statistics.median(run[key] for run in runs) for key in ("rate", "p50", "p99"))
                rates.append(rate)
                cells += [f"{rate:.0f}", f"{p50:.2f} ms", f"{p99:.2f} ms"]
            ratio = f"{rates[0] / rates[1]:.1f}" if len(rates) == 2 and rates[1] else ""
            print(f"| {what}, {where} | {callers} | {' | '.join(cells)} | {ratio} |", flush=True)
    finally:
        for members in libraries.values():
            members.end()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
