"""Heat maps against plain hooks and numpy, against exact patching of patches, and on maps that can be told by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoTokenizer, VisionEncoderDecoderModel

import causalcircuit as cq
from causalcircuit import do, last, row
from causalcircuit.attribution.saliency import published, signed
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.saliency import HeatMaps
from causalcircuit.rows import load
from causalcircuit.runs import check, run_program

EXAMPLES = Path(__file__).parents[2] / "examples"
CAPTIONER = f"""
model cap = hf("{EXAMPLES}/models/captioner") with dtype = float64
data scenes = jsonl("{EXAMPLES}/data/scenes.jsonl") with prefix = "a" cluster row.figure sample 24 seed 3
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
node Out = cap.encoder.layer[0].resid @ all
let kitchen = do(cap.image = row.kitchen)
let office = do(cap.image = row.office)
"""


def maps_of(text: str) -> tuple[HeatMaps, ...]:
    return run_program(check_text(text, folder=EXAMPLES), keep="off").maps


def rows_of(text: str):
    return load(next(iter(check_text(text + "estimate E[W | kitchen] on scenes", folder=EXAMPLES).data.values())))


def by_hooks(images: list[Path]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Activations behind the encoder's first block and the readout's gradient there, patches only, by plain torch."""
    net = VisionEncoderDecoderModel.from_pretrained(EXAMPLES / "models/captioner", dtype=torch.float64).eval()
    words = AutoTokenizer.from_pretrained(EXAMPLES / "models/captioner")
    woman, man = (words.convert_tokens_to_ids(w) for w in ("woman", "man"))
    a, g = [], []
    for path in images:
        pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float64).transpose(2, 0, 1) / 255
        kept: list[torch.Tensor] = []

        def keep(_module, _args, out, kept=kept):
            new = (out[0] if isinstance(out, tuple) else out).detach().requires_grad_()
            kept.append(new)
            return (new, *out[1:]) if isinstance(out, tuple) else new

        blocks = next(m for n, m in net.encoder.named_modules() if n.endswith(("layers", "layer")) and len(m) == 2)
        handle = blocks[0].register_forward_hook(keep)
        ids = torch.tensor([[net.config.decoder_start_token_id, words.convert_tokens_to_ids("a")]])
        logits = net(pixel_values=torch.from_numpy((pixels - 0.5) / 0.5)[None], decoder_input_ids=ids).logits[0, -1]
        handle.remove()
        (grad,) = torch.autograd.grad(logits[woman] - logits[man], kept[0])
        a.append(kept[0].detach()[0, 1:].numpy())
        g.append(grad[0, 1:].numpy())
    return a, g


def test_the_published_form_is_what_hooks_and_numpy_give() -> None:
    (maps,) = maps_of(CAPTIONER + "show saliency((W | kitchen), at = Out) on scenes as overlay")
    data = rows_of(CAPTIONER)
    images = [data.resolve(p) for p in data.column("kitchen")]
    beyond = seen = 0
    for r, a, g in zip(maps.rows, *by_hooks(images), strict=True):
        total = a.sum(0)
        heat = np.zeros(len(a))
        weights = np.zeros(a.shape[1])
        for d in range(a.shape[1]):
            for p in range(len(a)):
                if g[p, d] > 0:
                    alpha = g[p, d] ** 2 / (2 * g[p, d] ** 2 + abs(g[p, d] ** 3 * total[d]))
                    assert 0 < alpha <= 0.5
                    weights[d] += alpha * g[p, d]
                    seen += 1
                    beyond += total[d] < 0
        for p in range(len(a)):
            heat[p] = max(0.0, float(weights @ a[p]))
        # float64; the images of the reference are normalised by hand, the model's own processor works in float32
        np.testing.assert_allclose(r.values, heat, atol=1e-5 * max(heat.max(), 1e-9), rtol=1e-5)
    assert maps.guarded == pytest.approx(beyond / seen, abs=1e-3)
    np.testing.assert_allclose(maps.mean, np.mean([r.values for r in maps.rows], axis=0), rtol=1e-12)
    assert not maps.signed
    assert maps.grid == (4, 4)


