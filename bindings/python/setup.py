"""Builds the library with cargo and ships it in the wheel, which then suits every Python 3 of the platform."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NAME = {"darwin": "libraftcore.dylib", "win32": "raftcore.dll"}.get(sys.platform, "libraftcore.so")


def library() -> Path:
    """The shared library: the one that RAFTCORE_LIBRARY names, else built anew."""
    given = os.environ.get("RAFTCORE_LIBRARY")
    if given:
        return Path(given)
    if not (ROOT / "Cargo.toml").exists():
        sys.exit("raftcore is built from a checkout of its repository, or with RAFTCORE_LIBRARY=/path/to/" + NAME)
    target = ROOT / "target" / "python"
    # `cargo rustc --crate-type` alone gives whole-program optimisation: see mk/c.mk.
    subprocess.check_call(
        ["cargo", "rustc", "--release", "--features", "capi", "--crate-type", "cdylib", "--target-dir", str(target)]
        + ["--config", "profile.release.strip=true"],
        cwd=ROOT,
    )
    return target / "release" / NAME


class BuildWithLibrary(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # which loads target/c/libraftcore.so
            place = Path(self.build_lib) / "raftcore" / NAME
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library(), place)


class PlatformWheel(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel}, distclass=BinaryDistribution)
