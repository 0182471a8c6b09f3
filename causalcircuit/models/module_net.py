"""A network that is no Hugging Face model: one tensor of numbers in, one out, its modules as sites."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from causalcircuit.diagnostics import error
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.feed import Feed
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe
from causalcircuit.models.signature import Signature
from causalcircuit.query import ModelRef
from causalcircuit.query.network import Numbers, network_table

_INPUT = "numbers"


class Network(nn.Module):
    """Calls a network as models are called: a keyword in, an object with `logits` out."""

    def __init__(self, net: nn.Module) -> None:
        """Wrap `net`, which stays as it is."""
        super().__init__()
        self.net = net

    def forward(self, numbers: Tensor) -> SimpleNamespace:
        """The network's own forward.

        Raises:
            DiagnosticError: CQ562, it gives no tensor.
        """
        out = self.net(numbers)
        if not isinstance(out, Tensor) or not out.is_floating_point() or out.ndim < 2 or len(out) != len(numbers):
            shape = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise error(
                "CQ562",
                f"the network gives {shape} for {len(numbers)} items",
                help="its output is one tensor of floats, [items, components] or [items, positions, components]",
            )
        return SimpleNamespace(logits=out)


def load_network(ref: ModelRef) -> LoadedModel:
    """A network with no site but those that are asked for, frozen and in evaluation mode.

    Raises:
        DiagnosticError: CQ562, it has no parameters of floats, or does not take what it is fed.
    """
    net = ref.net
    floats = [p for p in net.parameters() if p.is_floating_point()]
    if not floats:
        raise error("CQ562", f"`{ref.name}` has no parameters of floats", help="its type is that of its parameters")
    net.eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    feeds = tuple(
        Feed(media={_INPUT: torch.randn(1, *ref.shape, generator=generator).to(floats[0].dtype)}) for _ in range(2)
    )
    model = LoadedModel(
        ref,
        network_table(ref),
        Network(net),
        None,
        None,
        (),
        {},
        Signature(frozenset({_INPUT}), "", False, wants=frozenset()),
        0,
        "right",
        Probe(feeds, feeds),
        Proof(),
    )
    try:
        together = model.forward(model.batch(feeds), (), lambda _, x: x)
        alone = torch.cat([model.forward(model.batch([f]), (), lambda _, x: x) for f in feeds])
    except RuntimeError as problem:
        said = str(problem).partition("\n")[0]
        way = "`shape` is that of one row: `(3,)`, or `(5, 3)` for 5 positions of 3 numbers"
        raise error("CQ562", f"`{ref.name}` does not take [items, {_listed(ref)}]: {said}", help=way) from None
    if not torch.allclose(together, alone, rtol=1e-4, atol=1e-5):
        way = "rows share a batch: a norm over the batch, or noise, makes each depend on the others"
        raise error("CQ562", f"`{ref.name}` gives a row another output when it is alone", help=way)
    return model


def _listed(ref: ModelRef) -> str:
    return ", ".join(map(str, ref.shape))


def number_feed(model: LoadedModel, values: Numbers) -> Mapping[str, Tensor]:
    """A row's numbers as the network is given them."""
    return {_INPUT: torch.tensor(values.flat, dtype=model.dtype).reshape(1, *model.ref.shape)}