def test_the_signed_form_is_what_hooks_and_numpy_give() -> None:
    (maps,) = maps_of(CAPTIONER + "show saliency(W, at = Out, from = office, to = kitchen) on scenes")
    data = rows_of(CAPTIONER)
    a0, g = by_hooks([data.resolve(p) for p in data.column("office")])
    a1, _ = by_hooks([data.resolve(p) for p in data.column("kitchen")])
    for r, x0, x1, gr in zip(maps.rows, a0, a1, g, strict=True):
        delta = x1 - x0
        heat = (2 * gr * delta / (2 + np.abs(gr * delta.sum(0)))).sum(1)
        np.testing.assert_allclose(r.values, heat, atol=1e-5 * np.abs(heat).max(), rtol=1e-4)
    assert maps.signed


def test_the_background_is_lit_where_the_change_is_and_patching_says_so_too() -> None:
    text = (
        CAPTIONER + "show saliency(W, at = Out, from = office, to = kitchen, inside = row.background_mask) on scenes\n"
    )
    text += "let one(A) = E[W | office, do(A = (A | kitchen))] - E[W | office]\n"
    text += "".join(f"node P{k} = cap.encoder.layer[0].resid @ image[{k}]\n" for k in range(16))
    text += "".join(f"estimate one(P{k}) on scenes\n" for k in range(16))
    result = run_program(check_text(text, folder=EXAMPLES), keep="off")
    (maps,) = result.maps
    exact = np.array([e.value for e in result.estimates])
    assert np.corrcoef(exact, np.array(maps.mean))[0, 1] > 0.95
    assert maps.lit is not None
    assert maps.lit.interval is not None
    assert maps.lit.interval.low > maps.lit.area + 0.2
    # By hand, from the values of the rows: the same share, and cluster-robust errors are not those of rows.
    shares = [r.inside for r in maps.rows]
    assert maps.lit.share == pytest.approx(np.mean(shares))
    assert all(r.area is not None and 0 < r.area < 1 for r in maps.rows)


def test_weights_of_rows_enter_the_mean(tmp_path: Path) -> None:
    import json

    lines = [json.loads(x) for x in (EXAMPLES / "data/scenes.jsonl").read_text().splitlines()[:4]]
    for k, _ in enumerate(lines):
        lines[k] |= {n: str(EXAMPLES / "data" / lines[k][n]) for n in ("kitchen", "office", "background_mask")} | {
            "w": k
        }
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    text = CAPTIONER.replace(
        f'jsonl("{EXAMPLES}/data/scenes.jsonl") with prefix = "a" cluster row.figure sample 24 seed 3',
        f'jsonl("{tmp_path}/d.jsonl") with prefix = "a" weight row.w',
    )
    (maps,) = maps_of(text + "show saliency((W | kitchen), at = Out, inside = row.background_mask) on scenes")
    wanted = np.average([r.values for r in maps.rows], axis=0, weights=[0, 1, 2, 3])
    np.testing.assert_allclose(maps.mean, wanted, rtol=1e-12)
    assert maps.lit is not None
    assert maps.lit.share == pytest.approx(np.average([r.inside for r in maps.rows], weights=[0, 1, 2, 3]))


def test_tokens_of_a_text() -> None:
    text = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi") with dtype = float64
