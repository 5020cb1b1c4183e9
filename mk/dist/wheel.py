"""Packs a wheel anew, so that its bytes follow from the contents alone.

    wheel.py FOLDER OUT      FOLDER has one wheel
"""

import sys
import zipfile
from pathlib import Path

from archive import zip_files

(wheel,) = Path(sys.argv[1]).glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    zip_files(Path(sys.argv[2]) / wheel.name, {name: archive.read(name) for name in archive.namelist()})
