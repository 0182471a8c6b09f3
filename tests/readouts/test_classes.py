"""Scores of classes: images alone, texts alone, each scale, each way to name a class."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load
from causalcircuit.query import Classes, ModelRef, classes_of
from tests.families.parts import VOCABULARY, save, tokenizer
from tests.readouts.asking import HEAD, ask, native, read, refused, rows, seen, values


def test_an_image_classifier_says_what_it_says_alone(folder: Path) -> None:
    said = torch.stack([seen(folder, r["image"]) for r in rows(folder, "photos.jsonl")])
    logit, softmax, sigmoid, number = values(
        folder,
        "photos",
        'E[vit.class["dog", logit]]',
        'E[vit.class["dog", softmax]]',
        'E[vit.class["dog", sigmoid]]',
        "E[vit.class[1, score]]",
    )
    assert logit == number == pytest.approx(float(said[:, 1].mean()), abs=1e-7)
    assert softmax == pytest.approx(float(said.softmax(-1)[:, 1].mean()), abs=1e-7)
    assert sigmoid == pytest.approx(float(said.sigmoid()[:, 1].mean()), abs=1e-7)
    assert len({round(x, 6) for x in (logit, softmax, sigmoid)}) == 3


def test_each_row_may_name_its_own_class(folder: Path) -> None:
    data = rows(folder, "photos.jsonl")
    said = [float(seen(folder, r["image"]).softmax(-1)[r["number"]]) for r in data]
    found = values(folder, "photos", "E[vit.class[row.label, softmax]]", "E[vit.class[row.number, softmax]]")
    assert found == pytest.approx([sum(said) / len(said)] * 2, abs=1e-7)


def test_an_image_of_another_world(folder: Path) -> None:
    data = rows(folder, "photos.jsonl")
    effect = [float((seen(folder, r["other"]) - seen(folder, r["image"]))[2]) for r in data]
    (found,) = values(
        folder,
        "photos",
        'E[vit.class["horse", logit] | do(vit.image = row.other)] - E[vit.class["horse", logit]]',
    )
    assert found == pytest.approx(sum(effect) / len(effect), abs=1e-7)


def test_a_site_of_an_image_classifier_is_assigned(folder: Path) -> None:
    """The class token of the last stream, from the other picture, decides alone."""
    whole = "vit.layer[2].resid @ all = (vit.layer[2].resid @ all | do(vit.image = row.other))"
    first = "vit.layer[2].resid @ 0 = (vit.layer[2].resid @ 0 | do(vit.image = row.other))"
    y = 'vit.class["cat", logit]'
    found = values(
        folder, "photos", f"E[{y} | do({whole})]", f"E[{y} | do({first})]", f"E[{y} | do(vit.image = row.other)]"
    )
    assert found == pytest.approx([found[2]] * 3, abs=1e-9)


def test_the_config_says_that_labels_do_not_exclude_each_other(folder: Path) -> None:
    said = torch.stack([read(folder, r["text"]) for r in rows(folder, "lines.jsonl")])
    bare, softmax = values(folder, "lines", 'E[toxic.class["toxic"]]', 'E[toxic.class["toxic", softmax]]')
    assert bare == pytest.approx(float(said.sigmoid()[:, 0].mean()), abs=1e-7)
    assert softmax == pytest.approx(float(said.softmax(-1)[:, 0].mean()), abs=1e-7)


def test_texts_of_other_lengths_share_a_batch_without_harm(folder: Path) -> None:
    """Each row alone gives what all of them give together."""
    together = ask(folder, 'estimate E[toxic.class["rude"]] on lines as population').tables["lines"]
    ((_, column),) = together.cells.items()
    said = [float(read(folder, r["text"]).sigmoid()[1]) for r in rows(folder, "lines.jsonl")]
    assert column.tolist() == pytest.approx(said, abs=1e-7)


def test_a_decoder_that_reads_its_last_token(folder: Path, pooled: Path) -> None:
    words = transformers.AutoTokenizer.from_pretrained(pooled)
    model = native(pooled, "GPT2ForSequenceClassification")
    with torch.no_grad():
        data = rows(folder, "lines.jsonl")
        said = [float(model(**words(r["text"], return_tensors="pt")).logits[0].softmax(-1)[1]) for r in data]
    head = 'model p = hf("./pooled") with dtype = float64\ndata lines = jsonl("./lines.jsonl")\n'
    (found,) = values(folder, "lines", 'E[p.class["dog", softmax]]', head=head)
    assert found == pytest.approx(sum(said) / len(said), abs=1e-6)


def test_a_decoder_that_cannot_tell_padding_is_refused(tmp_path: Path) -> None:
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=8, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2
    )
    save(tmp_path, transformers.GPT2ForSequenceClassification(config), tokenizer())
    with pytest.raises(DiagnosticError, match="names no `pad_token_id`"):
        load(ModelRef("m", ".", tmp_path))


def test_the_units_of_scores(folder: Path) -> None:
    question = "estimate E[vit.class[0, softmax]], E[vit.class[0, logit]], E[vit.class[0, score]] on photos"
    assert [e.unit for e in ask(folder, question).estimates] == ["probability", "logit", ""]


@pytest.mark.parametrize(
    ("code", "question"),
    [
        ("CQ490", 'estimate E[vit.class["cat"]] on photos'),
        ("CQ491", 'estimate E[vit.class["cow", softmax]] on photos'),
        ("CQ491", "estimate E[vit.class[3, softmax]] on photos"),
        ("CQ491", 'estimate E[vit.class[["cat", "dog"], softmax]] on photos'),
        ("CQ491", "estimate E[vit.class[row.image, softmax]] on photos"),
        ("CQ211", 'estimate E[vit.class["cat", softmax] @ last] on photos'),
        ("CQ215", 'estimate E[row.number | do(vit.class["cat", softmax] = 0)] on photos'),
        ("CQ312", 'estimate E[vit.class["cat", logit]] - E[other.class["cat", logit]] on photos'),
        ("CQ311", 'estimate E[vit.class["cat", logit]] - E[vit.class["cat", softmax]] on photos'),
        ("CQ498", "estimate E[vit.similarity] on photos"),
    ],
)
def test_refused(folder: Path, code: str, question: str) -> None:
    other = 'model other = hf("./vit")\n'
    assert refused(folder, question, HEAD + other) == {code}


def test_what_a_config_says() -> None:
    kind = ["ViTForImageClassification"]
    assert classes_of({"architectures": kind, "id2label": {"1": "b", "0": "a"}}) == Classes(("a", "b"), None)
    assert classes_of({"architectures": kind}) == Classes(("LABEL_0", "LABEL_1"), None)
    single = {"architectures": kind, "problem_type": "single_label_classification", "num_labels": 3}
    assert classes_of(single) == Classes(("LABEL_0", "LABEL_1", "LABEL_2"), "softmax")
    assert classes_of({"architectures": ["BertForMaskedLM"], "id2label": {"0": "a"}}) is None
    assert classes_of({"architectures": ["BertForTokenClassification"]}) is None


def test_a_label_of_two_classes_is_asked_for_by_number() -> None:
    assert Classes(("x", "x", "y"), None).numbers("x") == (0, 1)
    assert Classes(("x", "x", "y"), None).numbers(2) == (2,)


def test_a_model_of_images_alone_runs_from_the_command_line(folder: Path) -> None:
    (folder / "photos.cq").write_text(
        'model vit = hf("./vit")\ndata photos = jsonl("./photos.jsonl")\n'
        'estimate E[vit.class["cat", softmax] | do(vit.image = row.other)] - E[vit.class["cat", softmax]] on photos\n'
    )
    command = [sys.executable, "-m", "causalcircuit", "run", "photos.cq", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [
        float((seen(folder, r["other"]).softmax(-1) - seen(folder, r["image"]).softmax(-1))[0])
        for r in rows(folder, "photos.jsonl")
    ]
    (estimate,) = json.loads(done.stdout)["estimates"]
    assert estimate["value"] == pytest.approx(sum(said) / len(said), abs=1e-5)
