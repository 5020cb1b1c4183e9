"""The results on the page docs/evidence.md, from the reports that the suites leave below target/.

mk/docs/evidence.py        prints the tables; the site has them in the place of the mark in docs/evidence.md

Date and commit of a report stand beside it, written by mk/stamp when the suite ended. "Behind" counts the commits since then. A result
without a report has the command that makes one: no figure is written by hand.
"""

import json
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MARK = "<!-- results -->"
LINE = re.compile(r"^(\S+) +(ok|FAILED|skipped:?) +(.*)$")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


def stamp(path: Path) -> str:
    """Returns date, commit and distance of a report, as cells of a table. mk/stamp wrote them when the suite ended."""
    beside = path.with_name(path.name + ".stamp")
    if not beside.is_file() or int(beside.stat().st_mtime) < int(path.stat().st_mtime):
        return "not known | not known | "
    date, commit = beside.read_text().rstrip("\n").split("\t")
    return f"{date} | {commit} | {git('rev-list', '--count', commit.split()[0] + '..HEAD')}"


def simulate(path: Path) -> str:
    report = json.loads(path.read_text())
    return f"{report['seeds']} groups, {report['simulated_hours']} simulated hours, {report['failed']} failed, {report['known_stalls']} in the known stall"


def conformance(path: Path) -> str:
    suites = json.loads(path.read_text())["suites"]
    return f"{sum(suite['passed'] for suite in suites)} of {sum(suite['cases'] for suite in suites)} cases of etcd's raft pass"


def mutants(path: Path) -> str:
    faults = json.loads(path.read_text())
    return f"{sum(bool(fault['killed_by']) for fault in faults)} of {len(faults)} planted faults found"


# Report, command, and the report in a few words; None: the report is a table, shown below.
REPORTS = [
    ("simulate.json", "make simulate SEEDS=100000", simulate),
    ("conformance.json", "make conformance", conformance),
    ("mutants.json", "make mutants", mutants),
    ("cargo-mutants.md", "make cargo-mutants", None),
    ("bench.md", "make bench", None),
    ("scale.md", "make bench-scale", None),
    ("ways.md", "make bench-ways", None),
    ("kv-bench.md", "make bench-kv", None),
]


def rows(folder: Path, pattern: str):
    """Yields name, result, detail and file of each line that a runner left, by name."""
    for path in sorted(folder.glob(pattern)):
        found = LINE.match((path.read_text().splitlines() or [""])[0])
        if found:
            yield *found.groups(), path


def suites(title: str, command: str, found: list) -> str:
    if not found:
        return f"### {title}\n\nNo report here: `{command}` makes one.\n"
    table = "".join(f"| {name} | {result} {detail} | {stamp(path)} |\n" for name, result, detail, path in found)
    failed = sum(result == "FAILED" for _, result, _, _ in found)
    head = f"{len(found)} results, {failed} failed. `{command}` repeats them.\n"
    return f"### {title}\n\n{head}\n| Suite | Result | Date, UTC | Commit | Behind |\n|---|---|---|---|---|\n{table}"


def results(target: Path = TOP / "target") -> str:
    """Returns the tables as Markdown."""
    commit, date = git("log", "-1", "--format=%h"), git("log", "-1", "--format=%cs")
    parts = [f"This page was made at commit {commit} of {date}. Behind: the commits between a report and this page.\n"]
    parts.append(suites("The short suites", "make test", list(rows(target / "stages", "*.line"))))
    parts.append(suites("The long suites", "make verify", list(rows(target / "verify", "*.row"))))
    table, tables, missing = "", [], ""
    for name, command, words in REPORTS:
        path = target / "report" / name
        if not path.is_file():
            missing += f"| {name} | `{command}` |\n"
        elif words:
            table += f"| `{command}` | {words(path)} | {stamp(path)} |\n"
        else:
            lines = [line for line in path.read_text().splitlines() if line.startswith("|") or not line]
            date, commit_then, behind = stamp(path).split(" | ")
            tables.append(f"### `{command}`\n\n{date} UTC, commit {commit_then}, {behind} behind.\n\n" + "\n".join(lines) + "\n")
    if table:
        parts.append(f"### Counts of the last runs\n\n| Command | Result | Date, UTC | Commit | Behind |\n|---|---|---|---|---|\n{table}")
    parts += tables
    if missing:
        parts.append(f"### Without a report here\n\n| Report | Made by |\n|---|---|\n{missing}")
    return "\n".join(parts)


if __name__ == "__main__":
    print(results())
