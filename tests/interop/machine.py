"""machine.py: what members stand on, for tests in any language: certificates, and a small disk of their own."""

import contextlib
import os
import subprocess


def certificates(folder, numbers):
    """An authority, and for each member a certificate with its id: docs/wire.md, section 1."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    os.mkdir(folder)
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(*new, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for n in numbers:
        openssl(*new, "-subj", f"/CN=member {n}", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{n}.key", "-out", f"{n}.pem",
                "-addext", f"subjectAltName=URI:urn:raftcore:1:{n}", "-addext", "basicConstraints=critical,CA:FALSE")
    return folder


@contextlib.contextmanager
def small_disk(folder, mib):
    """A file system of so many MiB at the folder. Gives None, after a word, where mounting is not allowed."""
    os.makedirs(folder)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        assert os.environ.get("CI") != "true", f"a test of a full disk needs mount: {done.stderr}"
        print("skipped: a full disk: only root may mount one", flush=True)
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def free_bytes(folder):
    s = os.statvfs(folder)
    return s.f_bavail * s.f_frsize


class Ballast:
    """A file that leaves so many bytes free on its disk."""

    def __init__(self, folder):
        self.folder, self.path = folder, os.path.join(folder, "ballast")

    def leave(self, wanted):
        """Writes until so many bytes are left: others may write meanwhile."""
        with open(self.path, "ab") as f, contextlib.suppress(OSError):
            while (more := free_bytes(self.folder) - wanted) > 0:
                f.write(bytes(min(more, 1 << 20)))
                f.flush()

    def drop(self):
        os.unlink(self.path)
