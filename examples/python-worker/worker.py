"""Serves a queue of a puzzleflow search: distils gated FFNs, with NumPy or with PyTorch on a GPU.

    npx puzzleflow worker --queue gpu --describe > gpu.json
    python worker.py gpu.json --device cuda
"""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from safetensors.numpy import save
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker

from lesson import Lesson
from store import Missing, Store, belongs


class Distiller:
    def __init__(self, store: Store, device: str) -> None:
        self.store, self.device = store, device

    @activity.defn(name="executeTask")
    def execute_task(self, request: dict[str, Any]) -> dict[str, Any]:
        """One task: reused if its record is there, else done and recorded."""
        last: list[Any] = [{"fraction": 0, "text": "reads its data"}]
        ended = threading.Event()

        def pulse() -> None:
            # Without signs of life the server takes a worker for dead.
            while not ended.wait(3):
                activity.heartbeat(*last)

        context = contextvars.copy_context()
        threading.Thread(target=lambda: context.run(pulse), daemon=True).start()
        try:
            return self._execute(request, last)
        except Missing as error:
            raise _failure("MissingArtifact", str(error), "Run it again: what is missing is made anew.") from error
        except FloatingPointError as error:
            raise _failure("NonFinite", str(error), "Lower the learning rate, or look for extreme values.") from error
        except InterruptedError as error:
            raise CancelledError() from error
        finally:
            ended.set()

    def _execute(self, request: dict[str, Any], last: list[Any]) -> dict[str, Any]:
        store, index = self.store, request["task"]["index"]
        key = store.read_json(request["keys"])[index]
        if found := store.record(key["key"]):
            return {"key": key["key"], "reused": True, "seconds": found["seconds"]}
        task = store.read_json(request["tasks"])[index]
        plan = store.read_json(request["plan"])
        if not (store.is_ours(request["plan"]) and belongs(key, task)):
            raise _failure("InvalidInput", f"{task['id']}: the plan or the key is not to be trusted", "Start the run again.")
        self._refuse_others(plan, request["stage"], task)
        begin = time.monotonic()

        def progress(fraction: float, text: str) -> None:
            last[0] = {"fraction": fraction, "text": text}
            activity.heartbeat(*last)

        lesson = Lesson(task, Path(plan["inputs"]["model"]), store.path, plan["seed"], self.device)
        weights, curve = lesson.train(store.checkpoint(key["key"]), progress, activity.is_cancelled)
        pupil, params = lesson.pupil, lesson.params
        entry = {
            "id": pupil["entry"],
            "layer": params["layer"],
            "slot": pupil["slot"],
            "variant": pupil["variant"],
            "block": pupil["block"],
            "params": pupil["params"],
            "beside": params["beside"],
            "parameters": sum(value.size for value in weights.values()),
            "nmseBefore": lesson.held_out_error(lesson.initial),
            "nmseAfter": lesson.held_out_error(weights),
        }
        files = {"curve": store.put_json("curve", curve), pupil["entry"]: store.put_bytes("weights", save(weights))}
        seconds = time.monotonic() - begin
        store.put_record(key, {"values": {"entries": [entry]}, "files": files}, seconds)
        store.remove_checkpoint(key["key"])
        return {"key": key["key"], "reused": False, "seconds": seconds}

    def _refuse_others(self, plan: dict[str, Any], stage: str, task: dict[str, Any]) -> None:
        """Work that this program does not know must not be done wrongly."""
        uses = next(own["uses"] for own in plan["stages"] if own["name"] == stage)
        train = task["params"].get("train", [])
        known = [{"slot", "block"} <= set(own) and (own["slot"], own["block"]) == ("ffn", "swiglu") for own in train]
        alone = uses == "distill" and known == [True] and set(train[0]["params"]) == {"width"}
        trains = task["params"].get("steps", 0) > 0
        if not (alone and trains) or task["params"]["beside"] != "parent":
            raise _failure(
                "InvalidInput",
                f"{stage}/{task['id']}: this worker distils FFNs of block type swiglu next to the parent's attention, nothing else",
                "Give the stage another queue, or teach examples/python-worker/lesson.py the block type.",
            )


def _failure(kind: str, message: str, remedy: str) -> ApplicationError:
    return ApplicationError(message, {"remedy": remedy}, type=kind, non_retryable=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("description", help="what `puzzleflow worker --queue NAME --describe` said, as a file")
    parser.add_argument("--device", default="numpy", help="numpy (default), or a device of PyTorch: cuda, cpu")
    parser.add_argument("--slots", type=int, default=1, help="tasks side by side")
    options = parser.parse_args()
    place = json.loads(Path(options.description).read_text())
    client = await Client.connect(place["address"], namespace=place["namespace"])
    with ThreadPoolExecutor(options.slots) as executor:
        worker = Worker(
            client,
            task_queue=place["taskQueue"],
            activities=[Distiller(Store(place["store"]), options.device).execute_task],
            activity_executor=executor,
            max_concurrent_activities=options.slots,
        )
        print(f"serves {place['taskQueue']}", flush=True)
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
