"""What the builders share: a word-level tokenizer, parameters of which none is negligible, and saving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

MARKS = ("<pad>", "<bos>", "<eos>", "<unk>", "<mask>", "<cls>", "<sep>")
PAD, BOS, EOS, UNK, MASK, CLS, SEP = range(len(MARKS))
_WORDS = """
Mary John Anna Tom Sarah Peter Elisabeth Bartholomew and or the a an to of in on at with from by for not no yes
gave give went go said say saw see took take had has have was is are were made make thanked thank asked ask met
drink ball book letter key apple bread coat lamp chair table door window house home park school shop garden road
man woman doctor nurse cook king queen child boy girl friend teacher one two three four five six seven eight
red green blue black white long short old new good bad big small it he she they him her then when while after
. , : ? !
"""
VOCABULARY = 128
TEXTS = (
    "When Mary and John went to the shop , John gave a drink to",
    "Then Anna met Tom",
    "The old king said no .",
    "In the garden Elisabeth gave the red ball to Bartholomew and Bartholomew thanked",
)
"""Four texts of different lengths; "When", "Then", "The" and "In" are unknown words."""


def tokenizer(
    template: str = "$A",
    padding_side: str = "right",
    extra: tuple[str, ...] = (),
    types: bool = False,
    **options: Any,
) -> PreTrainedTokenizerFast:
    """A fast tokenizer of one token a word.

    Args:
        template: what stands around a text, as `<cls> $A <sep>`.
        padding_side: where padding goes.
        extra: more special tokens, with ids from `len(MARKS)` on.
        types: whether it makes `token_type_ids`, as BERT's does.
        options: passed to `PreTrainedTokenizerFast`.
    """
    words = [*MARKS, *extra, *_WORDS.split()]
    words += [f"word{i}" for i in range(VOCABULARY - len(words))]
    ids = {word: i for i, word in enumerate(words)}
    inner = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    around = [piece for piece in template.split() if not piece.startswith("$")]
    inner.post_processor = processors.TemplateProcessing(
        single=template, pair=f"{template} $B:1", special_tokens=[(mark, ids[mark]) for mark in around]
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if types else ["input_ids", "attention_mask"]
    marks = {f"{mark.strip('<>')}_token": mark for mark in MARKS}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        padding_side=padding_side,
        model_input_names=inputs,
        model_max_length=64,
        additional_special_tokens=list(extra),
        **{**marks, **options},
    )


def byte_tokenizer() -> Qwen2Tokenizer:
    """Qwen2's own kind, a byte-level BPE, of one token a known word: `AutoTokenizer` makes nothing else for a qwen2."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=768, special_tokens=list(MARKS), initial_alphabet=letters, show_progress=False
    )
    inner.train_from_iterator([word for word in _WORDS.split() for _ in range(2)], trainer)
    learned = json.loads(inner.to_str())["model"]
    marks = {f"{mark.strip('<>')}_token": mark for mark in MARKS}
    return Qwen2Tokenizer(vocab=learned["vocab"], merges=[tuple(pair) for pair in learned["merges"]], **marks)


def redraw(model: nn.Module, seed: int) -> nn.Module:
    """Draw every parameter anew, so that none is zero, symmetric or negligible.

    Matrices have variance 1/fan_in, embeddings twice that deviation, biases 0.1; norms' weights lie 0.2 around what
    they start from (1, or 0 where the module adds 1 itself), layer-scales 0.2 around 0.5.
    """
    draw = torch.Generator().manual_seed(seed)
    seen: set[int] = set()
    with torch.no_grad():
        for path, module in model.named_modules():
            for name, weight in module.named_parameters(recurse=False):
                if id(weight) not in seen:
                    seen.add(id(weight))
                    noise = torch.randn(weight.shape, generator=draw)
                    weight.copy_(_drawn(f"{path}.{name}", module, name, weight, noise))
    return model


_SCALES = ("layer_scale", "layerscale", "lambda", "gamma", "ls1", "ls2")


def _drawn(path: str, module: nn.Module, name: str, weight: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    kind = type(module).__name__
    if any(scale in path.lower() for scale in _SCALES) and weight.dim() == 1:
        return 0.5 + 0.2 * noise
    if "norm" in kind.lower():
        return 0.1 * noise if "bias" in name else weight.mean().round() + 0.2 * noise
    if isinstance(module, nn.Embedding):
        return noise * 2 / weight.shape[-1] ** 0.5
    if weight.dim() < 2:
        return 0.1 * noise
    if kind == "Conv1D":
        return noise / weight.shape[0] ** 0.5
    if weight.dim() >= 4:  # a convolution
        return noise / weight[0].numel() ** 0.5
    return noise / weight.shape[-1] ** 0.5


def save(folder: Path, model: Any, *tools: Any, seed: int = 0) -> None:
    """Write a model with parameters of its own, and its tokenizer or processors."""
    redraw(model, seed).save_pretrained(folder)
    for tool in tools:
        tool.save_pretrained(folder)
