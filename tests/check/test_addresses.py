"""Addresses, indices and positions: what exists, and what is said where it does not."""

from __future__ import annotations

import pytest

from causalcircuit.check.options import METHODS
from causalcircuit.inference import ESTIMATORS
from tests.check.programs import IOI, SCENES, errors, said


@pytest.mark.parametrize(
    "address",
    [
        "gpt2.embed",
        "gpt2.final_norm",
        *(f"gpt2.layer[1].{s}" for s in ("resid_in", "resid_mid", "resid", "attn.in", "attn.out", "mlp.in", "mlp.out")),
        "gpt2.layer[0].head[3].out",
        "gpt2.layer[0].mlp.neuron[255]",
        "gpt2.layer[*].head[0, 2..3].out",
    ],
)
def test_sites_of_a_decoder(address: str) -> None:
    assert errors(f"{IOI}estimate E[LD | do(S = 0)] on ioi for S in {address} @ last\n") == []


@pytest.mark.parametrize(
    "place", ["cap.encoder.embed @ all", "cap.encoder.out @ all", "cap.encoder.layer[1].head[2].out @ image[3]"]
)
def test_sites_of_an_encoder(place: str) -> None:
    assert errors(f"{SCENES}estimate E[W | office, do({place} = 0)] on scenes\n") == []


@pytest.mark.parametrize(
    ("address", "code", "under", "told"),
    [
        ("gpt2.layer[2].resid", "CQ504", "layer[2]", "0 to 1 exist"),
        ("gpt2.layer[0..2].resid", "CQ504", "layer[0..2]", "0 to 1 exist"),
        ("gpt2.layer[0].head[4].out", "CQ505", "head[4]", "0 to 3 exist"),
        ("gpt2.layer[0].mlp.neuron[256]", "CQ505", "neuron[256]", "0 to 255 exist"),
        ("gpt2.layer[0].residual", "CQ506", "residual", "not a site"),
        ("gpt2.layer[0].head[0].score", "CQ506", "score", "not available"),
        ("gpt2.layer.resid", "CQ506", "layer", "needs a number"),
        ("gpt2.layer[0].head.out", "CQ506", "head", "needs a number"),
        ("gpt2.encoder.out", "CQ506", "out", "not a site"),
        ("gpt2.layer[1..0].resid", "CQ506", "1..0", "empty"),
        ("gpt2.layer[0..999999999999].resid", "CQ504", "layer[0..999999999999]", "0 to 1 exist"),
        ('gpt2.layer["a"].resid', "CQ506", 'gpt2.layer["a"]', "numbers"),
        ("gpt2[0]", "CQ506", "gpt2[0]", "no index"),
        ("gpt2", "CQ205", "gpt2", "a model"),
    ],
)
def test_addresses_that_are_none(address: str, code: str, under: str, told: str) -> None:
    (found,) = said(f"{IOI}node S = {address} @ last\n")
    assert found.code == code
    assert found.span is not None
    assert found.span.text == under
    assert told in found.message
    assert found.help


@pytest.mark.parametrize(
    ("position", "code"),
    [
        ("last", ""),
        ("first", ""),
        ("31", ""),
        ("32", "CQ509"),
        ("-32", ""),
        ("-33", "CQ509"),
        ("1.5", "CQ516"),
        ("token(row.io)", ""),
        ("token(row.io, 2)", ""),
        ("token(row.io, 0)", "CQ516"),
        ('token("park")', ""),
        ("token(row.io in row.clean, row.subj in row.corrupt)", ""),
        ("token(row.io, row.subj)", "CQ516"),
        ("token(3)", "CQ516"),
        ("span(row.io)", ""),
        ("(token(row.io) + 1)", ""),
        ("(last - 1)", ""),
        ("(last - 1.5)", "CQ516"),
        ("[first, token(row.io), last]", ""),
        ("all", ""),
        ("each", ""),
        ("[each, last]", "CQ517"),
        ("(all except last)", ""),
        ("each [first, last]", ""),
        ("new", ""),
        ("[last, new]", ""),
        ("(new + 1)", "CQ516"),
        ("lst", "CQ516"),
        ("image[3]", "CQ516"),
        ("inside(row.io)", "CQ516"),
        ("outside(row.io)", "CQ516"),
    ],
)
def test_positions(position: str, code: str) -> None:
    found = errors(f"{IOI}node S = gpt2.layer[0].resid @ {position}\n")
    assert found == [code] * bool(code)


