"""What is said to have no path has no effect: noise at every kind of site and position, exact in float64; and back."""

from __future__ import annotations

import pytest

from causalcircuit.check import sites
from causalcircuit.query import Site, site_table
from causalcircuit.query.reach import idle
from causalcircuit.runs import check_text
from tests.sweeps.programs import EXAMPLES, HEAD, answers

KINDS = (
    *("resid_in", "attn.in", "attn.out", "resid_mid", "mlp.in", "mlp.out", "resid", "head[1].out", "head[1].q"),
    *("kv[1].k", "kv[1].v", "mlp.neuron[3]"),
)
PLACES = (0, 5, 22)
READS = {
    "the end": 'gpt2.logit[" Mary"] @ 22',
    "a middle": 'gpt2.logit[" Mary"] @ 5',
    "a site": "norm(gpt2.layer[0].mlp.out @ 5)",
    "a query": "norm(gpt2.layer[1].head[0].q @ 5)",
    "a pattern's reader": "norm(gpt2.layer[1].head[1].out @ 5)",
}


@pytest.mark.parametrize("read", READS)
def test_no_path_is_no_effect_and_a_path_is_one(read: str) -> None:
    readout = READS[read]
    members = [f"gpt2.layer[{i}].{kind} @ {p}" for i in (0, 1) for kind in KINDS for p in PLACES]
    text = "estimate " + ",\n  ".join(f"E[{readout} | do({m} = 9)] - E[{readout}]" for m in members) + " on walk\n"
    program = check_text(HEAD + text, folder=EXAMPLES)
    table = sites(program.models["gpt2"])
    (command,) = program.commands
    found = answers(text).estimates
    assert len(found) == len(members)
    seen = set()
    for query, estimate, member in zip(command.queries, found, members, strict=True):
        (site,) = {a.target for a in query.expr.left.world.assignments}
        assert isinstance(site, Site)
        none = idle(query.expr, site, lambda name: table)
        assert estimate.value is not None
        alone = member.endswith(".q @ 0")  # the first position has one key: its softmax is 1 whatever the query
        said = f"{member} to {readout}: {estimate.value}, idle {none}"
        assert abs(estimate.value) < 1e-12 if none or alone else abs(estimate.value) > 1e-9, said
        seen.add(none)
    assert seen == {True, False}


def test_what_is_not_known_counts_as_reachable() -> None:
    table = site_table(
        {"model_type": "bert", "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 4,
         "intermediate_size": 8, "architectures": ["BertForMaskedLM"]}
    )  # fmt: skip
    text = HEAD + 'estimate E[gpt2.logit[" Mary"] @ 3 | do(H = 9)] on walk for H in gpt2.layer[*].mlp.out @ 7\n'
    codes = {}
    try:
        check_text(text, folder=EXAMPLES)
    except Exception as problem:
        codes = {d.code for d in problem.diagnostics}  # type: ignore[attr-defined]
    assert codes == {"CQ393"}  # a causal model does not look ahead
    assert not table.towers[0].causal  # an encoder does: only its last layer has no path
    wire = check_text(HEAD + 'estimate E[gpt2.logit[" Mary"] @ 3 | do(gpt2.layer[0].mlp.out @ 7 = 9)] on walk\n',
                      folder=EXAMPLES)  # fmt: skip
    (query,) = wire.commands[0].queries
    (site,) = {a.target for a in query.expr.world.assignments}
    assert not idle(query.expr, site, lambda name: table)
