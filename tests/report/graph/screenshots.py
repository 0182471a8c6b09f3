"""The pictures of docs/circuits-pictures.md: `python -m tests.report.graph.screenshots` draws them anew.

All but one are of made-up circuits; the heat maps are those of the shipped captioner.
"""

import base64
import json
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from causalcircuit.check import check_text
from causalcircuit.report.graph import page
from causalcircuit.report.overlay import overlay
from causalcircuit.report.saliency import heat_scene
from causalcircuit.report.svg import svg
from causalcircuit.runs import run_program
from tests.report.graph import circuits as made
from tests.report.graph.browser import Browser
from tests.report.graph.test_browser import CAUGHT, node

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
GRID = [[0.02, 0.11, 0.05, 0.01], [0.08, 0.77, 0.64, 0.12], [0.04, 0.42, -0.28, 0.06], [0.0, 0.03, 0.02, -0.05]]
CAPTIONER = """
model cap = hf("./models/captioner")
data scenes = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure sample 60 seed 1
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
node Seen = cap.encoder.layer[1].resid @ all
let kitchen = do(cap.image = row.kitchen)
let office = do(cap.image = row.office)
show saliency(W, at = Seen, from = office, to = kitchen, inside = row.background_mask) on scenes as overlay
"""


def main() -> None:
    """Write them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, Browser(Path(name), (1280, 900)) as b:
        path = Path(name) / "c.html"
        path.write_text(page(made.with_positions()), encoding="utf-8")
        b.open(path)
        saved = base64.b64decode(b.run(CAUGHT % json.dumps("#as-svg")))
        (FOLDER / "circuit.svg").write_bytes(saved)
        path.write_text(page(made.seeing(), images=(made.PHOTO,)), encoding="utf-8")
        b.open(path)
        b.key("p")
        b.click(node("head 4 of layer 2, at 18"))
        b.move(4, 500)
        b.settle()
        shot = Image.open(BytesIO(b.screenshot())).convert("RGB").quantize(255)
        shot.save(FOLDER / "circuit-page.png", optimize=True)
    laid = overlay(made.photo(), GRID, title='what the answer " cat" rests on', unit="logit")
    (FOLDER / "patches.svg").write_text(laid.svg(), encoding="utf-8")
    (maps,) = run_program(check_text(CAPTIONER, folder=FOLDER.parents[1] / "examples"), keep="off").maps
    (FOLDER / "saliency.svg").write_text(svg(heat_scene(maps)), encoding="utf-8")


if __name__ == "__main__":
    main()
