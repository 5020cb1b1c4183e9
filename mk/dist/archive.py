"""Archives whose bytes follow from names and contents alone: sorted, without owners, with a single time.

    archive.py tar OUT.tar.gz FOLDER     FOLDER is the only entry at the top; SOURCE_DATE_EPOCH is the time of each file
"""

import gzip
import os
import stat
import sys
import tarfile
import time
import zipfile
from pathlib import Path

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))


def entries(folder: Path):
    """Returns all files and links below folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644


def tar(out: Path, folder: Path) -> None:
    with open(out, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in entries(folder):
                info = tarfile.TarInfo(str(Path(folder.name) / path.relative_to(folder)))
                info.mtime = EPOCH
                if path.is_symlink():
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
                    archive.addfile(info)
                else:
                    info.size, info.mode = path.stat().st_size, mode(path)
                    with open(path, "rb") as file:
                        archive.addfile(info, file)


def zip_files(out: Path, contents: dict[str, bytes]) -> None:
    """Writes a zip file of names and contents."""
    when = time.gmtime(max(EPOCH, 315532800))[:6]  # zip begins in 1980
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(contents):
            info = zipfile.ZipInfo(name, when)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(info, contents[name])


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "tar":
        sys.exit(__doc__)
    tar(Path(sys.argv[2]), Path(sys.argv[3]))
