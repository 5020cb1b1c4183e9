"""Fails if the documents lack something, or print code that no test runs.

1. Each block of code in docs/ is known to a test: it is taken from a file or function that a test runs, stands word for word in such a
   file, or lies on a page that a test reads. KNOWN names the tests.
2. Each setting, event, code, error and metric has a row on its page.
3. Pages of the navigation exist, and each page of docs/ is in the navigation.
4. Lists are lists.
"""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
faults: list[str] = []

# Pages whose blocks a test extracts and runs: the test, which must name the page.
KNOWN = {
    "install.md": "tests/dist/run",
    "start-python.md": "tests/dist/run",
    "go.md": "bindings/go/host/page_test.go",
    "durability.md": "tests/loops/run",
    "snapshots.md": "tests/snapshots/run",
    "wire.md": "tests/wire/vectors.py",
    "etcd.md": "tests/etcd/doc.sh",
}
# Languages of code. Blocks without a language, and of these, are not code: text, console.
CODE = {"c", "cpp", "go", "python", "rust", "sh", "yaml"}
# Files that tests build and run.
RUN = ("docs/programs/", "examples-c/", "bindings/go/example_test.go", "bindings/go/host/example_test.go", "tests/")


def text(path: str) -> str:
    return (TOP / path).read_text()


def blocks(page: str):
    return re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", page, re.M | re.S)


def check_code() -> int:
    sources = "".join(path.read_text(errors="replace") for folder in ("tests", "examples-c", "bindings")
                      for path in (TOP / folder).rglob("*") if path.suffix in {".c", ".h", ".go", ".py", ".rs", ".cpp"} and path.is_file())
    # A program or a recipe that names another page reads that page.
    readers = sources + "".join(path.read_text(errors="replace") for folder in ("tests", "mk", "bindings", "examples-c")
                                for path in (TOP / folder).rglob("*") if path.is_file() and path.suffix in {"", ".mk", ".sh"})
    count = 0
    for path in sorted(DOCS.glob("*.md")):
        page = path.read_text()
        for file, name in re.findall(r"^<!-- code: (\S+) (\w+) -->$", page, re.M):
            count += 1
            if not file.startswith(RUN):
                faults.append(f"{path.name}: no test runs {file}")
        for language, code in blocks(page):
            if language not in CODE:
                continue
            count += 1
            taken = re.fullmatch(r'--8<-- "(\S+)"\n', code)
            if taken:
                file = f"docs/{taken[1]}" if (DOCS / taken[1]).is_file() else taken[1]
                if not file.startswith(RUN) or not (TOP / file).is_file():
                    faults.append(f"{path.name}: no test runs {taken[1]}")
            elif code not in sources and path.name not in KNOWN and f"docs/{path.name}" not in readers:
                faults.append(f"{path.name}: no test is known to run\n{code}")
    for page, test in KNOWN.items():
        if not (TOP / test).is_file() or Path(page).stem.replace("-", "_") not in text(test).replace("-", "_"):
            faults.append(f"{test} does not name docs/{page}")
    used = {str(path.relative_to(DOCS / "programs")) for path in (DOCS / "programs").rglob("*") if path.is_file()}
    for name in used:
        if not any(f'programs/{name}"' in page.read_text() for page in DOCS.glob("*.md")):
            faults.append(f"docs/programs/{name} is on no page")
    return count


def check_start() -> None:
    """The pages for five minutes show programs of docs/install.md, and print the lines that its test compares."""
    install = text("docs/install.md")
    for page in ("start-go.md", "start-rust.md"):
        said = re.findall(r"^```console\n\$ [^\n]*\n(.*?)^```$", text(f"docs/{page}"), re.M | re.S)
        if len(said) != 1 or f"```text\n{said[0]}```" not in install:
            faults.append(f"docs/{page}: docs/install.md says that the program prints something else")


def listed(what: str, names, page: str) -> None:
    words = set(re.findall(r"\w+", text(f"docs/{page}")))
    names = sorted(set(names))
    if len(names) < 10:
        faults.append(f"only {len(names)} {what} found: is the pattern right?")
    faults.extend(f"docs/{page}: no row for {what} {name}" for name in names if name not in words)


