# SPDX-License-Identifier: MIT
"""Decoders whose layers differ, as puzzleflow writes them (config.json, "puzzleflow": {"model": ...}).

Every layer has two slots, attention and ffn, each x + scale * post(block(norm(x))); a no-op is x. What a slot is, and in
which tensors its weights lie, is in the configuration; here is what the block types compute.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_puzzleflow import PuzzleflowConfig

# Newer versions of transformers call it `cache`, older ones `past_key_values`.
CACHE = "cache" if "cache" in {field.name for field in dataclasses.fields(CausalLMOutputWithPast)} else "past_key_values"

# Tokens of linear attention that are computed as one masked product.
PART = 128


class PuzzleflowCache:
    """What layers keep of the tokens before: by layer the tensors that its attention returned, batch first."""

    is_compileable = False

    def __init__(self, layers):
        self.states = [None] * layers
        self.length = 0

    def get_seq_length(self, layer_idx=0):
        return self.length

    def get_max_length(self):
        return -1

    def get_max_cache_shape(self):
        return None

    def _each(self, change):
        self.states = [own and {name: change(value) for name, value in own.items()} for own in self.states]

    def reorder_cache(self, beam_idx):
        self._each(lambda value: value.index_select(0, beam_idx.to(value.device)))

    def batch_repeat_interleave(self, repeats):
        self._each(lambda value: value.repeat_interleave(repeats, dim=0))

    def batch_select_indices(self, indices):
        self._each(lambda value: value[indices])

    def reset(self):
        self.states = [None] * len(self.states)
        self.length = 0

    def __len__(self):
        return len(self.states)


class Chunk:
    """The tokens of one call: where they stand, and which of all tokens up to them are text."""

    def __init__(self, batch, length, past, attention_mask, position_ids, device):
        self.batch, self.length, self.past = batch, length, past
        total = past + length
        if attention_mask is None:
            mask = torch.ones(batch, total, dtype=torch.bool, device=device)
        elif attention_mask.dim() != 2:
            raise ValueError("attention_mask must be [batch, tokens]: 1 for text, 0 for padding")
        else:
            mask = attention_mask.to(device).bool()
            if mask.shape[1] < total:
                mask = F.pad(mask, (total - mask.shape[1], 0), value=True)
            mask = mask[:, :total]
        self.mask = mask
        if position_ids is None:
            position_ids = (mask.long().cumsum(-1) - 1).clamp(min=0)
        self.positions = position_ids[:, -length:].to(device)
        self.own = mask[:, past:]
        self.tables = {}

    def allowed(self, keys, window=None):
        """Which of the last `keys` tokens each token sees, [batch, 1, length, keys]."""
        total = self.past + self.length
        at = torch.arange(total - keys, total, device=self.mask.device)
        token = torch.arange(self.past, total, device=self.mask.device)[:, None]
        seen = at <= token
        if window is not None:
            seen = seen & (token - at < window)
        return (seen & self.mask[:, None, -keys:])[:, None]


def inverse_frequencies(rotary, dim, end, device):
    """Radians a position of each pair of channels. `end`: tokens of the sequence up to the end of the chunk."""
    theta, scaling = rotary["theta"], rotary.get("scaling") or {"kind": "default"}
    kind = scaling["kind"]
    pair = torch.arange(0, dim, 2, dtype=torch.float64, device=device)
    if kind == "none":
        return torch.zeros_like(pair)
    if kind == "dynamic" and end > scaling["originalPositions"]:
        stretch = scaling["factor"] * end / scaling["originalPositions"] - (scaling["factor"] - 1)
        theta = theta * stretch ** (dim / (dim - 2))
    plain = theta ** (-pair / dim)
    if kind in ("default", "dynamic"):
        return plain
    slow = plain / scaling["factor"]
    if kind == "linear":
        return slow
    original = scaling["originalPositions"]
    if kind == "llama3":
        low, high = scaling["lowFrequencyFactor"], scaling["highFrequencyFactor"]
        turns = original * plain / (2 * math.pi)
        return slow + (plain - slow) * ((turns - low) / (high - low)).clamp(0, 1)
    if kind == "yarn":
        first, last = (
            dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))
            for turns in (scaling["betaFast"], scaling["betaSlow"])
        )
        if scaling["truncate"]:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, dim - 1)
        ramp = ((pair / 2 - first) / ((last - first) or 0.001)).clamp(0, 1)
        return plain + (slow - plain) * ramp
    raise ValueError(f"rotary scaling {kind!r} is not known")


def rotary_tables(rotary, dim, chunk):
    """Cosines and sines of the chunk's positions, [batch, 1, length, dim / 2]."""
    end = chunk.past + chunk.length
    angles = chunk.positions[:, None, :, None].double() * inverse_frequencies(rotary, dim, end, chunk.positions.device)
    factor = (rotary.get("scaling") or {}).get("attentionFactor", 1)
    return (factor * angles.cos()).float(), (factor * angles.sin()).float()


