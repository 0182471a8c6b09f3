"""Models of the shape of published ones, their weights random: saved once, and kept between runs.

The weights are drawn wider than usual, so that the effect of one head is far above rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

VOCABULARY = 5000
SIDE = 64
_SPREAD = 0.08


@dataclass(frozen=True, slots=True)
class Shape:
    """A model to be made, and where its parts are.

    Attributes:
        title: what the table calls it. build: makes the model.
        layers, heads, head_dim: of its blocks. length: positions of an input.
        projection: the path of the module whose input is all heads' outputs side by side, by layer.
        images: whether pictures feed it; texts do otherwise. mlp: hidden units, gated or not.
        kv_heads: heads of keys and values, 0 for as many as heads. classes: how many logits there are.
    """

    title: str
    build: Callable[[], Any]
    layers: int
    heads: int
    head_dim: int
    length: int
    projection: str
    images: bool = False
    mlp: int = 0
    kv_heads: int = 0
    gated: bool = False
    classes: int = VOCABULARY

    @property
    def width(self) -> int:
        """Components of the stream."""
        return self.heads * self.head_dim


def _gpt2(layers: int, heads: int, width: int, length: int) -> Any:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=VOCABULARY, n_layer=layers, n_head=heads, n_embd=width, n_positions=max(64, length),
            initializer_range=_SPREAD, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip


def _llama(layers: int, heads: int, groups: int, width: int, mlp: int) -> Any:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=width, intermediate_size=mlp, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=64,
            initializer_range=_SPREAD, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip


def _opt(layers: int, heads: int, width: int) -> Any:
    return transformers.OPTForCausalLM(
        transformers.OPTConfig(
            vocab_size=VOCABULARY, hidden_size=width, word_embed_proj_dim=width, num_hidden_layers=layers,
            ffn_dim=4 * width, num_attention_heads=heads, max_position_embeddings=64, init_std=_SPREAD,
            bos_token_id=0, eos_token_id=0, pad_token_id=1,
        )
    )  # fmt: skip


def _vit(layers: int, heads: int, width: int) -> Any:
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(
            hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=4 * width,
            image_size=SIDE, patch_size=16, num_labels=10, initializer_range=_SPREAD,
        )
    )  # fmt: skip


SHAPES = {
    "gpt2": Shape(
        "GPT-2 small", lambda: _gpt2(12, 12, 768, 16), 12, 12, 64, 16, "transformer.h.{}.attn.c_proj", mlp=3072
    ),
    "llama": Shape(
        "Llama", lambda: _llama(12, 12, 4, 768, 2048), 12, 12, 64, 16, "model.layers.{}.self_attn.o_proj",
        mlp=2048, kv_heads=4, gated=True,
    ),
    "opt": Shape(
        "OPT", lambda: _opt(12, 12, 768), 12, 12, 64, 16, "model.decoder.layers.{}.self_attn.out_proj", mlp=3072
    ),
    "vit": Shape(
        "ViT", lambda: _vit(12, 12, 768), 12, 12, 64, 17, "vit.layers.{}.attention.o_proj",
        images=True, mlp=3072, classes=10,
    ),
    "small": Shape(
        "2 layers, d 64", lambda: _gpt2(2, 8, 64, 16), 2, 8, 8, 16, "transformer.h.{}.attn.c_proj", mlp=256
    ),
    # of the smoke tests
    "tiny_gpt2": Shape(
        "tiny GPT-2", lambda: _gpt2(2, 2, 16, 6), 2, 2, 8, 6, "transformer.h.{}.attn.c_proj", mlp=64
    ),
    "tiny_llama": Shape(
        "tiny Llama", lambda: _llama(2, 4, 2, 32, 48), 2, 4, 8, 6, "model.layers.{}.self_attn.o_proj",
        mlp=48, kv_heads=2, gated=True,
    ),
    "tiny_opt": Shape(
        "tiny OPT", lambda: _opt(2, 2, 16), 2, 2, 8, 6, "model.decoder.layers.{}.self_attn.out_proj", mlp=64
    ),
    "tiny_vit": Shape(
        "tiny ViT", lambda: _vit(2, 2, 16), 2, 2, 8, 17, "vit.layers.{}.attention.o_proj",
        images=True, mlp=64, classes=10,
    ),
}  # fmt: skip


def made(name: str, root: Path) -> Path:
    """The folder of a shape's model, made where it is not there yet."""
    folder = root / name
    if not (folder / "made").exists():
        torch.manual_seed(0)
        SHAPES[name].build().save_pretrained(folder)
        if SHAPES[name].images:
            transformers.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
        else:
            _tokenizer().save_pretrained(folder)
        (folder / "made").touch()
    return folder


def _tokenizer() -> Any:
    """One token a word, its number in its name: lengths are exact."""
    words = {"<unk>": 0, "<pad>": 1} | {f"w{i}": i for i in range(2, VOCABULARY)}
    plain = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>")


def loaded(name: str, folder: Path) -> Any:
    """The model in evaluation mode, its parameters frozen, as every contender gets it."""
    kind = transformers.AutoModelForImageClassification if SHAPES[name].images else transformers.AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
