"""Files of the site outside of docs/: documents and sources that lie elsewhere in the repository, and generated references.

A document FILE outside of docs/ becomes the page at/FILE. A source file that a page links becomes source/FILE.txt, as it is. Links between
them are rewritten.
"""

import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).resolve().parent))
import evidence  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
SHOWN = re.compile(r"^<!-- code: (\S+) (\w+) -->$", re.M)
LANGUAGES = {".c": "c", ".h": "c", ".go": "go", ".py": "python", ".rs": "rust"}
GENERATED = {"at/reference/go.md": "go", "at/reference/go-host.md": "go/host", "at/reference/python.md": None}
LONG_NAME = re.compile(r"<code>([\w:./-]{33,})</code>")  # a name that would make its column wider than its text
LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
CODE = re.compile(r"(^```.*?^```|^    [^\n]*$|`[^`\n]*`)", re.M | re.S)


def original(uri: str) -> str:
    """Returns where the text of a page lies in the repository."""
    return uri[len("at/") :] if uri.startswith("at/") else f"docs/{uri}"


def page_of(path: str) -> str:
    """Returns the page for a file of the repository."""
    if path.startswith("docs/"):
        return path[len("docs/") :]
    return f"at/{path}" if path.endswith(".md") else f"source/{path}.txt"


def targets(text: str, path: str):
    """Returns the files that a text at path links, as paths in the repository."""
    for part in CODE.split(text)[::2]:
        for link in LINK.finditer(part):
            if "://" not in link[2] and not link[2].startswith("mailto:"):
                yield posixpath.normpath(posixpath.join(posixpath.dirname(path), link[2]))


def whole(path: str) -> str:
    """A link to a folder means its README."""
    return f"{path}/README.md" if (TOP / path / "README.md").is_file() else path


def pages(nav):
    for entry in nav:
        (value,) = entry.values()
        yield from pages(value) if isinstance(value, list) else [value]


def go_reference(folder: str) -> str:
    said = subprocess.run(["go", "doc", "-all", "."], cwd=TOP / "bindings" / folder, stdout=subprocess.PIPE, text=True, check=True).stdout
    path = "raftcore.example/" + folder
    return f"---\nsearch:\n  boost: 0.3\n---\n\n# Package {path}\n\nAs `go doc -all {path}` prints it.\n\n```go\n{said}```\n"


def python_reference() -> str:
    env = {**os.environ, "PYTHONPATH": str(TOP / "bindings/python/src"), "RAFTCORE_LIBRARY": str(TOP / "target/c/libraftcore.so")}
    script = str(Path(__file__).with_name("python_reference.py"))
    return subprocess.run([config_python(), script], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


def config_python() -> str:
    return sys.executable


def on_files(files, config):
    """Adds the files behind the links of pages, and of those pages in turn."""
    for uri, folder in GENERATED.items():
        files.append(File.generated(config, uri, content=go_reference(folder) if folder else python_reference()))
    todo = [original(uri) for uri in pages(config.nav) if uri not in GENERATED]
    todo += [f"docs/{file.src_uri}" for file in files if file.is_documentation_page() and file.src_uri not in GENERATED]
    seen = set()
    while todo:
        path = whole(todo.pop())
        if path in seen or path == "README.md" or not (TOP / path).is_file():
            continue
        seen.add(path)
        if not path.startswith("docs/"):
            content = (TOP / path).read_bytes()
            if path.endswith(".md"):
                content = content.decode()
            files.append(File.generated(config, page_of(path), content=content))
        if path.endswith(".md"):
            todo += targets((TOP / path).read_text(), path)
    return files


def shown(mark) -> str:
    """Returns a function of a source file as a block of code, with the comment above."""
    text, name = (TOP / mark[1]).read_text(), mark[2]
    head = rf"(?:func|def|fn)\s+(?:\([^)]*\)\s*)?{name}\(" if not mark[1].endswith((".c", ".h")) else rf"[\w ].*\b{name}\("
    found = re.search(rf"((?:^(?://|/\*| \*).*\n)*^{head}(?:.*\n)*?^}}\n)", text, re.M)
    if not found:
        raise SystemExit(f"{mark[1]} has no function {name}")
    return f"```{LANGUAGES[Path(mark[1]).suffix]}\n{found[1]}```"


def on_page_markdown(markdown, page, config, files):
    uri = page.file.src_uri
    if uri in GENERATED:
        return markdown
    here = original(uri)
    markdown = SHOWN.sub(shown, markdown)
    if evidence.MARK in markdown:
        markdown = markdown.replace(evidence.MARK, evidence.results())

    def rewritten(link):
        if link[2].startswith("site://"):  # a page that is generated: the repository has no such file
            return f"{link[1]}{link[2][len('site://'):]}{link[4]}"
        if "://" in link[2] or link[2].startswith("mailto:"):
            return link[0]
        path = whole(posixpath.normpath(posixpath.join(posixpath.dirname(here), link[2])))
        if path == "README.md":
            path = "docs/index.md"
        goal = posixpath.relpath(page_of(path), posixpath.dirname(uri) or ".")
        return f"{link[1]}{goal}{link[3] or ''}{link[4]}"

    parts = CODE.split(markdown)
    parts[::2] = [LINK.sub(rewritten, part) for part in parts[::2]]
    return "".join(parts)


def on_page_content(html, page, config, files):
    """Lets long names of tests break behind an underscore: in a table they would squeeze the column of text."""
    return LONG_NAME.sub(lambda name: '<code class="long">' + re.sub(r"([_/:])", r"\1<wbr>", name[1]) + "</code>", html)
