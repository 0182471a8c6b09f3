"""The table of sites against lists written by hand."""

from __future__ import annotations

import pytest

from causalcircuit.query import Address, AddressError, Part, SiteTable, Tower, tensor_of

GPT2 = SiteTable("gpt2", (Tower("", "text", 2, 2, 4, 8, 16, causal=True),), ("input",), 32)
CAPTIONER = SiteTable(
    "vision-encoder-decoder",
    (
        Tower("encoder", "image", 1, 2, 3, 6, 12, causal=False, cls=1, patches=(4, 4)),
        Tower("decoder", "text", 1, 2, 4, 8, 16, causal=True, cross=True),
    ),
    ("image", "prefix"),
    32,
)

GPT2_SITES = """
embed                        resid[0]               0  8
layer[0].resid_in            resid[0]               0  8
layer[0].attn.in             layer[0].attn.in       0  8
layer[0].head[0].q           layer[0].q             0  4
layer[0].head[1].q           layer[0].q             4  8
layer[0].kv[0].k             layer[0].k             0  4
layer[0].kv[1].k             layer[0].k             4  8
layer[0].kv[0].v             layer[0].v             0  4
layer[0].kv[1].v             layer[0].v             4  8
layer[0].head[0].pattern[0]  layer[0].pattern       0  1
layer[0].head[1].pattern[0]  layer[0].pattern       1  2
layer[0].head[0].out         layer[0].z             0  4
layer[0].head[1].out         layer[0].z             4  8
layer[0].attn.out            layer[0].attn.out      0  8
layer[0].resid_mid           layer[0].resid_mid     0  8
layer[0].mlp.in              layer[0].mlp.in        0  8
layer[0].mlp.neuron[0]       layer[0].mlp.neurons   0  1
layer[0].mlp.out             layer[0].mlp.out       0  8
layer[0].resid               resid[1]               0  8
layer[1].resid_in            resid[1]               0  8
layer[1].attn.in             layer[1].attn.in       0  8
layer[1].head[0].q           layer[1].q             0  4
layer[1].head[1].q           layer[1].q             4  8
layer[1].kv[0].k             layer[1].k             0  4
layer[1].kv[1].k             layer[1].k             4  8
layer[1].kv[0].v             layer[1].v             0  4
layer[1].kv[1].v             layer[1].v             4  8
layer[1].head[0].pattern[0]  layer[1].pattern       0  1
layer[1].head[1].pattern[0]  layer[1].pattern       1  2
layer[1].head[0].out         layer[1].z             0  4
layer[1].head[1].out         layer[1].z             4  8
layer[1].attn.out            layer[1].attn.out      0  8
layer[1].resid_mid           layer[1].resid_mid     0  8
layer[1].mlp.in              layer[1].mlp.in        0  8
layer[1].mlp.neuron[0]       layer[1].mlp.neurons   0  1
layer[1].mlp.out             layer[1].mlp.out       0  8
layer[1].resid               resid[2]               0  8
final_norm                   final_norm             0  8
"""

