"""The pictures of docs/circuits-pictures.md: `python -m tests.report.graph.screenshots` draws them anew."""

import base64
import json
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from causalcircuit.report.graph import page
from causalcircuit.report.overlay import overlay
from tests.report.graph import circuits as made
from tests.report.graph.browser import Browser
from tests.report.graph.test_browser import CAUGHT, node

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
GRID = [[0.02, 0.11, 0.05, 0.01], [0.08, 0.77, 0.64, 0.12], [0.04, 0.42, -0.28, 0.06], [0.0, 0.03, 0.02, -0.05]]


def main() -> None:
    """Write them."""
    with tempfile.TemporaryDirectory() as name, Browser(Path(name), (1280, 900)) as b:
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


if __name__ == "__main__":
    main()