def check_rows() -> None:
    header, host = text("include/raftcore.h"), text("bindings/c/result.h")
    config = header[header.index("typedef struct raftcore_config {") : header.index("} raftcore_config;")]
    config = re.sub(r"/\*.*?\*/", "", config, flags=re.S)
    listed("setting", re.findall(r"(\w+);", config), "settings.md")
    listed("event", re.findall(r"RAFTCORE_EVENT_(\w+)", header), "operations.md")
    listed("code", re.findall(r"#define (RAFTCORE_E_\w+)", header), "troubleshooting.md")
    listed("code", re.findall(r"^    (RH_E_\w+) =", host, re.M), "troubleshooting.md")
    listed("error", re.findall(r"^\t(Err\w+) +=", text("bindings/go/host/errors.go"), re.M), "troubleshooting.md")
    listed("error", re.findall(r"^class (\w+Error)", text("bindings/python/src/raftcore/aio/_errors.py"), re.M), "troubleshooting.md")
    driver, status = text("bindings/c/driver_metrics.c"), text("bindings/go/host/status.go")
    names = [f"raftcore_{name}" for name in re.findall(r'gauge\(&?t, "(\w+)"', driver)]
    names += [f"raftcore_{name}_total" for name in re.findall(r'counter\(&?t, "(\w+)"', driver)]
    names += [f"raftcore_peer_{name}" for name in re.findall(r'peer_lines\(t, p, n, "(\w+)"', driver)]
    names += [f"raftcore_{name}_seconds" for name in re.findall(r'histogram\(&t, "(\w+)"', driver)]
    names += [f"raftcore_{name}" for name in re.findall(r'^\t\t\{"(\w+)", "(?:gauge|counter)"', status, re.M)]
    names += re.findall(r'write\(w, "(raftcore_\w+)"', status)
    python = text("bindings/python/src/raftcore/aio/_metrics.py")
    names += [f"raftcore_{name}" for name in re.findall(r'\(\s*"(\w+)",\s*"(?:gauge|counter)"', python)]
    names += re.findall(r'"(raftcore_\w+)"', python)
    listed("metric", names, "metrics.md")
    alerts = set(re.findall(r"raftcore_\w+", text("docs/programs/alerts.yml")))
    faults.extend(f"docs/programs/alerts.yml: no metric {name}" for name in sorted(alerts - set(names)))


def check_navigation() -> None:
    nav = text("mk/docs/mkdocs.yml").split("\nnav:\n")[1]
    named = re.findall(r": (\S+\.md)$", nav, re.M)
    faults.extend(f"docs/{path.name} is not in the navigation of mk/docs/mkdocs.yml" for path in sorted(DOCS.glob("*.md")) if path.name not in named)
    for page in named:
        if page.startswith("at/reference/"):
            continue
        path = page[len("at/") :] if page.startswith("at/") else f"docs/{page}"
        if not (TOP / path).is_file():
            faults.append(f"mk/docs/mkdocs.yml: no page {page}")


def check_lists() -> None:
    """A list needs an empty line before it, or the site prints its items as one paragraph."""
    nav = text("mk/docs/mkdocs.yml").split("\nnav:\n")[1]
    pages = [page[len("at/") :] if page.startswith("at/") else f"docs/{page}" for page in re.findall(r": (\S+\.md)$", nav, re.M)]
    for page in pages:
        if page.startswith("reference/"):
            continue
        before = ""
        for line in re.sub(r"^```.*?^```$", "", text(page), flags=re.M | re.S).splitlines():
            if re.match(r"(- |\d+\. )", line) and before.strip() and not re.match(r"(- |\d+\. |  |#|\|)", before):
                faults.append(f"{page}: no empty line before the list that begins with: {line[:60]}")
            before = line


def check_readme() -> None:
    """The commands at the top of the README are commands of docs/install.md, which a test runs."""
    top = text("README.md").splitlines()
    install = text("docs/install.md")
    commands = [line.split("#")[0].strip() for line in top[:10] if line.startswith("    ")]
    if len(commands) < 3 or len(top) > 140:
        faults.append(f"README.md: {len(commands)} commands in the first ten lines, {len(top)} lines, 140 at most")
    faults.extend(f"README.md: docs/install.md has no command {command}" for command in commands if command not in install)


count = check_code()
check_start()
check_readme()
check_rows()
check_navigation()
check_lists()
if faults:
    sys.exit("\n".join(faults))
print(f"documents: {count} blocks of code are known to tests; settings, events, codes, errors and metrics have their rows")