CAPTIONER_SITES = """
encoder.embed                              encoder.resid[0]                 0  6
encoder.layer[0].resid_in                  encoder.resid[0]                 0  6
encoder.layer[0].attn.in                   encoder.layer[0].attn.in         0  6
encoder.layer[0].head[0].q                 encoder.layer[0].q               0  3
encoder.layer[0].head[1].q                 encoder.layer[0].q               3  6
encoder.layer[0].kv[0].k                   encoder.layer[0].k               0  3
encoder.layer[0].kv[1].k                   encoder.layer[0].k               3  6
encoder.layer[0].kv[0].v                   encoder.layer[0].v               0  3
encoder.layer[0].kv[1].v                   encoder.layer[0].v               3  6
encoder.layer[0].head[0].pattern[0]        encoder.layer[0].pattern         0  1
encoder.layer[0].head[1].pattern[0]        encoder.layer[0].pattern         1  2
encoder.layer[0].head[0].out               encoder.layer[0].z               0  3
encoder.layer[0].head[1].out               encoder.layer[0].z               3  6
encoder.layer[0].attn.out                  encoder.layer[0].attn.out        0  6
encoder.layer[0].resid_mid                 encoder.layer[0].resid_mid       0  6
encoder.layer[0].mlp.in                    encoder.layer[0].mlp.in          0  6
encoder.layer[0].mlp.neuron[0]             encoder.layer[0].mlp.neurons     0  1
encoder.layer[0].mlp.out                   encoder.layer[0].mlp.out         0  6
encoder.layer[0].resid                     encoder.resid[1]                 0  6
encoder.final_norm                         encoder.final_norm               0  6
encoder.out                                encoder.final_norm               0  6
decoder.embed                              decoder.resid[0]                 0  8
decoder.layer[0].resid_in                  decoder.resid[0]                 0  8
decoder.layer[0].attn.in                   decoder.layer[0].attn.in         0  8
decoder.layer[0].head[0].q                 decoder.layer[0].q               0  4
decoder.layer[0].head[1].q                 decoder.layer[0].q               4  8
decoder.layer[0].kv[0].k                   decoder.layer[0].k               0  4
decoder.layer[0].kv[1].k                   decoder.layer[0].k               4  8
decoder.layer[0].kv[0].v                   decoder.layer[0].v               0  4
decoder.layer[0].kv[1].v                   decoder.layer[0].v               4  8
decoder.layer[0].head[0].pattern[0]        decoder.layer[0].pattern         0  1
decoder.layer[0].head[1].pattern[0]        decoder.layer[0].pattern         1  2
decoder.layer[0].head[0].out               decoder.layer[0].z               0  4
decoder.layer[0].head[1].out               decoder.layer[0].z               4  8
decoder.layer[0].attn.out                  decoder.layer[0].attn.out        0  8
decoder.layer[0].resid_mid                 decoder.layer[0].resid_mid       0  8
decoder.layer[0].cross.head[0].q           decoder.layer[0].cross.q         0  4
decoder.layer[0].cross.head[1].q           decoder.layer[0].cross.q         4  8
decoder.layer[0].cross.kv[0].k             decoder.layer[0].cross.k         0  4
decoder.layer[0].cross.kv[1].k             decoder.layer[0].cross.k         4  8
decoder.layer[0].cross.kv[0].v             decoder.layer[0].cross.v         0  4
decoder.layer[0].cross.kv[1].v             decoder.layer[0].cross.v         4  8
decoder.layer[0].cross.head[0].pattern[0]  decoder.layer[0].cross.pattern   0  1
decoder.layer[0].cross.head[1].pattern[0]  decoder.layer[0].cross.pattern   1  2
decoder.layer[0].cross.head[0].out         decoder.layer[0].cross.z         0  4
decoder.layer[0].cross.head[1].out         decoder.layer[0].cross.z         4  8
decoder.layer[0].cross.out                 decoder.layer[0].cross.out       0  8
decoder.layer[0].mlp.in                    decoder.layer[0].mlp.in          0  8
decoder.layer[0].mlp.neuron[0]             decoder.layer[0].mlp.neurons     0  1
decoder.layer[0].mlp.out                   decoder.layer[0].mlp.out         0  8
decoder.layer[0].resid                     decoder.resid[1]                 0  8
decoder.final_norm                         decoder.final_norm               0  8
"""
"""Sites in order of computation: the tensor, and the components [start, stop) of it (of a pattern, the heads).

Of neurons, and of the keys that a pattern looks at, the first stands for all.
"""

# What each site of the decoder's only layer can depend on besides what stands above it: nothing of the encoder before
# the cross-attention has read it.
BEFORE_CROSS = ("embed", "resid_in", "attn.in", "head", "kv", "attn.out", "resid_mid")