data ioi = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names sample 5 seed 1
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
show saliency(LD, at = gpt2.layer[0].resid @ all) on ioi
show saliency(LD, at = gpt2.layer[0].resid @ all, from = do(gpt2.input = row.corrupt)) on ioi as overlay
"""
    plain, contrast = maps_of(text)
    data = load(next(iter(check_text(text + "estimate E[LD] on ioi").data.values())))
    net = AutoModelForCausalLM.from_pretrained(EXAMPLES / "models/ioi", dtype=torch.float64).eval()
    words = AutoTokenizer.from_pretrained(EXAMPLES / "models/ioi")
    for i, r in enumerate(plain.rows):
        assert "".join(r.tokens) == data.column("clean")[i]
        kept: list[torch.Tensor] = []

        def keep(_module, _args, out, kept=kept):
            new = (out[0] if isinstance(out, tuple) else out).detach().requires_grad_()
            kept.append(new)
            return (new, *out[1:]) if isinstance(out, tuple) else new

        handle = net.transformer.h[0].register_forward_hook(keep)
        logits = net(**words(data.column("clean")[i], return_tensors="pt")).logits[0, -1]
        handle.remove()
        io, subj = (words(data.column(c)[i], add_special_tokens=False)["input_ids"][0] for c in ("io", "subj"))
        (grad,) = torch.autograd.grad(logits[io] - logits[subj], kept[0])
        np.testing.assert_allclose(r.values, published(kept[0].detach()[0], grad[0]).numpy(), atol=1e-9)
        # What differs between the prompts is what the signed map is not 0 at, or what attention brings there.
        changed = [k for k, (a, b) in enumerate(zip(*(words(data.column(c)[i])["input_ids"] for c in
                                                      ("clean", "corrupt")), strict=True)) if a != b]  # fmt: skip
        assert not any(contrast.rows[i].values[: min(changed)])
        assert contrast.rows[i].values[min(changed)]
    assert contrast.worlds == ("do(gpt2.input = row.corrupt)", "do()")


def test_forms_by_hand() -> None:
    a = torch.tensor([[1.0, -3.0], [2.0, 1.0]], dtype=torch.float64)
    g = torch.tensor([[0.5, 1.0], [-1.0, 0.25]], dtype=torch.float64)
    # Component 0: Σa = 3, only g = .5 is above 0, α = 1 / (2 + 1.5). Component 1: Σa = -2, g = 1 and .25; the published
    # α of the first has its pole there, guarded it is 1 / (2 + 2); of the second 1 / (2 + .5).
    w = (0.5 / 3.5, 1 / 4 + 0.25 / 2.5)
    wanted = [max(0.0, w[0] * 1 - 3 * w[1]), 2 * w[0] + w[1]]
    assert published(a, g).tolist() == pytest.approx(wanted)
    found = signed(a, g)
    assert found[0].item() == pytest.approx(2 * (0.5 / (2 + 1.5) - 3 / (2 + 2)))
    assert found[1].item() == pytest.approx(2 * (-2 / (2 + 3) + 0.25 / (2 + 0.5)))
    # Where changes are small, the signed form is the slope: it adds up to the change of a linear readout.
    assert signed(1e-6 * a, g).sum().item() == pytest.approx(1e-6 * (a * g).sum().item(), rel=1e-5)


def test_no_gradient_is_said(tmp_path: Path) -> None:
    text = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi")
data ioi = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean sample 2 seed 1
node LD = gpt2.logit[row.io] @ first
show saliency(LD - LD, at = gpt2.layer[1].resid @ all) on ioi
"""
    with pytest.raises(DiagnosticError) as found:
        maps_of(text)
    assert found.value.diagnostics[0].code == "CQ785"


def test_a_mask_of_a_text_is_refused() -> None:
    text = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi")
data ioi = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean sample 2 seed 1
node LD = gpt2.logit[row.io] @ last
show saliency(LD, at = gpt2.layer[0].resid @ all, inside = row.io) on ioi
"""
    with pytest.raises(DiagnosticError) as found:
        maps_of(text)
    assert found.value.diagnostics[0].code == "CQ784"


def test_python_builds_the_same_maps_as_the_example() -> None:
    program = check(EXAMPLES / "saliency.cq")
    result = run_program(program, keep="off")
    assert [m.signed for m in result.maps] == [True, False]
    cap = cq.model(str(EXAMPLES / "models/captioner"), name="cap")
    scenes = cq.data(EXAMPLES / "data/scenes.jsonl", prefix="a", cluster=row.figure, sample=60, seed=1)
    woman, man = (cap.logit[w] @ last for w in ("woman", "man"))
    kitchen, office = (do({cap.image: c}) for c in (row.kitchen, row.office))
    seen = cap.encoder.layer[1].resid @ cq.all
    ours = cq.saliency(woman - man, at=seen, on=scenes, start=office, end=kitchen, inside=row.background_mask)
    assert ours.rows == result.maps[0].rows
    assert ours.lit == result.maps[0].lit
    assert cq.saliency((woman - man) | kitchen, at=seen, on=scenes).mean == result.maps[1].mean
