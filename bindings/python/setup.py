"""Builds the library with cargo and ships it in the wheel, which then suits every Python 3 of the platform."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
# The Rust sources: below `rust` in a source distribution, else the checkout.
ROOT = HERE / "rust" if (HERE / "rust").is_dir() else HERE.parent.parent
NAME = {"darwin": "libraftcore.dylib", "win32": "raftcore.dll"}.get(sys.platform, "libraftcore.so")


def library() -> Path:
    """The shared library: the one that RAFTCORE_LIBRARY names, else built anew."""
    given = os.environ.get("RAFTCORE_LIBRARY")
    if given:
        return Path(given)
    if not (ROOT / "Cargo.toml").exists():
        sys.exit("raftcore is built from a checkout of its repository, from a source distribution, or with RAFTCORE_LIBRARY=/path/to/" + NAME)
    cargo = os.environ.get("CARGO", "cargo")
    if shutil.which(cargo) is None:
        sys.exit(f"raftcore needs Rust 1.88 to be built, and there is no `{cargo}`: https://rustup.rs, or install a wheel")
    # `cargo rustc --crate-type` alone gives whole-program optimisation: see mk/c.mk.
    built = subprocess.run(
        [cargo, "rustc", "--release", "--features", "capi", "--crate-type", "cdylib", "--target-dir", str(ROOT / "target" / "python")]
        + ["--config", "profile.release.strip=true", "--message-format=json-render-diagnostics"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    if built.returncode != 0:
        sys.exit("raftcore needs Rust 1.88 to be built: cargo says above what it lacks")
    # Cargo says where the library is: the folder depends on CARGO_BUILD_TARGET and on the user's configuration.
    made = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    ours = [message["filenames"] for message in made if message.get("target", {}).get("name") == "raftcore" and "filenames" in message]
    found = {file for files in ours for file in files if file.endswith((".so", ".dylib", ".dll"))}
    if len(found) != 1:
        sys.exit(f"cargo made {len(found)} libraries: CARGO_BUILD_TARGET must name one target at most")
    return suited(Path(found.pop()))


def suited(library: Path) -> Path:
    """The library, if it is for the platform that the wheel's name says."""
    if "_PYTHON_HOST_PLATFORM" not in os.environ:
        try:
            ctypes.CDLL(str(library))
        except OSError:
            sys.exit(
                f"cargo built for another machine than {sysconfig.get_platform()}, which this wheel would be for: "
                "unset CARGO_BUILD_TARGET, or name the platform in _PYTHON_HOST_PLATFORM"
            )
    return library


class BuildWithLibrary(build_py):
    def run(self) -> None:
        # First, so that nothing stands between the reader and what is missing. An editable install loads target/c/libraftcore.so.
        built = None if self.editable_mode else library()
        super().run()
        if built is not None:
            place = Path(self.build_lib) / "raftcore" / NAME
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(built, place)
            shutil.copyfile(ROOT / "include" / "raftcore.h", place.parent / "raftcore.h")  # the reference of the calls


class PlatformWheel(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel}, distclass=BinaryDistribution)
