"""A puzzleflow store in a folder: artifacts by digest, and records of finished tasks by key."""

from __future__ import annotations

import datetime
import hashlib
import hmac
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
        key_file = os.environ.get("PUZZLEFLOW_STORE_KEY_FILE")
        self.signing_key = bytes.fromhex(Path(key_file).read_text().strip()) if key_file else None

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
            if digest != _sha256(found) or found["key"] != key or _sha256(found["components"]) != key:
                return None
            signature = found.pop("signature", None)
            if not self._signed(f"record {key}", found, signature):
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
        if self.signing_key:
            record["signature"] = self._signature(f"record {key['key']}", record)
        self._write(self._record(key["key"]), json.dumps({**record, "digest": _sha256(record)}, indent=1).encode())

    def is_ours(self, plan: dict[str, Any]) -> bool:
        """Whether a plan was started with the key; without one, any plan."""
        if not self.signing_key:
            return True
        name = f"plans/{_digest(plan['digest'])}"
        try:
            found = json.loads((self.root / "documents" / f"{name}.json").read_bytes())
            return self._signed(f"document {name}", found["value"], found["signature"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return False

    def _signature(self, name: str, value: Any) -> str:
        return hmac.new(self.signing_key or b"", f"puzzleflow {name}\n".encode() + rfc8785.dumps(value), "sha256").hexdigest()

    def _signed(self, name: str, value: Any, signature: Any) -> bool:
        return not self.signing_key or hmac.compare_digest(self._signature(name, value), str(signature))

    def checkpoint(self, key: str) -> Path:
        folder = self._checkpoint(key)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove_checkpoint(self, key: str) -> None:
        shutil.rmtree(self._checkpoint(key), ignore_errors=True)

    def _checkpoint(self, key: str) -> Path:
        if not self.signing_key:
            return self.root / "checkpoints" / _digest(key)
        # What others can write must not become a signed result.
        return Path.home() / ".cache" / "puzzleflow-python-worker" / _digest(key)

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


def _sha256(value: Any) -> str:
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def belongs(key: dict[str, Any], task: dict[str, Any]) -> bool:
    """Whether a key is that of a task: whoever can start workflows could name another, for a wrong result to be kept under."""
    components = key["components"]
    inputs = {name: ref["digest"] for name, ref in task["inputs"].items()}
    said = (components.get("task"), components.get("taskParams"), components.get("taskInputs"))
    return _sha256(components) == key["key"] and said == (task["id"], task["params"], inputs)


def _digest(text: str) -> str:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"{text!r} is not a SHA-256 digest")
    return text
