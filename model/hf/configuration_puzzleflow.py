# SPDX-License-Identifier: MIT
"""Configuration of models that puzzleflow wrote: decoders whose layers may differ from each other."""

try:
    from transformers import PreTrainedConfig as Base
except ImportError:  # transformers before 5
    from transformers import PretrainedConfig as Base


class PuzzleflowConfig(Base):
    """Fields are those of the model that this one descends from; `puzzleflow["model"]` says what is computed:
    numbers of the whole model, the distinct sub-blocks with their tensors (`kinds`), and which of them each layer has."""

    model_type = "puzzleflow"
    keys_to_ignore_at_inference = ["past_key_values", "cache"]

    def __init__(self, puzzleflow=None, **kwargs):
        self.puzzleflow = puzzleflow or {}
        # What transformers checks and completes of these is for rotary embeddings of its own.
        rope = {name: kwargs.pop(name) for name in ("rope_scaling", "rope_parameters") if name in kwargs}
        super().__init__(**kwargs)
        self.__dict__.update(rope)


__all__ = ["PuzzleflowConfig"]
