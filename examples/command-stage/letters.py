"""Counts the letters of a text, a stage of a pipeline: see docs/command-stages.md."""
import collections
import json
import pathlib
import sys

task = json.loads(pathlib.Path("task.json").read_text())
if task["contract"] != 1:
    print(json.dumps({"error": f"contract {task['contract']} is not known here"}))
    sys.exit(65)

lines = pathlib.Path(task["inputs"]["text"]["path"]).read_text().splitlines()
checkpoint = pathlib.Path(task["checkpoint"]) / "state.json"
state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"line": 0, "letters": {}}
letters = collections.Counter(state["letters"])
for number in range(state["line"], len(lines)):
    letters.update(character.lower() for character in lines[number] if character.isalpha())
    # A checkpoint is complete or absent: it is written next to its place, then renamed.
    beside = checkpoint.with_suffix(".new")
    beside.write_text(json.dumps({"line": number + 1, "letters": letters}))
    beside.rename(checkpoint)
    print(json.dumps({"progress": (number + 1) / len(lines), "message": f"line {number + 1}"}), flush=True)

outputs = pathlib.Path(task["outputs"])
(outputs / "letters").write_text(json.dumps(letters, sort_keys=True))
(outputs / "values.json").write_text(json.dumps({"letters": sum(letters.values()), "distinct": len(letters)}))
