"""The text families, loaded as a user loads them, with inputs for each."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.families import Family, all_families
from tests.families.parts import TEXTS

BEGIN = "The king gave a"
"""What the decoder of an encoder-decoder begins with."""


def text_families() -> tuple[Family, ...]:
    """The families whose models read nothing but text."""
    kinds = ("decoder", "encoder", "encoder-decoder")
    return tuple(each for each in all_families() if each.kind in kinds and not each.unbuildable)


@cache
def load(folder: Path, dtype: torch.dtype, attention: str) -> Any:
    """The model of a folder, in evaluation mode; a second call gives the same object."""
    config = json.loads((folder / "config.json").read_text())
    experts = {"experts_implementation": "eager"} if "num_experts_per_tok" in config else {}
    model, info = getattr(transformers, config["architectures"][0]).from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=dtype,
        attn_implementation=attention,
        output_loading_info=True,
        **experts,
    )
    wrong = {kind: keys for kind, keys in info.items() if keys}
    if wrong:
        raise AssertionError(f"weights of {folder.name} do not fit: {wrong}")
    return model.eval()


@cache
def tokenizer(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


def inputs(family: Family, folder: Path, texts: tuple[str, ...] = TEXTS[:1]) -> dict[str, torch.Tensor]:
    """What the model's forward takes, of these texts padded on the right (no mask where nothing is padded)."""
    batch = dict(tokenizer(folder)(list(texts), padding=True, return_tensors="pt"))
    if batch["attention_mask"].all():
        del batch["attention_mask"]
    if family.kind == "encoder-decoder":
        start = tokenizer(folder)(BEGIN, add_special_tokens=False)["input_ids"]
        begin = [load(folder, torch.float32, family.attentions[0]).config.decoder_start_token_id, *start]
        batch["decoder_input_ids"] = torch.tensor([begin] * len(texts))
    return batch


@contextmanager
def taps(model: Any, paths: set[str]) -> Any:
    """Inputs and outputs of modules, each cloned when it is made: `seen[path] = [(input, output), ...]`, by call."""
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {path: [] for path in paths}
    before: dict[str, torch.Tensor] = {}

    def enter(path: str) -> Any:
        def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            before[path] = (args[0] if args else kwargs["hidden_states"]).clone()

        return hook

    def leave(path: str) -> Any:
        def hook(_: Any, args: tuple[Any, ...], output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            seen[path].append((before[path], first.clone()))

        return hook

    handles = []
    for path in paths:
        module = model.get_submodule(path)
        handles += [module.register_forward_pre_hook(enter(path), with_kwargs=True)]
        handles += [module.register_forward_hook(leave(path))]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