def wide(x):
    """In float32 at least."""
    return x if x.dtype == torch.float64 else x.float()


def turn(x, cos, sin):
    """Pairs of channels, half a head apart, turned. x: [batch, heads, length, dim]"""
    first, second = wide(x).chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(x.dtype)


def rms_norm(x, weight, eps, offset):
    y = wide(x)
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)
    return (y * (wide(weight) + offset)).to(x.dtype)


def attend(q, k, v, allowed, scale, cap):
    """Softmax attention. q: [batch, heads, length, dim]; k, v: [batch, groups, tokens, dim]."""
    batch, heads, length, dim = q.shape
    groups = k.shape[1]
    q = q.reshape(batch, groups, heads // groups, length, dim)
    scores = wide(q @ k[:, :, None].transpose(-1, -2)) * scale
    if cap is not None:
        scores = cap * torch.tanh(scores / cap)
    scores = scores.masked_fill(~allowed[:, :, None], torch.finfo(scores.dtype).min)
    mixed = scores.softmax(-1).to(v.dtype) @ v[:, :, None]
    return mixed.reshape(batch, heads, length, v.shape[-1])


class Slot:
    """A slot's weights by name, and what is around them."""

    def __init__(self, layer, kind, model):
        self.layer, self.kind, self.model = layer, kind, model
        self.params = kind["params"]

    def weight(self, name):
        """As the block type has it: matrices [in, out]; None where there is none."""
        place = self.kind["weights"].get(name)
        if place is None:
            return None
        tensor = self.layer.tensor(place["tensor"])
        if "rows" in place:
            start, end = place["rows"]
            tensor = tensor[start:end]
        return tensor.t() if place["transposed"] else tensor

    def affine(self, x, name):
        y = x @ self.weight(name)
        bias = self.weight(f"{name}.bias")
        return y if bias is None else y + bias

    def heads(self, x, name, count):
        """[batch, count, length, dim]"""
        y = self.affine(x, name)
        return y.reshape(y.shape[0], y.shape[1], count, -1).transpose(1, 2)

    def positioned(self, x, name, count, tables):
        """Queries or keys: normalised where the model's are, and turned."""
        y = self.heads(x, name, count)
        norm = self.weight(f"{name}.norm")
        if norm is not None:
            y = rms_norm(y, norm, self.model["normEps"], self.model["normOffset"])
        return turn(y, *tables)

    def output(self, mixed):
        batch, heads, length, dim = mixed.shape
        return self.affine(mixed.transpose(1, 2).reshape(batch, length, heads * dim), "o")


def softmax_attention(slot, x, chunk, tables, state):
    heads = slot.params.get("heads", slot.model["heads"])
    heads = heads if isinstance(heads, int) else slot.model["heads"]
    groups, window = slot.params["kvHeads"], slot.params.get("window")
    q = slot.positioned(x, "q", heads, tables)
    k = slot.positioned(x, "k", groups, tables)
    v = slot.heads(x, "v", groups)
    if state is not None:
        k, v = torch.cat([state["k"], k], dim=2), torch.cat([state["v"], v], dim=2)
    allowed = chunk.allowed(k.shape[2], window)
    mixed = attend(q, k, v, allowed, slot.model["attentionScale"], slot.model.get("attentionSoftcap"))
    kept = slice(None) if window is None else slice(max(k.shape[2] - window + 1, 0), None)
    return slot.output(mixed), {"k": k[:, :, kept], "v": v[:, :, kept]}


def latent_attention(slot, x, chunk, tables, state):
    heads, rotated = slot.model["heads"], slot.params["rotated"]
    # The channels that turn fastest.
    cos, sin = (table[..., : rotated // 2] for table in tables)
    turned = turn(slot.heads(x, "q.rotated", heads), cos, sin)
    free = slot.heads(x, "q.free", heads) @ slot.weight("up.k")
    q = torch.cat([turned, free], dim=-1)
    left = torch.cat([turn(slot.heads(x, "k.rotated", 1), cos, sin), slot.heads(x, "latent", 1)], dim=-1)
    if state is not None:
        left = torch.cat([state["latent"], left], dim=2)
    allowed = chunk.allowed(left.shape[2])
    scale, cap = slot.model["attentionScale"], slot.model.get("attentionSoftcap")
    mixed = attend(q, left, left[..., rotated:], allowed, scale, cap)
    return slot.output(mixed @ slot.weight("up.v")), {"latent": left}


def linear_attention(slot, x, chunk, tables, state):
    heads, groups = slot.model["heads"], slot.params["kvHeads"]
    batch, length = x.shape[:2]

    def features(name, count):
        z = wide(slot.positioned(x, name, count, tables) @ slot.weight(f"map.{name}"))
        return torch.cat([z.softmax(-1), (-z).softmax(-1)], dim=-1)

    own = chunk.own[:, None, :].to(wide(x[:0]).dtype)
    q = features("q", heads)
    q = q.reshape(batch, groups, heads // groups, length, q.shape[-1])
    # Padding leaves nothing behind.
    k = features("k", groups) * own[..., None]
    v = wide(slot.heads(x, "v", groups))
    v = torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)
    decay = k.new_zeros(batch, groups, length)
    if slot.weight("decay") is not None:
        decay = -F.softplus(-wide(slot.affine(x, "decay"))).transpose(1, 2) / 16 * own
    sums = state["sums"] if state is not None else k.new_zeros(batch, groups, k.shape[-1], v.shape[-1])

    parts = []
    for start in range(0, length, PART):
        part = slice(start, min(start + PART, length))
        y, sums = recurrence(q[:, :, :, part], k[:, :, part], v[:, :, part], decay[:, :, part].cumsum(-1), sums)
        parts.append(y)
    y = torch.cat(parts, dim=3)
    mixed = (y[..., :-1] / (y[..., -1:] + 1e-6)).reshape(batch, heads, length, -1).to(x.dtype)
    return slot.output(mixed), {"sums": sums}


def recurrence(q, k, v, decay, sums):
    """S_t = exp(d_t) S_t-1 + k_t' v_t and y_t = q_t S_t for some tokens at once; `decay` is the running sum of d."""
    length = k.shape[2]
    causal = torch.ones(length, length, dtype=torch.bool, device=k.device).tril()
    between = (decay[..., :, None] - decay[..., None, :]).masked_fill(~causal, -math.inf).exp()
    own = ((q @ k[:, :, None].transpose(-1, -2)) * between[:, :, None]) @ v[:, :, None]
    earlier = (q @ sums[:, :, None]) * decay[:, :, None, :, None].exp()
    last = decay[..., -1:, None]
    added = (k * (last - decay[..., None]).exp()).transpose(-1, -2) @ v
    return own + earlier, sums * last.exp() + added


def matrix(slot, x, *_):
    y = x @ slot.weight("weight")
    bias = slot.weight("bias")
    return (y if bias is None else y + bias), None


def activate(slot, x):
    return F.silu(x) if slot.model["activation"] == "silu" else F.gelu(x, approximate="tanh")


def swiglu(slot, x, *_):
    return slot.affine(activate(slot, slot.affine(x, "gate")) * slot.affine(x, "up"), "down"), None


def low_rank(slot, x, *_):
    def factors(value, name):
        y = value @ slot.weight(f"{name}.a") @ slot.weight(f"{name}.b")
        bias = slot.weight(f"{name}.bias")
        return y if bias is None else y + bias

    return factors(activate(slot, factors(x, "gate")) * factors(x, "up"), "down"), None


BLOCKS = {
    ("attention", "grouped-query"): softmax_attention,
    ("attention", "fewer-heads"): softmax_attention,
    ("attention", "sliding-window"): softmax_attention,
    ("attention", "latent-attention"): latent_attention,
    ("attention", "linear-attention"): linear_attention,
    ("attention", "gated-linear-attention"): linear_attention,
    ("attention", "linear"): matrix,
    ("ffn", "swiglu"): swiglu,
    ("ffn", "low-rank"): low_rank,
    ("ffn", "linear"): matrix,
}


class Tensors(nn.Module):
    """A place in the tree of tensors."""

    def place(self, name, shape):
        first, _, rest = name.partition(".")
        if rest == "":
            self.register_parameter(first, nn.Parameter(torch.empty(shape)))
        else:
            if first not in self._modules:
                self.add_module(first, Tensors())
            self._modules[first].place(rest, shape)

    def tensor(self, name):
        first, _, rest = name.partition(".")
        return self._modules[first].tensor(rest) if rest else self._parameters[first]


class PuzzleflowLayer(Tensors):
    def __init__(self, model, layer):
        super().__init__()
        self.model = model
        self.rotary = layer["rotary"]
        kinds = [model["kinds"][layer[slot]] for slot in ("attention", "ffn")]
        for kind in kinds:
            for name, shape in kind["tensors"].items():
                self.place(name, shape)
        # No modules of their own: their tensors are the layer's.
        self.slots = [Slot(self, kind, model) for kind in kinds if kind["block"] != "no-op"]

    def forward(self, x, chunk, tables, state):
        model, new = self.model, state
        for slot in self.slots:
            run = BLOCKS[slot.kind["slot"], slot.kind["block"]]
            y = rms_norm(x, slot.weight("norm"), model["normEps"], model["normOffset"])
            y, left = run(slot, y, chunk, tables[self.rotary], state)
            new = left if left is not None else new
            post = slot.weight("post")
            if post is not None:
                y = rms_norm(y, post, model["normEps"], model["normOffset"])
            x = x + y * model["residualScale"]
        return x, new


class PuzzleflowPreTrainedModel(PreTrainedModel):
    config_class = PuzzleflowConfig
    base_model_prefix = "model"
    _no_split_modules = ["PuzzleflowLayer"]
    # Recurrent state cannot go back by some tokens.
    _is_stateful = True

    def _init_weights(self, module):
        deviation = getattr(self.config, "initializer_range", None) or 0.02
        for parameter in module.parameters(recurse=False):
            if getattr(parameter, "_is_hf_initialized", False):
                continue
            with torch.no_grad():
                if parameter.dim() > 1:
                    parameter.normal_(0, deviation)
                else:
                    parameter.fill_(0)


class PuzzleflowModel(PuzzleflowPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.about = config.puzzleflow["model"]
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(PuzzleflowLayer(self.about, layer) for layer in self.about["layers"])
        self.norm = Tensors()
        self.norm.place("weight", [config.hidden_size])
        self.post_init()

    def forward(self, input_ids, inputs_embeds, attention_mask, position_ids, cache, keep):
        """@returns the normalised hidden states, and those before every layer and behind the last if `keep`"""
        about = self.about
        x = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        x = x * about["embeddingScale"]
        past = 0 if cache is None else cache.length
        chunk = Chunk(x.shape[0], x.shape[1], past, attention_mask, position_ids, x.device)
        tables = [rotary_tables(rotary, about["headDim"], chunk) for rotary in about["rotaries"]]
        kept = [x] if keep else None
        for index, layer in enumerate(self.layers):
            x, state = layer(x, chunk, tables, None if cache is None else cache.states[index])
            if cache is not None:
                cache.states[index] = state
            if keep:
                kept.append(x)
        if cache is not None:
            cache.length += chunk.length
        return rms_norm(x, self.norm.tensor("weight"), about["normEps"], about["normOffset"]), kept


class PuzzleflowForCausalLM(PuzzleflowPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config):
        super().__init__(config)
        self.model = PuzzleflowModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_hidden_states=None,
        return_dict=None,
        logits_to_keep=0,
        cache=None,
        **kwargs,
    ):
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either input_ids or inputs_embeds")
        cache = cache if cache is not None else past_key_values
        if cache is not None and not isinstance(cache, PuzzleflowCache):
            raise ValueError("The cache must be one that this model returned")
        if cache is None and (use_cache if use_cache is not None else not self.training and labels is None):
            cache = PuzzleflowCache(len(self.model.layers))
        about = self.model.about
        hidden, kept = self.model(input_ids, inputs_embeds, attention_mask, position_ids, cache, output_hidden_states)
        if isinstance(logits_to_keep, int):
            hidden = hidden[:, -logits_to_keep:] if logits_to_keep else hidden
        else:
            hidden = hidden[:, logits_to_keep]
        logits = self.lm_head(hidden * about["logitsScale"])
        cap = about.get("finalSoftcap")
        if cap is not None:
            logits = cap * torch.tanh(logits / cap)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size)
        states = tuple(kept) if kept is not None else None
        out = CausalLMOutputWithPast(loss=loss, logits=logits, hidden_states=states, **{CACHE: cache})
        return out if return_dict is not False else out.to_tuple()

    @classmethod
    def _supports_default_dynamic_cache(cls, *_):
        # The first call makes a PuzzleflowCache.
        return False

    def prepare_inputs_for_generation(
        self, input_ids, past_key_values=None, attention_mask=None, inputs_embeds=None, cache=None, **kwargs
    ):
        cache = cache if cache is not None else past_key_values
        past = 0 if cache is None else cache.length
        if inputs_embeds is not None and past == 0:
            inputs = {"inputs_embeds": inputs_embeds}
        else:
            # The mask counts tokens that were given as embeddings, too.
            total = input_ids.shape[1] if attention_mask is None else attention_mask.shape[1]
            inputs = {"input_ids": input_ids[:, past - total :]}
        names = ("use_cache", "position_ids", "output_hidden_states", "logits_to_keep")
        inputs.update({name: kwargs[name] for name in names if name in kwargs})
        return {**inputs, "attention_mask": attention_mask, CACHE: cache}


__all__ = ["PuzzleflowForCausalLM", "PuzzleflowModel", "PuzzleflowPreTrainedModel"]
