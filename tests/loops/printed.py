"""Finds the code that documents and comments print."""

import re
import subprocess
from pathlib import Path

# A printed loop is a block of code that takes a ready, …
TAKES = re.compile(r"(\braftcore_(get_ready|ready_flat|turn(_flat)?)|\w\.(ready|turn)(_?(flat|into|view))?)\(", re.I)
# … that takes fetches and events, …
PRINTS = {
    "answers fetches": re.compile(r"next_?fetch|\.fetches\(", re.I),
    "drains the events": re.compile(r"next_?event|\.events\(", re.I),
}
# … and that says this, or the text beside the block does.
SAYS = re.compile(r"before you sleep,? \S*has_?ready\S* must be (0|false)", re.I)
BESIDE = 16  # lines


class Block:
    """Code of a document or a comment: lines without indent and comment marks."""

    def __init__(self, path, lines, page):
        indent = min(indent_of(text) for _, text in lines if text.strip())
        self.path, self.line = path, lines[0][0]
        self.lines = [text.expandtabs(4)[indent:] for _, text in lines]
        around = [text for number, text in page if lines[0][0] - BESIDE <= number <= lines[-1][0] + BESIDE]
        self.around = re.sub(r"\W*\n\W*|`", lambda found: "" if found[0] == "`" else " ", "\n".join(around))

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    @property
    def place(self):
        return f"{self.path}:{self.line}"

    def part(self, begin, end="}"):
        """Returns the range of lines from the first that starts with `begin` to the next `end`, or to the last line."""
        first = next(i for i, line in enumerate(self.lines) if line.startswith(begin))
        ends = (i + 1 for i in range(first, len(self.lines)) if self.lines[i] == end)
        return range(first, next(ends, len(self.lines)))


def indent_of(text):
    text = text.expandtabs(4)
    return len(text) - len(text.lstrip())


def tracked(top):
    files = subprocess.run(["git", "ls-files"], cwd=top, check=True, capture_output=True, text=True).stdout.split("\n")
    ours = [path for path in files if path and not path.startswith("tests/loops/")]
    return [path for path in ours if (top / path).is_file() and not (top / path).is_symlink()]  # a link shows a file twice


def pages(path, lines):
    """Yields the texts of a file as numbered lines: a document as a whole, of a source each comment."""
    kind = Path(path).suffix
    if kind in (".md", ".txt"):
        yield lines
    elif kind in (".rs", ".go"):
        yield from runs(lines, re.compile(r"\s*//[/!]?(.*)"))
    elif kind == ".py":
        yield from between(lines, '"""', '"""')
        yield from runs(lines, re.compile(r"\s*#(.*)"))
    if path.endswith("_test.go"):
        yield from examples(lines)
    if kind in (".c", ".h", ".in", ".go", ".rs"):
        for page in between(lines, "/*", "*/"):
            yield [(number, re.sub(r"^\s*\* ?", "", text)) for number, text in page]


def runs(lines, comment):
    """Yields comments whose lines match `comment`."""
    page = []
    for number, text in lines + [(0, "")]:
        found = comment.fullmatch(text)
        if found:
            page.append((number, found[1]))
        elif page:
            yield page
            page = []


def examples(lines):
    """Yields the examples of a Go package, each with its comment: the package's documentation prints them."""
    begin = 0
    for i, (number, text) in enumerate(lines):
        if text.startswith("func Example"):
            end = next(j for j in range(i, len(lines)) if lines[j][1] == "}")
            head = [(at, comment[2:]) for at, comment in lines[begin:i] if comment.startswith("//")]
            yield head + [(number, "```")] + lines[i + 1 : end] + [(lines[end][0], "```")]
        if text == "}":
            begin = i + 1


def between(lines, begin, end):
    """Yields comments from `begin` to `end`."""
    page = None
    for number, text in lines:
        rest = text
        if page is None:
            if begin not in text:
                continue
            page, rest = [], text.split(begin, 1)[1]
        if end in rest:
            yield page + [(number, rest.split(end, 1)[0])]
            page = None
        else:
            page.append((number, rest if rest is text else ""))


def blocks(page):
    """Yields the code between fences, and paragraphs with a larger indent than the page."""
    inside, fenced, rest = False, [], []
    for number, text in page:
        if text.strip().startswith("```"):
            if inside:
                yield fenced
            inside, fenced = not inside, []
            rest.append((number, ""))
        else:
            (fenced if inside else rest).append((number, text))
    margin = min((indent_of(text) for _, text in rest if text.strip()), default=0)
    block = []
    for paragraph in paragraphs(rest):
        indent = min(indent_of(text) for _, text in paragraph)
        own = min((indent_of(text) for _, text in block if text.strip()), default=0)
        if block and (indent < own or indent > own and block[-1][1].rstrip().endswith(":")):
            yield block
            block = []
        if indent > margin:
            if block:
                block += [(number, "") for number in range(block[-1][0] + 1, paragraph[0][0])]
            block += paragraph
    if block:
        yield block


def paragraphs(lines):
    paragraph = []
    for number, text in lines + [(0, "")]:
        if text.strip():
            paragraph.append((number, text))
        elif paragraph:
            yield paragraph
            paragraph = []


def printed(top):
    """Yields each block of code in the tracked files that mention a call which takes a ready."""
    for path in tracked(top):
        try:
            text = (top / path).read_text()
        except UnicodeDecodeError:
            continue
        if not TAKES.search(text):
            continue
        for page in pages(path, list(enumerate(text.split("\n"), 1))):
            for lines in blocks(page):
                if any(line.strip() for _, line in lines):
                    yield Block(path, lines, page)
