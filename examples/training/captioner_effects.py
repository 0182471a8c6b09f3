"""Effects on the captioner, row by row: the background's total and indirect effects, captions, projections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from heads import edited, of_head, recorded
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

Row = dict[str, Any]
Floats = NDArray[np.float64]


class Captioner:
    """The captioner with its tokenizer and image processor, asked about files of pictures."""

    def __init__(self, model: Path, data: Path) -> None:
        """Load the model folder; paths of rows are relative to `data`."""
        self.model = VisionEncoderDecoderModel.from_pretrained(model).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.processor = AutoImageProcessor.from_pretrained(model)
        self.data = data

    def pixels(self, files: Sequence[str]) -> Tensor:
        """[n, 3, 32, 32] of PNG files."""
        pictures = []
        for file in files:
            with Image.open(self.data / file) as picture:
                pictures.append(picture.convert("RGB"))
        return self.processor(pictures, return_tensors="pt")["pixel_values"]

    def cross(self, layer: int) -> nn.Module:
        """The output projection of a layer's cross-attention."""
        return self.model.decoder.transformer.h[layer].crossattention.c_proj

    @torch.no_grad()
    def woman_minus_man(self, pixels: Tensor) -> Floats:
        """[n] logit(woman) - logit(man) after the start token and the prefix `a`."""
        prefix = torch.tensor(self.tokenizer("<s> a")["input_ids"]).expand(len(pixels), -1)
        logits = self.model(pixel_values=pixels, decoder_input_ids=prefix).logits[:, -1]
        woman, man = self.tokenizer.convert_tokens_to_ids(["woman", "man"])
        return (logits[:, woman] - logits[:, man]).double().numpy()

    @torch.no_grad()
    def captions(self, pixels: Tensor) -> list[str]:
        """Greedy captions."""
        tokens = self.model.generate(pixels, do_sample=False)
        return self.tokenizer.batch_decode(tokens, skip_special_tokens=True)


def indirect_effect(captioner: Captioner, on: Tensor, off: Tensor, layer: int, head: int) -> Floats:
    """[n] change of the readout in pictures `off` when one cross head, at all positions, is as in `on`."""
    projection = captioner.cross(layer)
    part = of_head(head, projection.weight.shape[0] // 4)
    with recorded(projection) as seen:
        captioner.woman_minus_man(on)

    def patch(x: Tensor) -> Tensor:
        x[..., part] = seen[0][..., part]
        return x

    with edited(projection, patch):
        after = captioner.woman_minus_man(off)
    return after - captioner.woman_minus_man(off)


def project_out(direction: Tensor, part: slice) -> Callable[[Tensor], Tensor]:
    """An edit that removes a direction from the columns `part`."""
    unit = direction / direction.norm()

    def project(x: Tensor) -> Tensor:
        x[..., part] -= (x[..., part] @ unit)[..., None] * unit
        return x

    return project


def head_projected(
    captioner: Captioner, on: Tensor, off: Tensor, layer: int, head: int
) -> AbstractContextManager[None]:
    """The captioner with the pooled on-off direction removed from one cross head's output."""
    projection = captioner.cross(layer)
    part = of_head(head, projection.weight.shape[0] // 4)
    with recorded(projection) as seen:
        captioner.woman_minus_man(on)
        captioner.woman_minus_man(off)
    difference = (seen[0] - seen[1])[..., part].mean((0, 1))
    return edited(projection, project_out(difference, part))


class EncoderProjected:
    """The captioner with the pooled on-off direction removed from the encoder's output."""

    def __init__(self, captioner: Captioner, on: Tensor, off: Tensor) -> None:
        """Find the direction."""
        self._encoder = captioner.model.encoder
        with torch.no_grad():
            states = [self._encoder(pixel_values=x).last_hidden_state.mean((0, 1)) for x in (on, off)]
        self._project = project_out(states[0] - states[1], slice(None))

    def __enter__(self) -> None:
        """Edit the final norm's output, which is the encoder's."""
        self._handle = self._encoder.layernorm.register_forward_hook(lambda _, __, out: self._project(out.clone()))

    def __exit__(self, *_: object) -> None:
        """Undo the edit."""
        self._handle.remove()