@pytest.mark.parametrize("offset", ["last - 1", "token(row.io) + 1", "5 - 2"])
def test_an_offset_outside_its_parentheses_is_told_and_mended(offset: str) -> None:
    text = f"{IOI}node S = gpt2.layer[0].resid @ {offset}\n"
    (found,) = said(text)
    assert found.code == "CQ113"
    assert found.fix is not None
    mended = text[: found.fix.span.start] + found.fix.replacement + text[found.fix.span.end :]
    assert errors(mended) == []
    assert mended.endswith(f"@ ({offset})\n") or offset == "5 - 2"


def test_the_value_at_a_position_is_shifted_in_parentheses() -> None:
    assert errors(f"{IOI}node S = (gpt2.layer[0].resid @ last) - 1\n") == []
    assert errors(f"{IOI}node S = gpt2.layer[0].resid @ last * 2 - NM\n") == []


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ('hf("./models/ioi")', ""),
        ('hf("./models/oio")', "CQ501"),
        ('hf("./models/notes")', "CQ502"),
        ('hf("./models/strange")', "CQ502"),
        ('hf("./models/torn")', "CQ502"),
        ('hf("models/ioi")', "CQ503"),  # a folder named as a hub model
        ('hf("nobody/none")', "CQ503"),
        ('hf("nobody/none", revision = "abc")', "CQ503"),
        ('hf("./models/ioi", version = "1")', "CQ224"),
        ('hf("./models/ioi") with dtype = float64, device = "cpu"', ""),
        ('hf("./models/ioi") with dtype = float8', "CQ224"),
        ('hf("./models/ioi") with dtype = float64, dtype = float32', "CQ112"),
        (f'hf("./{"x" * 5000}")', "CQ501"),
        (f'hf("{"x" * 5000}")', "CQ503"),
        ('"./models/ioi"', "CQ226"),
        ("hf(3)", "CQ226"),
    ],
)
def test_models(model: str, code: str) -> None:
    assert errors(f"model m = {model}\n") == [code] * bool(code)


def test_every_method_of_inference_may_be_written() -> None:
    assert {"default", *METHODS} == set(ESTIMATORS)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("ci 95% seed 7 with bootstrap(2000)", ""),
        ("with bootstrap(2000) ci 95% seed 7", ""),
        ("with bootstrap seed 7", ""),
        ("with student", ""),
        ("with bootstrap(2000)", "CQ603"),
        ("with bootstrap(2000.5) seed 7", "CQ218"),
        ("with bootstrap(1e400) seed 7", "CQ219"),
        ("with student(3)", "CQ218"),
        ("with magic", "CQ601"),
        ("ci 95", "CQ602"),
        ("ci 0%", "CQ602"),
        ("ci 95% ci 95%", "CQ112"),
        ("on ioi", "CQ112"),
        ("seed 1.5", "CQ219"),
        ("per NM", "CQ220"),
        ("for H in 3", "CQ221"),
        ("by frontdoor", "CQ286"),
        ("by backdoor", "CQ222"),
        ("by intervention", ""),
        ("correct holm", "CQ112"),
        ("in NM", "CQ205"),
    ],
)
def test_options_of_an_estimate(options: str, code: str) -> None:
    assert errors(f"{IOI}estimate E[LD] on ioi {options}\n") == [code] * bool(code)
