"""What lm-evaluation-harness says of exported folders: a job as JSON on standard input, results by run and task back.

A job: {"tasks": folder of task files, "cache": folder for what is read of data, "runs": [{"folder", "tasks": names, "bos": whether texts get what the tokenizer adds}]}.
"""

import json
import os
import sys

job = json.load(sys.stdin)
os.environ["HF_DATASETS_CACHE"] = job["cache"]

import lm_eval
from lm_eval.tasks import TaskManager

# Without the harness's own thousands of tasks, whose data would be fetched.
manager = TaskManager(include_path=job["tasks"], include_defaults=False)
results = []
for run in job["runs"]:
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args=f"pretrained={run['folder']},trust_remote_code=True,dtype=float32,add_bos_token={run['bos']}",
        tasks=run["tasks"],
        task_manager=manager,
        device="cpu",
        batch_size=4,
        bootstrap_iters=2,
    )
    results.append(found["results"])
# The harness prints, too.
print("\n" + json.dumps(results, default=str))
