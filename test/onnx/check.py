"""Checks an exported graph with ONNX's checker and shape inference, and continues prompts with onnxruntime's Python
package: python check.py FOLDER PROMPTS TOKENS, where PROMPTS is JSON. Prints JSON: a continuation for each prompt."""

import json
import os
import sys
from pathlib import Path

# Before onnxruntime is loaded: it would write an identifier of the machine, and send what it does.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime

folder, prompts, count = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
about = json.loads((folder / "config.json").read_text())["puzzleflow"]["onnx"]
path = str(folder / about["file"])
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

continuations = []
for prompt in prompts:
    sizes = {"batch_size": 1}
    state = {
        s["input"]: np.zeros([d if isinstance(d, int) else sizes.get(d, 0) for d in s["shape"]], np.float32)
        for s in about["states"]
    }
    ids, seen, found = prompt, 0, []
    for _ in range(count):
        seen += len(ids)
        feeds = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones([1, seen], np.int64), **state}
        out = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))
        state = {s["input"]: out[s["output"]] for s in about["states"]}
        ids = [int(out["logits"][0, -1].argmax())]
        found += ids
    continuations.append(found)
print(json.dumps(continuations))
