"""How fast the page of a large circuit is in headless Chromium: `python -m benchmarks.circuit_page`.

Opened anew each time: from navigation until the first picture stands. A slider move and a hover: from the event until
a frame with what it changed has been handed over, two turns of `requestAnimationFrame`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from causalcircuit.report.graph import page
from tests.report.graph.browser import Browser
from tests.report.graph.circuits import large

OPENED, MOVES = 7, 20
TIMED = """(async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  const began = performance.now();
  %s;
  await frame(); await frame();
  return performance.now() - began;
})()"""
SLIDE = TIMED % "const s = document.getElementById('size'); s.value = %d; s.dispatchEvent(new Event('input'))"
ENTER = (
    TIMED
    % "document.querySelectorAll('#nodes button')[%d].dispatchEvent(new PointerEvent('pointerover', { bubbles: true }))"
)
OVER = TIMED % (
    "document.getElementById('stage').dispatchEvent(new PointerEvent('pointermove',"
    " { bubbles: true, clientX: %d, clientY: %d }))"
)
PIN = TIMED % "document.querySelectorAll('#nodes button')[%d].click()"


def main() -> None:
    """Print medians and the slowest of each."""
    circuit = large()
    began = time.perf_counter()
    text = page(circuit)
    print(f"written in {time.perf_counter() - began:.2f} s, {len(text.encode()) / 1e6:.2f} MB")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, Browser(Path(name)) as browser:
        path = Path(name) / "large.html"
        path.write_text(text, encoding="utf-8")
        for fragment in ("", "#size=5000"):
            first = []
            for _ in range(OPENED):
                browser.open(path, fragment)
                first.append(browser.run("circuitTimings.first"))
            told("opened" + (", all 5,000 edges" if fragment else ", its 200 strongest edges"), first)
        told("nothing changed: two empty frames", [browser.run(TIMED % "0") for _ in range(MOVES)])
        told("slider, about 5,000 edges", [browser.run(SLIDE % (1000 - 3 * (k % 2))) for k in range(1, MOVES + 1)])
        browser.run("new Promise((done) => setTimeout(done, 600))")
        told("slider, about 200 edges", [browser.run(SLIDE % (622 + 3 * (k % 2))) for k in range(1, MOVES + 1)])
        browser.run(SLIDE % 1000)
        told("hover over a node, 5,000 edges", [browser.run(ENTER % (23 * k + 3)) for k in range(MOVES)])
        told(
            "pointer over edges, 5,000 edges",
            [browser.run(OVER % (250 + 31 * k, 460 + 7 * (k % 5))) for k in range(MOVES)],
        )
        browser.run("new Promise((done) => setTimeout(done, 600))")
        told("pin a node, 5,000 edges", [browser.run(PIN % (23 * k + 3)) for k in range(MOVES)])


def told(what: str, times: list[float]) -> None:
    """One line."""
    if times:
        print(f"{what:52} median {statistics.median(times):6.1f} ms, slowest {max(times):6.1f} ms, of {len(times)}")


if __name__ == "__main__":
    main()
