"""The truth: a loop of one-row, one-world forward passes, written without a look at the engine.

`Brute.cell(i, cell)` is the scalar of row `i` for a readout in a world. A world is one forward pass of a batch of one,
unpadded; every value that it assigns comes from forward passes of its own, by plain recursion:

- assignments are simultaneous: a bare site on the right of `A = …` is read in the same world less what is assigned to
  A's tensor, so that two heads can trade values and a narrow site keeps its own inside a wide one;
- `(V | w)` is read in `w`, and inherits nothing;
- `mean(V)` is a loop over the rows in the factual world; `pooled`, each row gives its own mean over positions.

Slow on purpose. It knows two architectures, by the names of their modules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import VisionEncoderDecoderModel

from causalcircuit.query import (
    FACTUAL,
    Binary,
    Call,
    Cell,
    Column,
    Counterfactual,
    DataRef,
    Expr,
    Input,
    Items,
    Mean,
    Negative,
    Number,
    Position,
    Readout,
    Site,
    Text,
    World,
)
from tests.truth.places import patch_positions, text_positions
from tests.truth.taps import locate, record


@dataclass(repr=False)
class Brute:
    """A model, its data, and nothing clever.

    Attributes:
        model: `GPT2LMHeadModel` or `VisionEncoderDecoderModel` (ViT, GPT-2), in `eval()` mode.
        tokenizer, processor: its own; `processor` is `None` for a model of text.
        rows: the data, a mapping of columns each.
        feeds: what feeds `input`, `image`, `prefix` where a world does not say otherwise: `Column` or `Text`.
        folder: what paths of images are relative to.
        weight: the column of row weights, if there is one.
        elsewhere: the same model over the other data that `mean(A, on = d)` names.
        passes, means, known: what was calculated before.
    """

    model: nn.Module
    tokenizer: Any
    processor: Any
    rows: Sequence[Mapping[str, Any]]
    feeds: Mapping[str, Expr]
    folder: Path = Path()
    weight: str | None = None
    elsewhere: Mapping[DataRef | None, Brute] = field(default_factory=dict)
    passes: dict[Any, tuple[Tensor, dict[str, Tensor]]] = field(default_factory=dict)
    means: dict[Mean, Tensor] = field(default_factory=dict)
    known: dict[Cell, list[float]] = field(default_factory=dict)

    # ------------------------------------------------------------------ what is asked

    def cell(self, i: int, cell: Cell) -> float:
        """The scalar of row `i`."""
        if isinstance(cell.readout, Readout):
            return self.readout(i, cell.readout, cell.world)
        return float(self.value(i, cell.readout, cell.world))

    def readout(self, i: int, readout: Readout, world: World) -> float:
        """A logit, log-probability or probability of an exact string, or of a set of them."""
        if isinstance(readout.answer, Items):
            each = [Readout(readout.model, "prob", a, readout.position) for a in readout.answer.items]
            total = sum(self.readout(i, r, world) for r in each)
            return math.log(total) if readout.kind == "logprob" else total
        answer = readout.answer.value if isinstance(readout.answer, Text) else self.rows[i][readout.answer.name]
        tokens = self.tokenizer(answer, add_special_tokens=False).input_ids
        (at,) = self.positions(i, readout.position, self.text_tower, world)
        logits, _ = self.run(i, world, after=tokens[:-1])
        if readout.kind == "logit":
            (token,) = tokens
            return float(logits[at, token])
        # A several-token answer stands after the prompt: its n-th token is foretold n-1 places after `at`.
        likely = torch.log_softmax(logits.double(), dim=-1)
        logprob = sum(float(likely[at + k, token]) for k, token in enumerate(tokens))
        return logprob if readout.kind == "logprob" else math.exp(logprob)

    # ------------------------------------------------------------------ one pass

    def run(self, i: int, world: World, after: Sequence[int] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        """One forward pass of row `i` in `world`, the tokens `after` put behind the prompt.

        Returns:
            logits [positions, vocabulary], and every point's tensor [positions, width].
        """
        key = (i, world, tuple(after))
        if key not in self.passes:
            if len(self.passes) > 200:
                self.passes.clear()
            self.passes[key] = self.forward(i, world, after)
        return self.passes[key]

    def forward(self, i: int, world: World, after: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        """`run`, done."""
        writes: dict[str, list[tuple[list[int], int, int | None, Tensor]]] = {}
        for a in world.assignments:
            if isinstance(a.target, Site):
                point, start, stop = locate(self.model, a.target.address)
                places = self.positions(i, a.target.position, self.tower(a.target), world)
                value = self.value(i, a.value, self.before(point, world))
                writes.setdefault(point, []).append((places, start, stop, value))

        def change(point: str, tensor: Tensor) -> Tensor:
            width = tensor.shape[-1]

            def size(write: tuple[list[int], int, int | None, Tensor]) -> int:
                return len(write[0]) * ((write[2] or width) - write[1])

            # The widest is written first, so that the narrower wins.
            for places, start, stop, value in sorted(writes.get(point, []), key=size, reverse=True):
                for n, place in enumerate(places):
                    one_each = value.ndim == 2 and len(value) == len(places)
                    if value.ndim == 2 and not one_each:
                        raise ValueError(f"{len(value)} values for {len(places)} positions")
                    tensor[0, place, start:stop] = value[n] if one_each else value
            return tensor

        return record(self.model, self.inputs(i, world, after), change, set(writes))

    def before(self, point: str, world: World) -> World:
        """`world` less all that it assigns to the tensor at `point`."""
        sites = [a.target for a in world.assignments if isinstance(a.target, Site)]
        for target in sites:
            if locate(self.model, target.address)[0] == point:
                world = world.without(target)
        return world

    def inputs(self, i: int, world: World, after: Sequence[int]) -> dict[str, Tensor]:
        """What the model's forward takes."""
        if not isinstance(self.model, VisionEncoderDecoderModel):
            ids = self.tokenizer(self.fed(i, "input", world)).input_ids
            return {"input_ids": torch.tensor([[*ids, *after]])}
        prefix = self.tokenizer(self.fed(i, "prefix", world), add_special_tokens=False).input_ids
        image = self.image(self.fed(i, "image", world)).convert("RGB")
        pixels = self.processor(images=image, return_tensors="pt").pixel_values
        return {
            "pixel_values": pixels.to(next(self.model.parameters()).dtype),
            "decoder_input_ids": torch.tensor([[self.model.config.decoder_start_token_id, *prefix, *after]]),
        }

    # ------------------------------------------------------------------ values

    def value(self, i: int, e: Expr, world: World) -> Tensor:
        """A row value in `world`: [positions, width], [width] for a pooled mean or a listed column, or a scalar []."""
        match e:
            case Number(value=x):
                return torch.tensor(x, dtype=torch.float64)
            case Column(name=name):
                return torch.tensor(self.rows[i][name], dtype=torch.float64)
            case Site():
                point, start, stop = locate(self.model, e.address)
                _, tensors = self.run(i, world)
                return tensors[point][self.positions(i, e.position, self.tower(e), world), start:stop]
            case Counterfactual(value=inner, world=other):
                return self.value(i, inner, other)
            case Mean():
                return self.mean(e)
            case Negative(operand=operand):
                return -self.value(i, operand, world)
            case Binary(op=op, left=left, right=right):
                a, b = self.value(i, left, world), self.value(i, right, world)
                match op:
                    case "+":
                        return a + b
                    case "-":
                        return a - b
                    case "*":
                        return a * b
                    case "/":
                        return a / b
                    case "^":
                        return a**b
            case Call(function=function, arguments=arguments):
                values = [self.value(i, x, world) for x in arguments]
                match function:
                    case "norm":
                        return (values[0] ** 2).sum().sqrt()
                    case "dot":
                        return (values[0] * values[1]).sum()
                    case "avg":
                        return values[0].mean()
                    case "max":
                        return values[0].max()
        raise TypeError(f"no value for {e}")

    def mean(self, e: Mean) -> Tensor:
        """The mean over all rows, position by position; `pooled`: of each row's mean over its positions."""
        if e.on in self.elsewhere:
            return self.elsewhere[e.on].mean(replace(e, on=None))
        if e not in self.means:
            rows = [self.value(j, e.of, FACTUAL) for j in range(len(self.rows))]
            each = torch.stack([r.mean(0) if e.pooled else r for r in rows])
            weights = [1.0 if self.weight is None else self.rows[j][self.weight] for j in range(len(rows))]
            self.means[e] = sum(w * x for w, x in zip(weights, each, strict=True)) / sum(weights)
        return self.means[e]

    # ------------------------------------------------------------------ inputs and positions

    def feed(self, channel: str, world: World) -> Expr:
        """What feeds a channel in `world`: a `Column` or a `Text`."""
        for a in world.assignments:
            if isinstance(a.target, Input) and a.target.channel == channel:
                return a.value
        return self.feeds[channel]

    def fed(self, i: int, channel: str, world: World) -> Any:
        """The text, or the path of the image, that row `i` feeds."""
        source = self.feed(channel, world)
        return source.value if isinstance(source, Text) else self.rows[i][source.name]

    def image(self, path: str) -> Image.Image:
        """An image of the data."""
        return Image.open(self.folder / path)

    @property
    def text_tower(self) -> str:
        """The tower that logits are read from."""
        return "decoder" if isinstance(self.model, VisionEncoderDecoderModel) else ""

    def tower(self, site: Site) -> str:
        """The tower in which a site stands."""
        return site.address.path[0].name if isinstance(self.model, VisionEncoderDecoderModel) else ""

    def positions(self, i: int, position: Position, tower: str, world: World) -> list[int]:
        """The positions that are meant on the prompt (or image) that `world` feeds."""
        row = self.rows[i]
        if tower == "encoder":
            config = self.model.config.encoder
            side = config.image_size // config.patch_size
            column = _mask_column(position)
            return patch_positions(position, (side, side), row, self.image(row[column]) if column else None)
        channel = "prefix" if tower == "decoder" else "input"
        source = self.feed(channel, world)
        ids = self.tokenizer(self.fed(i, channel, world), add_special_tokens=tower == "").input_ids
        texts = [self.tokenizer.decode(ids[:n], clean_up_tokenization_spaces=False) for n in range(len(ids) + 1)]
        pieces = [now[len(before) :] for before, now in pairwise(texts)]
        column = source.name if isinstance(source, Column) else None
        return text_positions(position, pieces, 1 if tower == "decoder" else 0, row, column)


def _mask_column(position: Position) -> str | None:
    """The column of the one mask that a position names."""
    return position.mask or next(filter(None, map(_mask_column, position.parts)), None)
