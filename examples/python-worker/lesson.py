"""Distillation of one gated FFN (`swiglu`): block-wise local distillation as puzzleflow's stage `distill` does it.

x + W_down(silu(W_gate n) * W_up n) with n = RMSNorm(x) learns to be what the parent's layer makes of x. The gradient is
written out by hand, so that the same lines run with NumPy and with PyTorch, on a GPU for instance.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
from safetensors.numpy import load_file, save

Weights = dict[str, np.ndarray]
beta1, beta2, epsilon, clip_norm, final_fraction = 0.9, 0.95, 1e-8, 1.0, 0.05
steps_per_point, points_per_checkpoint = 8, 8


def arrays(device: str) -> tuple[Callable[[np.ndarray], Any], Callable[[Any], np.ndarray], Any]:
    """To the device, back from it, and its functions."""
    if device == "numpy":
        return (lambda a: a), (lambda a: np.asarray(a)), np
    import torch

    # Products in full float32, as everywhere else in a search.
    torch.backends.cuda.matmul.allow_tf32 = False
    return (lambda a: torch.from_numpy(np.ascontiguousarray(a)).to(device)), (lambda a: a.cpu().numpy()), torch


# Data


def hidden_states(path: Path) -> np.ndarray:
    """[tokens, hidden] float32: halves with a scale per token."""
    tensors = load_file(path)
    return tensors["x"].astype(np.float32) * tensors["scale"][:, None]


def token_mask(path: Path) -> tuple[np.ndarray, int]:
    """1 for tokens and 0 for padding, [sequences * length]; and the length."""
    mask = load_file(path)["mask"]
    return mask.reshape(-1), mask.shape[1]


def shuffled(count: int, seed: int) -> list[int]:
    """Fisher and Yates by mulberry32: the order that every worker takes."""
    state = seed % 2**32

    def random() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) % 2**32
        t = ((state ^ state >> 15) * (state | 1)) % 2**32
        t = (t ^ (t + ((t ^ t >> 7) * (t | 61)) % 2**32)) % 2**32
        return (t ^ t >> 14) / 2**32

    order = list(range(count))
    for i in range(count - 1, 0, -1):
        j = math.floor(random() * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


# Weights


def parent_ffn(model: Path, layer: int) -> Weights:
    """The parent's FFN from a Hugging Face checkpoint, matrices as [in, out]."""
    names = {
        "norm": "post_attention_layernorm.weight",
        "gate": "mlp.gate_proj.weight",
        "up": "mlp.up_proj.weight",
        "down": "mlp.down_proj.weight",
    }
    index = model / "model.safetensors.index.json"
    files = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
    found: Weights = {}
    for file in files:
        tensors = load_file(model / file)
        for own, name in names.items():
            if (weight := tensors.get(f"model.layers.{layer}.{name}")) is not None:
                found[own] = np.ascontiguousarray(weight.astype(np.float32).T if weight.ndim == 2 else weight.astype(np.float32))
    return found


def initial(parent: Weights, width: int, contribution: list[float] | None) -> Weights:
    """The channels that contribute most, in their order (Puzzle, appendix A)."""
    rank = np.asarray(contribution or np.linalg.norm(parent["down"], axis=1), dtype=np.float32)
    kept = sorted(sorted(range(len(rank)), key=lambda i: (-rank[i], i))[:width])
    return {
        "norm": parent["norm"],
        "gate": parent["gate"][:, kept],
        "up": parent["up"][:, kept],
        "down": parent["down"][kept],
    }


# Training


def forward(xp: Any, x: Any, w: Any, eps: float) -> tuple[Any, ...]:
    inverse = 1 / xp.sqrt((x * x).mean(-1)[:, None] + eps)
    unit = x * inverse
    n = unit * w["norm"]
    gate, up = n @ w["gate"], n @ w["up"]
    sigmoid = 1 / (1 + xp.exp(-gate))
    inner = gate * sigmoid * up
    return x + inner @ w["down"], unit, n, gate, up, sigmoid, inner


def gradients(xp: Any, x: Any, target: Any, mask: Any, w: Any, eps: float) -> tuple[Any, dict[str, Any]]:
    """nMSE over real tokens, and its derivatives."""
    y, unit, n, gate, up, sigmoid, inner = forward(xp, x, w, eps)
    weight = mask[:, None]
    power = (target * target * weight).sum()
    difference = y - target
    loss = (difference * difference * weight).sum() / power
    dy = 2 * difference * weight / power
    d_inner = dy @ w["down"].T
    silu = gate * sigmoid
    d_gate = d_inner * up * (sigmoid + silu * (1 - sigmoid))
    d_up = d_inner * silu
    d_n = d_gate @ w["gate"].T + d_up @ w["up"].T
    return loss, {
        "norm": (d_n * unit).sum(0),
        "gate": n.T @ d_gate,
        "up": n.T @ d_up,
        "down": inner.T @ dy,
    }


def learning_rate(peak: float, step: int, steps: int) -> float:
    warmup = min(20, math.ceil(steps / 10))
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1, max(0, (step - warmup) / max(1, steps - warmup)))
    return peak * (final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * progress)) / 2)


