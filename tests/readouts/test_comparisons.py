"""Divergence, cosine, length, similarity: against closed forms and code of their own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image

from causalcircuit.engine.comparisons import cosine, divergence, pooled
from tests.families.parts import BOS, EOS, VOCABULARY, tokenizer
from tests.readouts.asking import native, refused, rows, save_lines, values

HEAD = """
model m = hf("./gpt2") with dtype = float64
data d = jsonl("./prompts.jsonl") with prompt = row.clean
node A = m.logits @ last
let other = do(m.input = row.other)
"""
TWO = HEAD + 'model toxic = hf("./toxic")\n'


def distributions(folder: Path, column: str) -> torch.Tensor:
    """[rows, vocabulary] the log-probabilities of the next word."""
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    model = native(folder / "gpt2", "GPT2LMHeadModel")
    with torch.no_grad():
        said = [model(**words(r[column], return_tensors="pt")).logits[0, -1] for r in rows(folder, "prompts.jsonl")]
    return torch.stack(said).log_softmax(-1)


def test_divergence_has_a_direction(folder: Path) -> None:
    p, q = distributions(folder, "clean"), distributions(folder, "other")
    forth, back = (float((a.exp() * (a - b)).sum(-1).mean()) for a, b in ((p, q), (q, p)))
    found = values(folder, "d", "E[kl(A, (A | other))]", "E[kl((A | other), A)]", "E[kl(A, A) | other]", head=HEAD)
    assert found == pytest.approx([forth, back, 0], abs=1e-9)
    assert abs(forth - back) > 1e-3


def test_divergence_from_the_factual_world_under_an_assignment(folder: Path) -> None:
    """Setting the last stream at the last position to the other prompt's gives the other prompt's distribution."""
    swap = "do(m.layer[1].resid @ last = (m.layer[1].resid @ last | other))"
    found = values(folder, "d", f"E[kl((A | {swap}), (A | other))]", f"E[kl(A, (A | do())) | {swap}]", head=HEAD)
    p, q = distributions(folder, "clean"), distributions(folder, "other")
    assert found == pytest.approx([0, float((q.exp() * (q - p)).sum(-1).mean())], abs=1e-9)


def test_divergence_of_two_coins() -> None:
    """D(Bern(a) ‖ Bern(b)) in closed form, nats."""
    a, b = 0.3, 0.85
    logits = torch.tensor([[math.log(a), math.log(1 - a)], [math.log(b), math.log(1 - b)]]) + 5.0
    want = a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
    assert divergence(logits[:1], logits[1:]).tolist() == pytest.approx([want], abs=1e-6)
    impossible = torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf], [0.0, 0.0]])
    found = divergence(impossible, impossible[[0, 2, 0]]).tolist()
    assert found == pytest.approx([0, math.log(2), math.inf])


def test_divergence_of_more_rows_than_are_widened_at_once() -> None:
    a, b = torch.randn(2, 70, 11, dtype=torch.float64)
    p, q = a.softmax(-1), b.softmax(-1)
    torch.testing.assert_close(divergence(a, b), (p * (p / q).log()).sum(-1))


def test_cosine_of_states_pooled_over_their_positions(folder: Path) -> None:
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    model = native(folder / "gpt2", "GPT2LMHeadModel")
    want = []
    for r in rows(folder, "prompts.jsonl"):
        streams = []
        for column in ("clean", "other"):
            with torch.no_grad():
                out = model(**words(r[column], return_tensors="pt"), output_hidden_states=True)
            streams.append(out.hidden_states[1][0])
        x, y = (s.mean(0) for s in streams)
        want.append(
            (float(torch.cosine_similarity(x, y, dim=0)), float(torch.cosine_similarity(x, streams[1][-1], dim=0)))
        )
    site = "m.layer[0].resid"
    found = values(
        folder,
        "d",
        f"E[cosine({site} @ all, ({site} @ all | other))]",
        f"E[cosine({site} @ all, ({site} @ last | other))]",
        f"E[cosine({site} @ all, -2 * ({site} @ all))]",
        head=HEAD,
    )
    assert found == pytest.approx([*(sum(w) / len(w) for w in zip(*want, strict=True)), -1], abs=1e-9)


def test_cosine_with_a_mean_and_a_column(folder: Path) -> None:
    found = values(
        folder, "d", "E[cosine(row.vector, mean(m.embed @ last))]", "E[cosine(row.vector, row.vector)]", head=HEAD
    )
    model = native(folder / "gpt2", "GPT2LMHeadModel")
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    data = rows(folder, "prompts.jsonl")
    with torch.no_grad():
        last = [
            model(**words(r["clean"], return_tensors="pt"), output_hidden_states=True).hidden_states[0][0, -1]
            for r in data
        ]
    mean = torch.stack(last).mean(0)
    want = [float(torch.cosine_similarity(torch.tensor(r["vector"], dtype=torch.float64), mean, dim=0)) for r in data]
    assert found == pytest.approx([sum(want) / len(want), 1], abs=1e-9)


def test_pooling_weighs_positions_alike() -> None:
    data = torch.tensor([[1.0, 0], [3, 0], [5, 5]])
    assert pooled(data, (2, 1)).tolist() == [[2, 0], [5, 5]]
    assert cosine(pooled(data, (2, 1)), torch.tensor([[1.0, 0]]).double()).tolist() == pytest.approx([1, 0.5**0.5])


def test_log_probability_of_a_text_for_each_token(folder: Path) -> None:
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    model = native(folder / "gpt2", "GPT2LMHeadModel")
    want = []
    for r in rows(folder, "prompts.jsonl"):
        prompt, answer = words(r["clean"])["input_ids"], words(" Bartholomew gave it")["input_ids"]
        with torch.no_grad():
            said = model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
        want.append(float(sum(said[len(prompt) - 1 + i, t] for i, t in enumerate(answer))))
    total, each = values(
        folder,
        "d",
        'E[m.logprob[" Bartholomew gave it"] @ last]',
        'E[m.logprob[" Bartholomew gave it", per_token] @ last]',
        head=HEAD,
    )
    assert len(answer) > 2
    assert total == pytest.approx(sum(want) / len(want), abs=1e-9)
    assert each == pytest.approx(sum(want) / len(want) / len(answer), abs=1e-9)


def test_an_image_and_its_text(folder: Path, clip: Path) -> None:
    """CLIP's score is the cosine of the two vectors, times its scale; the text of another world is scored anew."""
    model = native(clip, "CLIPModel")
    processor = transformers.AutoProcessor.from_pretrained(clip)
    lines = [
        {"image": r["image"], "text": t["text"], "other": t["other"]}
        for r, t in zip(rows(folder, "photos.jsonl"), rows(folder, "lines.jsonl"), strict=False)
    ]
    save_lines(folder / "pairs.jsonl", lines)
    want = []
    for line in lines:
        for column in ("text", "other"):
            made = processor(text=[line[column]], images=[Image.open(folder / line["image"])], return_tensors="pt")
            made["pixel_values"] = made["pixel_values"].double()
            with torch.no_grad():
                out = model(**made)
            near = torch.cosine_similarity(out.image_embeds, out.text_embeds)
            want.append(float(near * model.logit_scale.detach().exp()))
    head = 'model c = hf("./clip") with dtype = float64\ndata p = jsonl("./pairs.jsonl")\n'
    found = values(folder, "p", "E[c.similarity]", "E[c.similarity | do(c.input = row.other)]", head=head)
    assert found == pytest.approx([sum(want[::2]) / len(lines), sum(want[1::2]) / len(lines)], abs=1e-6)