def lines(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def address(text: str) -> Address:
    steps = []
    for step in text.split("."):
        name, _, index = step.rstrip("]").partition("[")
        steps.append(Part(name, int(index) if index.isdigit() else ("*" if index == "*" else None)))
    return Address("m", tuple(steps))


tables = pytest.mark.parametrize(
    ("table", "text"), [(GPT2, GPT2_SITES), (CAPTIONER, CAPTIONER_SITES)], ids=["gpt2", "captioner"]
)


@tables
def test_all_addresses_in_order(table: SiteTable, text: str) -> None:
    assert list(table.addresses()) == [site for site, *_ in lines(text)]
    with_neurons = list(table.addresses(neurons=True))
    assert len(with_neurons) == len(set(with_neurons))
    assert len(with_neurons) - len(lines(text)) == sum(t.layers * (t.mlp - 1) for t in table.towers)


@tables
def test_each_address_indexes_its_part_of_its_tensor(table: SiteTable, text: str) -> None:
    for site, tensor, start, stop in lines(text):
        info = table.info(address(site))
        assert (info.address, info.tensor, info.start, info.stop) == (site, tensor, int(start), int(stop))
        assert info.width == info.stop - info.start <= info.size


@tables
def test_sites_overlap_where_they_share_components(table: SiteTable, text: str) -> None:
    listed = lines(text)
    for one, tensor, start, stop in listed:
        for other, other_tensor, other_start, other_stop in listed:
            shared = set(range(int(start), int(stop))) & set(range(int(other_start), int(other_stop)))
            a, b = table.info(address(one)), table.info(address(other))
            assert a.overlaps(b) == (tensor == other_tensor and bool(shared)), (one, other)
            whole = set(range(int(other_start), int(other_stop)))
            assert a.contains(b) == (tensor == other_tensor and shared == whole), (one, other)


@tables
def test_a_site_depends_on_what_is_computed_before_it(table: SiteTable, text: str) -> None:
    """The list is in order of computation; sites of one tensor, and heads of one layer, never depend on each other.

    Nor do an attention's queries, keys and values.
    """
    listed = [(site, tensor) for site, tensor, *_ in lines(text)]
    for late, (later, late_tensor) in enumerate(listed):
        for early, (earlier, early_tensor) in enumerate(listed):
            beside = late_tensor[:-1] == early_tensor[:-1] and {late_tensor[-1], early_tensor[-1]} <= set("qkv")
            expected = early < late and late_tensor != early_tensor and not beside
            if later.startswith("decoder") and earlier.startswith("encoder"):
                expected = not any(step in later for step in BEFORE_CROSS) or "cross" in later
            got = table.depends(table.info(address(later)), table.info(address(earlier)))
            assert got == expected, (later, earlier)


@tables
def test_addresses_tell_their_tensor_by_their_spelling(table: SiteTable, text: str) -> None:
    spelt = [tensor_of(address(site)) for site, *_ in lines(text)]
    told = [tensor for _, tensor, *_ in lines(text)]
    for one, own in zip(spelt, told, strict=True):
        assert [one == other for other in spelt] == [own == other for other in told]
    assert tensor_of(address("layer[0].mlp.neuron[1]")) == tensor_of(address("layer[0].mlp.neuron[2]"))
    elsewhere = Address("another", address("embed").path)
    assert tensor_of(elsewhere) != tensor_of(address("embed"))


def test_neurons_stand_between_what_the_mlp_reads_and_writes() -> None:
    neuron, other = GPT2.info(address("layer[0].mlp.neuron[3]")), GPT2.info(address("layer[0].mlp.neuron[4]"))
    read, write = GPT2.info(address("layer[0].mlp.in")), GPT2.info(address("layer[0].mlp.out"))
    assert (neuron.start, neuron.stop, neuron.size, neuron.width) == (3, 4, 16, 1)
    assert GPT2.depends(neuron, read)
    assert GPT2.depends(write, neuron)
    assert not GPT2.depends(other, neuron)
    assert not neuron.overlaps(other)


def test_patterns_stand_for_their_members_in_order() -> None:
    heads = Address("m", (Part("layer", "*"), Part("head", (1, (0, 1))), Part("out")))
    each_once = [f"layer[{i}].head[{j}].out" for i in (0, 1) for j in (1, 0)]
    assert [a.local for a in GPT2.expand(heads)] == each_once
    cross = Address("m", (Part("decoder"), Part("layer", 0), Part("cross"), Part("head", "*"), Part("out")))
    assert [str(a) for a in CAPTIONER.expand(cross)] == [f"m.decoder.layer[0].cross.head[{j}].out" for j in range(2)]
    neurons = Address("m", (Part("layer", 1), Part("mlp"), Part("neuron", ((4, 6),))))
    assert [a.path[-1].index for a in GPT2.expand(neurons)] == [4, 5, 6]
    alone = address("layer[0].mlp.out")
    assert GPT2.expand(alone) == (alone,)


@pytest.mark.parametrize(
    ("table", "text", "kind", "says"),
    [
        (GPT2, "layer[2].resid", "layer", "0 to 1"),
        (GPT2, "layer[0].head[2].out", "head", "0 to 1"),
        (GPT2, "layer[1].mlp.neuron[16]", "neuron", "0 to 15"),
        (GPT2, "layer[0].cross.out", "name", "not a site"),
        (GPT2, "layer[0].mpl.out", "name", "not a site"),
        (GPT2, "layer[*].mlp.out", "name", "needs a number"),
        (GPT2, "encoder.out", "name", "not a site"),
        (CAPTIONER, "layer[0].mlp.out", "name", "`encoder`, `decoder`"),
        (CAPTIONER, "decoder.out", "name", "not a site"),
        (CAPTIONER, "encoder.layer[0].cross.head[0].out", "name", "not a site"),
        (CAPTIONER, "decoder.layer[0].cross.head[5].out", "head", "0 to 1"),
    ],
)
def test_addresses_that_do_not_exist_are_refused(table: SiteTable, text: str, kind: str, says: str) -> None:
    with pytest.raises(AddressError) as caught:
        table.info(address(text))
    assert caught.value.kind == kind
    assert says in str(caught.value)


def test_a_range_beyond_the_heads_is_refused() -> None:
    with pytest.raises(AddressError, match="head 2 is out of range"):
        GPT2.expand(Address("m", (Part("layer", "*"), Part("head", ((0, 2),)), Part("out"))))


def test_a_pattern_of_no_site_is_refused() -> None:
    with pytest.raises(AddressError):
        GPT2.expand(Address("m", (Part("layer", "*"), Part("mpl"), Part("out"))))
