"""Fails if a page of the site links a file or an anchor that is not there, or loads a file from another server. Other sites are not asked.

    links.py SITE
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(sys.argv[1]).resolve()
OTHERS = SITE / "reference"  # doxygen and rustdoc check their own pages


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links, self.foreign = set(), [], []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)
                if urlsplit(value).netloc and (tag in ("script", "img", "iframe") or tag == "link" and dict(attrs).get("rel") == "stylesheet"):
                    self.foreign.append(value)


pages = {}
for path in SITE.rglob("*.html"):
    if OTHERS not in path.parents and path.name != "404.html":
        pages[path] = page = Page()
        page.feed(path.read_text())

faults, checked = [], 0
for path, page in pages.items():
    faults += [f"{path.relative_to(SITE)}: loads {link} from another server" for link in page.foreign]
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or (not parts.path and not parts.fragment):
            continue
        goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if OTHERS in goal.parents and not OTHERS.exists():
            continue
        checked += 1
        if goal.is_dir():
            goal = goal / "index.html"
        if not goal.is_file():
            faults.append(f"{path.relative_to(SITE)}: no file {link}")
        elif parts.fragment and goal in pages and unquote(parts.fragment) not in pages[goal].ids and parts.fragment != "__skip":
            faults.append(f"{path.relative_to(SITE)}: no anchor {link}")
if faults or len(pages) < 20:
    sys.exit("\n".join(faults) or f"only {len(pages)} pages")
print(f"links: {checked} of {len(pages)} pages lead somewhere")