@pytest.mark.parametrize(
    ("code", "question"),
    [
        ("CQ492", "estimate E[kl(A, m.embed @ last)] on d"),
        ("CQ492", "estimate E[kl(A, 2)] on d"),
        ("CQ209", "estimate E[kl(m.logits, A)] on d"),
        ("CQ516", "estimate E[kl(m.logits @ all, A)] on d"),
        ("CQ231", "estimate E[A] on d"),
        ("CQ207", "estimate E[kl(A)] on d"),
        ("CQ353", "estimate E[cosine(m.embed @ last, m.layer[0].head[0].out @ last)] on d"),
        ("CQ352", "estimate E[cosine(m.embed @ last, 3)] on d"),
        ("CQ498", 'estimate E[m.class["x", logit]] on d'),
        ("CQ508", 'estimate E[m.logprob[[" Mary", " John"], per_token] @ last] on d'),
        ("CQ311", "estimate E[kl(A, (A | other))] - E[m.prob[row.answer] @ last] on d"),
    ],
)
def test_refused(folder: Path, code: str, question: str) -> None:
    assert refused(folder, question, HEAD) == {code}


def test_models_of_other_vocabularies_have_no_divergence(folder: Path) -> None:
    path = folder / "words"
    path.mkdir()
    transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=VOCABULARY, n_positions=64, n_embd=24, n_layer=1, n_head=3, bos_token_id=BOS, eos_token_id=EOS
        )
    ).save_pretrained(path)
    tokenizer().save_pretrained(path)
    head = HEAD + 'model w = hf("./words")\n'
    assert refused(folder, "estimate E[kl(A, w.logits @ last)] on d", head) == {"CQ492"}
