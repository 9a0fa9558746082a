"""What transformers makes of exported folders: one JSON line a job of standard input, one back.

A job: {"folder", "trust", "ids", "greedy", "gradient"}; back come the logits of all positions, the greedy continuation
with cache, and for some numbers the derivative of the loss beside its finite difference.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM


def loss(model, ids):
    """Cross entropy of the next tokens. transformers' own loss is in float32."""
    return torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:])


def difference(model, ids, parameter, index):
    """(d loss / d number by autograd, the same by a central difference), in float64."""
    slope = parameter.grad.view(-1)[index].item()
    step = 1e-5
    losses = []
    with torch.no_grad():
        for sign in (1, -1):
            parameter.view(-1)[index] += sign * step
            losses.append(loss(model, ids).item())
            parameter.view(-1)[index] -= sign * step
    return [slope, (losses[0] - losses[1]) / (2 * step)]


def gradients(model, ids):
    theirs = model(input_ids=ids, labels=ids).loss
    model.double()
    found = {"loss": [theirs.item(), loss(model, ids).item()]}
    model.zero_grad()
    loss(model, ids).backward()
    for name, parameter in model.named_parameters():
        # The number that matters most: a derivative near 0 proves nothing.
        index = int(parameter.grad.abs().argmax())
        found[name] = difference(model, ids, parameter, index)
    return found


def padded(model, ids, count):
    """Logits of the last tokens of a text behind padding, in a batch with a longer one."""
    short = ids[:, count:]
    rows = torch.cat([ids, torch.cat([torch.zeros_like(ids[:, :count]), short], dim=1)])
    mask = torch.ones_like(rows)
    mask[1, :count] = 0
    both = model(input_ids=rows, attention_mask=mask).logits[1, count:]
    alone = model(input_ids=short).logits[0]
    return ((both - alone).abs().max() / alone.abs().max()).item()


def in_bfloat16(job, ids, whole):
    """The same folder as most people load it: half the bytes."""
    model = AutoModelForCausalLM.from_pretrained(job["folder"], trust_remote_code=job["trust"], dtype=torch.bfloat16)
    logits = model.eval()(input_ids=ids).logits[0].float()
    made = model.generate(ids, max_new_tokens=8, min_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=0)
    return {
        "dtype": str(model.dtype),
        "difference": ((logits - whole).norm() / whole.norm()).item(),
        "generated": made.shape[1] - ids.shape[1],
    }


for line in sys.stdin:
    job = json.loads(line)
    out = {}
    try:
        model = AutoModelForCausalLM.from_pretrained(job["folder"], trust_remote_code=job["trust"]).eval()
        out["class"] = type(model).__name__
        ids = torch.tensor([job["ids"]])
        with torch.no_grad():
            whole = model(input_ids=ids).logits[0]
            out["logits"] = whole.flatten().tolist()
            prompt = ids[:, : job["prompt"]]
            options = {"max_new_tokens": job["greedy"], "min_new_tokens": job["greedy"], "do_sample": False}
            options.update({"eos_token_id": None, "pad_token_id": 0})
            out["greedy"] = model.generate(prompt, **options)[0, prompt.shape[1] :].tolist()
            out["bfloat16"] = in_bfloat16(job, ids, whole)
            if job.get("more"):
                beams = model.generate(prompt, num_beams=3, **options)[0, prompt.shape[1] :].tolist()
                plain = model.generate(prompt, num_beams=3, use_cache=False, **options)[0, prompt.shape[1] :].tolist()
                out["beams"] = [beams, plain]
                out["padded"] = padded(model, ids, 5)
                # In chunks, with the cache handed on.
                cache, parts = None, []
                for part in ids.split(5, dim=1):
                    given = model(input_ids=part, past_key_values=cache, use_cache=True)
                    cache = given.past_key_values
                    parts.append(given.logits[0])
                out["chunked"] = ((torch.cat(parts) - whole).abs().max() / whole.abs().max()).item()
        if job.get("save"):
            model.save_pretrained(job["save"])
        if job.get("more"):
            out["gradients"] = gradients(model, ids[:, :7])
    except Exception as error:  # the test says whether it should have worked
        out["error"] = f"{type(error).__name__}: {error}"[:2000]
    print(json.dumps(out), flush=True)
