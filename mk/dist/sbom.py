"""Lists the foreign code in a release: a CycloneDX document, and the texts of the licences.

    sbom.py TREE VERSION OUT.cdx.json OUT-licences.txt

TREE is the unpacked source archive, with the crates below vendor. Crates that only tests use are not listed, since no artefact but the
source archive holds them.
"""

import json
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

from archive import EPOCH

# Not crates, and inside the libraries: the standard library of Rust, and the unwinder of the shared libraries.
BESIDE = [
    ("rust-std", None, "MIT OR Apache-2.0", "https://www.rust-lang.org", "the standard library of Rust, under the Apache License 2.0"),
    ("llvm-libunwind", None, "Apache-2.0 WITH LLVM-exception", "https://llvm.org", "the unwinder inside the shared library, from ziglang"),
]


def crates(tree: Path) -> tuple[dict, dict]:
    """Returns the crates of the library by id, and the needed ids of every crate."""
    run = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--offline", "--features", "capi", "--filter-platform", "x86_64-unknown-linux-gnu"],
        cwd=tree, stdout=subprocess.PIPE, check=True,
    )
    data = json.loads(run.stdout)
    packages = {package["id"]: package for package in data["packages"]}
    needs = {
        node["id"]: [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        for node in data["resolve"]["nodes"]
    }
    reached, todo = {}, [data["resolve"]["root"]]
    while todo:
        one = todo.pop()
        if one not in reached:
            reached[one] = packages[one]
            todo += needs[one]
    return reached, needs


def checksums(tree: Path) -> dict[tuple[str, str], str]:
    text = (tree / "Cargo.lock").read_text()
    found = re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = [^\n]+\nchecksum = "([^"]+)"', text)
    return {(name, version): checksum for name, version, checksum in found}


def reference(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def document(reached: dict, needs: dict, sums: dict, version: str, rust: str) -> dict:
    components, graph = [], []
    for key, package in sorted(reached.items(), key=lambda item: reference(item[1])):
        ref = reference(package)
        graph.append({"ref": ref, "dependsOn": sorted(reference(reached[need]) for need in needs[key])})
        if package["source"] is None:
            continue
        components.append({
            "type": "library", "bom-ref": ref, "name": package["name"], "version": package["version"], "purl": ref,
            "licenses": [{"expression": package["license"].replace("/", " OR ")}],
            "hashes": [{"alg": "SHA-256", "content": sums[package["name"], package["version"]]}],
        })
    for name, _, licence, site, what in BESIDE:
        components.append({
            "type": "library", "bom-ref": name, "name": name, "version": rust if name == "rust-std" else "18", "description": what,
            "licenses": [{"expression": licence}], "externalReferences": [{"type": "website", "url": site}],
        })
    main = {"type": "library", "bom-ref": f"pkg:cargo/raftcore@{version}", "name": "raftcore", "version": version,
            "purl": f"pkg:cargo/raftcore@{version}", "licenses": [{"license": {"id": "Apache-2.0"}}]}
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"raftcore {version} {EPOCH}")
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1,
            "metadata": {"timestamp": when, "component": main}, "components": components, "dependencies": graph}


def licences(tree: Path, reached: dict) -> str:
    parts = ["Code of other people in raftcore, and the licences. raftcore itself is under the Apache License 2.0: see LICENSE.\n"]
    parts += [f"{name}: {what}. {licence}\n" for name, _, licence, _, what in BESIDE]
    for package in sorted(reached.values(), key=reference):
        if package["source"] is None:
            continue
        folder = Path(package["manifest_path"]).parent
        texts = sorted(path for path in folder.iterdir() if re.match(r"(?i)(licen[sc]e|copying|notice|copyright)", path.name) and path.is_file())
        if not texts:
            sys.exit(f"no licence text in {folder}")
        parts.append(f"{'=' * 80}\n{package['name']} {package['version']}: {package['license']}\n{'=' * 80}\n")
        parts += [path.read_text(errors="replace").strip() + "\n" for path in texts]
    return "\n".join(parts)


def main() -> None:
    tree, version, out, texts = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    reached, needs = crates(tree)
    rust = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]
    sbom = document(reached, needs, checksums(tree), version, rust)
    out.write_text(json.dumps(sbom, indent=1, sort_keys=True) + "\n")
    texts.write_text(licences(tree, reached))
    print(f"sbom: {len(sbom['components'])} components")


if __name__ == "__main__":
    main()
