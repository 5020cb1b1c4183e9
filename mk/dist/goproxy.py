"""Writes the Go modules of the repository as a module proxy in the file system.

    goproxy.py OUT BINDINGS ARCHIVE HEADER LICENSE VERSION

OUT is what GOPROXY=file://OUT names. The archive and the header lie beside the Go files of the package that links them, so that the module
cache and vendor folders have them, too.
"""

import json
import re
import sys
import time
import zlib
from pathlib import Path

from archive import EPOCH, zip_files

# Folder below bindings, and the path under which the proxy serves the module.
MODULES = {"go": "raftcore.example/go", "go/host": "raftcore.example/go/host", "go-etcd": "raftcore.example/go-etcd"}


def files_of(folder: Path) -> dict[str, bytes]:
    """Returns the files of the module in folder: without modules inside, and without what is built."""
    inner = [path.parent for path in folder.rglob("go.mod") if path.parent != folder]
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(up in inner for up in path.parents):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def released(go_mod: str, version: str) -> str:
    """Returns go.mod for the proxy: our own modules by version, not by folder."""
    go_mod = re.sub(r"(raftcore\.example/\S+) v0\.0\.0", rf"\1 v{version}", go_mod)
    go_mod = re.sub(r"\n(//[^\n]*\n)*replace raftcore[^\n]*", "", go_mod)
    return go_mod.rstrip() + "\n"


def stamp(archive: bytes, header: bytes) -> bytes:
    return f'static const char raftcore_lib_stamp[] __attribute__((used)) = "{zlib.crc32(archive + header)}";\n'.encode()


def main() -> None:
    out, bindings, archive, header, licence = map(Path, sys.argv[1:6])
    version = sys.argv[6]
    for folder, path in MODULES.items():
        files = files_of(bindings / folder)
        files["go.mod"] = released(files["go.mod"].decode(), version).encode()
        files["LICENSE"] = licence.read_bytes()
        if folder == "go":
            files["lib/libraftcore_linux_amd64.a"] = archive.read_bytes()
            files["lib/raftcore.h"] = header.read_bytes()
            files["lib/lib_stamp.h"] = stamp(archive.read_bytes(), header.read_bytes())
        place = out / path / "@v"
        place.mkdir(parents=True, exist_ok=True)
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
        (place / "list").write_text(f"v{version}\n")
        (place / f"v{version}.info").write_text(json.dumps({"Version": f"v{version}", "Time": when}) + "\n")
        (place / f"v{version}.mod").write_bytes(files["go.mod"])
        zip_files(place / f"v{version}.zip", {f"{path}@v{version}/{name}": data for name, data in files.items()})
        print(f"go: {path}@v{version}, {len(files)} files")


if __name__ == "__main__":
    main()
