"""A puzzleflow store in a folder: artifacts by digest, and records of finished tasks by key."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import socket
import uuid
from pathlib import Path
from typing import Any

import rfc8785


class Missing(Exception):
    """An artifact that is not there, or not what its digest says."""


class Store:
    def __init__(self, root: str) -> None:
        self.root = Path(root)

    def path(self, ref: dict[str, Any]) -> Path:
        """The file of an artifact, checked."""
        digest = _digest(ref["digest"])
        place = self.root / "artifacts" / digest[:2] / digest
        try:
            with open(place, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise Missing(f"The artifact {digest[:12]} ({ref['kind']}) is not in the store") from None
        if found != digest:
            raise Missing(f"The artifact {digest[:12]} ({ref['kind']}) is damaged")
        return place

    def read_json(self, ref: dict[str, Any]) -> Any:
        return json.loads(self.path(ref).read_bytes())

    def put_json(self, kind: str, value: Any) -> dict[str, Any]:
        return self.put_bytes(kind, rfc8785.dumps(value))

    def put_bytes(self, kind: str, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        self._write(self.root / "artifacts" / digest[:2] / digest, data)
        return {"digest": digest, "bytes": len(data), "kind": kind}

    def record(self, key: str) -> dict[str, Any] | None:
        """The record of a finished task whose artifacts are all there."""
        place = self._record(key)
        try:
            found = json.loads(place.read_bytes())
            digest = found.pop("digest")
            if digest != hashlib.sha256(rfc8785.dumps(found)).hexdigest() or found["key"] != key:
                return None
            for ref in found["outputs"]["files"].values():
                self.path(ref)
        except (FileNotFoundError, ValueError, KeyError, Missing):
            return None
        # `gc` keeps what was used lately.
        os.utime(place)
        return found

    def put_record(self, key: dict[str, Any], outputs: dict[str, Any], seconds: float) -> None:
        record = {
            "version": 1,
            **key,
            "outputs": outputs,
            "seconds": seconds,
            "finishedAt": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "host": socket.gethostname(),
        }
        digest = hashlib.sha256(rfc8785.dumps(record)).hexdigest()
        self._write(self._record(key["key"]), json.dumps({**record, "digest": digest}, indent=1).encode())

    def checkpoint(self, key: str) -> Path:
        folder = self.root / "checkpoints" / _digest(key)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove_checkpoint(self, key: str) -> None:
        shutil.rmtree(self.root / "checkpoints" / _digest(key), ignore_errors=True)

    def _record(self, key: str) -> Path:
        return self.root / "records" / key[:2] / f"{_digest(key)}.json"

    def _write(self, place: Path, data: bytes) -> None:
        """Whole or not at all."""
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.root / "scratch"
        scratch.mkdir(exist_ok=True)
        temporary = scratch / f"{uuid.uuid4()}.tmp"
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)


def _digest(text: str) -> str:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"{text!r} is not a SHA-256 digest")
    return text
