"""What a change of some tensor is in the stream that it enters, and a gradient there in the stream that is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from causalcircuit.attribution.ends import Piece, Point
from causalcircuit.attribution.grounds import Grounds
from causalcircuit.attribution.layout import Event, Read, Write
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Streams, head_rows, pushed, scaled
from causalcircuit.models import Attention, Codec, ModuleTap, Term, codec_of


@dataclass(frozen=True, slots=True, eq=False)
class Thin:
    """Changes of a stream that are multiples of one direction each: [places, n] times [n, width]."""

    times: Tensor
    rows: Tensor


@dataclass(eq=False)
class Moved:
    """How the stream of a tower changes by each piece so far, some as a whole and some as multiples of a direction.

    Attributes:
        parts: [places, n, width] each, or the thin form of that.
    """

    parts: list[Tensor | Thin] = field(default_factory=list)

    def add(self, made: Tensor | Thin) -> None:
        """Some more pieces."""
        self.parts.append(made)

    def whole(self) -> Tensor:
        """[places, pieces, width] all of them; kept in that form from now on."""
        made = torch.cat([_whole(p) for p in self.parts], 1)
        self.parts = [made]
        return made

    def some(self, places: Tensor, pieces: Tensor) -> Tensor:
        """[places, pieces, width] those of some places and some pieces."""
        out: list[Tensor] = []
        first = 0
        for part in self.parts:
            count = part.times.shape[1] if isinstance(part, Thin) else part.shape[1]
            own = pieces[(pieces >= first) & (pieces < first + count)] - first
            if isinstance(part, Thin):
                out.append(_whole(Thin(part.times[places][:, own], part.rows[own])))
            else:
                out.append(part[places][:, own])
            first += count
        return torch.cat(out, 1)

    def met(self, pulls: Tensor) -> Tensor:
        """[places, ports, pieces] the products with gradients [places, ports, width]."""
        out = [
            (pulls @ part.rows.T) * part.times[:, None]
            if isinstance(part, Thin)
            else torch.bmm(pulls, part.transpose(1, 2))
            for part in self.parts
        ]
        return torch.cat(out, 2) if len(out) > 1 else out[0]


def detached(part: Tensor | Thin) -> Tensor | Thin:
    """The same without a graph."""
    return part.detach() if isinstance(part, Tensor) else Thin(part.times.detach(), part.rows.detach())


def _whole(part: Tensor | Thin) -> Tensor:
    return part if isinstance(part, Tensor) else part.times[..., None] * part.rows


@dataclass(eq=False)
class Carrier:
    """Moves changes and gradients between the tensors of pieces and the streams.

    Attributes:
        streams: of the model. grounds: where positions are. mixed: names of MLPs with something between the map that
            neurons go through and the stream.
    """

    streams: Streams
    grounds: Grounds
    mixed: set[str] = field(default_factory=set)

    def probes(self, pieces: Sequence[Piece]) -> list[ModuleTap]:
        """Taps on what neurons go through, where some are asked for."""
        out: dict[str, ModuleTap] = {}
        for piece in pieces:
            if piece.tensor.endswith(".mlp.neurons"):
                tower, lead = self.streams.model.sites.tower(piece.entry.tower), piece.tensor.removesuffix("neurons")
                last = self.streams.blocks[piece.entry.tower, piece.entry.layer].last
                if last is not None:
                    out[lead] = ModuleTap(f"{lead}made", tower.width, tower.name, last, "out")
        return list(out.values())

    def look(self, probe: Recorded) -> None:
        """Learn which MLPs write just what the map of their neurons gives."""
        for name, value in probe.nodes.items():
            if name.endswith(".mlp.made"):
                out = probe.nodes[f"{name.removesuffix('made')}out"]
                if value.shape != out.shape or not torch.equal(value, out):
                    self.mixed.add(name.removesuffix("made"))

    def written(self, write: Write | Point, pieces: Sequence[Piece], delta: Mapping[str, Tensor], here: Recorded) -> \
            list[Tensor | Thin]:  # fmt: skip
        """Of each run of pieces of one tensor, how they move the stream by `delta`."""
        out: list[Tensor | Thin] = []
        for same in runs(pieces):
            out.append(self._written(write, same, delta, here))
        return out

    def _written(
        self, write: Write | Point, pieces: Sequence[Piece], delta: Mapping[str, Tensor], here: Recorded
    ) -> Tensor | Thin:
        name, entry = pieces[0].tensor, pieces[0].entry
        own = {"embed": "resid[0]", "heads": ".z", "cross": ".z", "mlp": "mlp.out"}.get(entry.kind, "")
        if isinstance(write, Write) and own and name == entry.tensor and name.endswith(own):
            made = self.streams.write(write, delta, here)
            width = pieces[0].stop - pieces[0].start
            return made[:, [p.start // width for p in pieces]]
        moved = self._masked(delta[name], pieces[0], here)
        columns = [p.start for p in pieces]
        if name.endswith(".features"):
            codec = codec_of(self.streams.model, name.removesuffix(".features")).on(moved.device)
            if pieces[0].stop - pieces[0].start > 1:  # all of them together
                return self._described(entry.tensor, codec, moved @ codec.decoder, here)
            whole = here.nodes[entry.tensor].new_zeros(len(columns), here.nodes[entry.tensor].shape[-1])
            whole[:, codec.target] = codec.decoder[columns].to(whole.dtype)
            times = moved[:, columns].to(whole.dtype)
            if entry.kind == "stream":
                return Thin(times, whole)
            if entry.tensor.endswith((".attn.out", ".cross.out", ".mlp.out")):
                return Thin(times, scaled(whole, self._term(entry.tensor)))
            return self._carried(entry.tensor, times[..., None] * whole, here)
        if name.endswith(".mlp.neurons"):
            return self._neurons(name, moved, columns, here)
        if name.endswith(".error"):
            return self._described(entry.tensor, codec_of(self.streams.model, name.removesuffix(".error")), moved, here)
        return self._carried(name, moved[:, None], here)

    def _described(self, name: str, codec: Codec, moved: Tensor, here: Recorded) -> Tensor:
        """[places, 1, width] of the stream, for a change of what a dictionary describes."""
        value = here.nodes[name]
        wide = value.new_zeros(len(moved), value.shape[-1])
        wide[:, codec.target] = moved.to(value.dtype)
        return self._carried(name, wide[:, None], here)

    def _neurons(self, name: str, moved: Tensor, columns: list[int], here: Recorded) -> Tensor | Thin:
        lead = name.removesuffix("neurons")
        last = self._last(name)
        if lead in self.mixed or last is None:
            each = moved.new_zeros(len(moved), len(columns), moved.shape[-1])
            each[:, range(len(columns)), columns] = moved[:, columns]
            made = pushed(here.nodes[f"{lead}out"], here.nodes[name], each)
            return scaled(made, self._term(f"{lead}out"))
        rows = head_rows(last, moved.shape[-1], moved)[columns]
        return Thin(moved[:, columns], scaled(rows, self._term(f"{lead}out")))

    def _last(self, name: str) -> nn.Module | None:
        tower, layer = self._block(name)
        return self.streams.blocks[tower, layer].last

    def _block(self, name: str) -> tuple[str, int]:
        lead, _, rest = name.partition("layer[")
        return lead.removesuffix("."), int(rest.partition("]")[0])

    def _core(self, name: str) -> Attention:
        block = self.streams.blocks[self._block(name)]
        core = block.cross if ".cross." in name else block.attention
        if core is None:
            raise TypeError("a cross-attention that the block has not")
        return core

    def _term(self, name: str) -> Term:
        return self.streams.blocks[self._block(name)].mlp if name.endswith("mlp.out") else self._core(name).write

    def _carried(self, name: str, change: Tensor, here: Recorded) -> Tensor:
        """[places, n, width] of the stream, for [places, n, components] of a tensor."""
        if "resid" in name:
            return change
        if name == "projector.out":
            stream = f"{self.streams.model.sites.readout_tower.prefix}resid[0]"
            return pushed(here.nodes[stream], here.nodes[name], change)
        if name.endswith((".attn.out", ".cross.out", ".mlp.out")):
            return scaled(change, self._term(name))
        if name.endswith(".z"):
            core, lead = self._core(name), name.removesuffix("z")
            made = change @ head_rows(core.projection, change.shape[-1], change)
            if lead in self.streams.tailed:
                out = f"{lead}out" if lead.endswith(".cross.") else f"{lead}attn.out"
                made = pushed(here.nodes[out], here.nodes[f"{lead}projected"], made)
            return scaled(made, core.write)
        out = f"{name.partition('.expert[')[0]}.mlp.out"
        return scaled(pushed(here.nodes[out], here.nodes[name], change), self._term(out))

    def _masked(self, value: Tensor, piece: Piece, here: Recorded) -> Tensor:
        if piece.at is None:
            return value
        stand = self._stand(piece)
        return value * self.grounds.mask(stand, piece.at, here)[:, None]

    def _stand(self, piece: Piece) -> str:
        return self.streams.model.taps[piece.tensor].stand

    def read(
        self, event: Event | Point, pieces: Sequence[Piece], gradients: Mapping[str, Tensor], here: Recorded
    ) -> Tensor:
        """[places, pieces, width] what the gradient at each piece is in the stream that is read there."""
        name, scale = self._from(event, here)
        out: list[Tensor] = []
        for piece in pieces:
            y = here.nodes[piece.tensor]
            seed = torch.zeros_like(y)
            own = slice(piece.start, piece.stop)
            seed[:, own] = self._masked(gradients[piece.tensor], piece, here)[:, own]
            (g,) = torch.autograd.grad(y, here.nodes[name], seed, retain_graph=True, allow_unused=True)
            out.append(torch.zeros_like(here.nodes[name]) if g is None else g)
        found = torch.stack(out, 1)
        return found if scale is None else found / scale

    def _from(self, event: Event | Point, here: Recorded) -> tuple[str, Tensor | float | None]:
        """The tensor in which gradients are taken for a read, and what it is multiplied by in the stream."""
        if isinstance(event, Point):
            return event.tensor, None
        prefix = f"{event.tower}." if event.tower else ""
        if isinstance(event, Read) and event.kind == "mlp":
            return self.streams.given(event)
        if isinstance(event, Read) and event.kind == "attn":
            return f"{prefix}resid[{event.layer}]", None
        return f"{prefix}resid[{self.streams.projected_from(prefix, here)}]", None


def runs(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces that follow each other in one tensor, together where one look carries them."""
    out: list[list[Piece]] = []
    for piece in pieces:
        last = out[-1][-1] if out else None
        single = piece.tensor.endswith((".z", ".neurons")) or piece.stop - piece.start == 1
        if (
            last is not None
            and single
            and last.stop - last.start == piece.stop - piece.start
            and (last.tensor, last.at) == (piece.tensor, piece.at)
        ):
            out[-1].append(piece)
        else:
            out.append([piece])
    return out