class Lesson:
    """What a task says, and where its data lies."""

    def __init__(self, task: dict[str, Any], model: Path, open_ref: Callable[[dict[str, Any]], Path], seed: int, device: str):
        self.params, self.seed = task["params"], seed
        (self.pupil,) = self.params["train"]
        config = json.loads((model / "config.json").read_text())
        self.eps = config.get("rms_norm_eps", 1e-6)
        self.to, self.back, self.xp = arrays(device)
        layer = self.params["layer"]
        statistics = json.loads(open_ref(task["inputs"]["statistics"]).read_bytes())
        self.initial = initial(parent_ffn(model, layer), self.pupil["params"]["width"], statistics.get(f"layer{layer:02d}"))
        self.inputs = hidden_states(open_ref(task["inputs"]["input"]))
        self.targets = hidden_states(open_ref(task["inputs"]["target"]))
        self.mask, self.length = token_mask(open_ref(task["inputs"]["tokens"]))
        self.held = [
            hidden_states(open_ref(task["inputs"]["validateInput"])),
            hidden_states(open_ref(task["inputs"]["validateTarget"])),
            token_mask(open_ref(task["inputs"]["validateTokens"]))[0],
        ]

    def train(self, checkpoint: Path, progress: Callable[[float, str], None], stopped: Callable[[], bool]) -> tuple[Weights, list[dict[str, float]]]:
        """To the last step, from the newest checkpoint if there is one."""
        steps, batch = self.params["steps"], self.params["batch"]
        peak, decay = self.params["learningRate"], self.params["weightDecay"]
        w = {name: self.to(value) for name, value in self.initial.items()}
        first = {name: value * 0 for name, value in w.items()}
        second = {name: value * 0 for name, value in w.items()}
        curve: list[dict[str, float]] = []
        file = checkpoint / "python.safetensors"
        if file.exists():
            saved = load_file(file)
            for kind, group in (("p", w), ("m", first), ("v", second)):
                group.update({name: self.to(saved[f"{kind}:{name}"]) for name in group})
            curve = json.loads(bytes(saved["curve"]))
        step = int(curve[-1]["step"]) if curve else 0
        count = len(self.mask) // self.length
        epoch, order = -1, []
        while step < steps:
            losses = []
            for _ in range(min(steps_per_point, steps - step)):
                rows = []
                for n in range(step * batch, (step + 1) * batch):
                    if n // count != epoch:
                        epoch, order = n // count, shuffled(count, self.seed * 1000003 + n // count)
                    start = order[n % count] * self.length
                    rows.append(np.arange(start, start + self.length))
                at = np.concatenate(rows)
                loss, d = gradients(
                    self.xp, self.to(self.inputs[at]), self.to(self.targets[at]), self.to(self.mask[at]), w, self.eps
                )
                norm = math.sqrt(sum(float((g * g).sum()) for g in d.values()))
                if not math.isfinite(float(loss)) or not math.isfinite(norm):
                    raise FloatingPointError(f"The loss of step {step} is {float(loss)}, its gradient {norm}")
                scale = clip_norm / max(norm, clip_norm)
                rate = learning_rate(peak, step, steps)
                bias = math.sqrt(1 - beta2 ** (step + 1))
                for name, g in d.items():
                    first[name] = beta1 * first[name] + (1 - beta1) * scale * g
                    second[name] = beta2 * second[name] + (1 - beta2) * scale * scale * g * g
                    change = first[name] / (self.xp.sqrt(second[name]) + epsilon * bias) * (rate * bias / (1 - beta1 ** (step + 1)))
                    w[name] = (w[name] * (1 - rate * decay) if w[name].ndim > 1 else w[name]) - change
                losses.append(float(loss))
                step += 1
            curve.append({"step": step, "loss": sum(losses) / len(losses)})
            progress(step / steps, f"step {step} of {steps}, loss {curve[-1]['loss']:.4g}")
            stop = stopped()
            if stop or (len(curve) % points_per_checkpoint == 0 and step < steps):
                tensors = {f"{k}:{n}": self.back(v) for k, group in (("p", w), ("m", first), ("v", second)) for n, v in group.items()}
                tensors["curve"] = np.frombuffer(json.dumps(curve).encode(), dtype=np.uint8)
                temporary = file.with_suffix(".tmp")
                temporary.write_bytes(save(tensors))
                temporary.replace(file)
            if stop:
                raise InterruptedError
        return {name: np.ascontiguousarray(self.back(value), dtype=np.float32) for name, value in w.items()}, curve

    def held_out_error(self, weights: Weights) -> float:
        """nMSE on held-out text."""
        inputs, targets, mask = self.held
        w = {name: self.to(value) for name, value in weights.items()}
        error = power = 0.0
        for start in range(0, len(mask), 4096):
            part = slice(start, start + 4096)
            y = self.back(forward(self.xp, self.to(inputs[part]), w, self.eps)[0]).astype(np.float64)
            t, m = targets[part].astype(np.float64), mask[part, None]
            error += float(((y - t) ** 2 * m).sum())
            power += float((t**2 * m).sum())
        return error / power
