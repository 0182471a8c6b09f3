"""A circuit as one HTML file: no network, no fonts or scripts but its own."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.typical import TypicalRow
from causalcircuit.report.graph.images import PageImage, seen_image
from causalcircuit.report.graph.payload import payload
from causalcircuit.report.safe import clean

SCRIPTS = (
    "model", "numbers", "order", "layout", "along", "pens", "paint", "stage", "curve",
    "inspector", "table", "keys", "export", "main",
)  # fmt: skip
"""In the order in which they are joined."""


def page(
    circuit: Circuit, *, title: str | None = None, images: Sequence[PageImage] = (), row: TypicalRow | None = None
) -> str:
    """A circuit as a page that draws itself; the same circuit always gives the same text.

    Args:
        circuit: what to show. title: its heading, the circuit's name if not given.
        images: what towers see; their patches become a grid.
        row: one row of the data, whose tokens and images stand where `circuit` and `images` name none.
    """
    if row is not None and not images:
        images = [seen_image(i) for i in row.images]
    heading = clean(circuit.name if title is None else title)
    style, script = _asset("style.css"), _script()
    parts = {
        "csp": f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "title": html.escape(heading[:200]),
        "style": style,
        "script": script,
        "data": in_script(payload(circuit, heading, images, row)),
    }
    pieces = _asset("page.html").split("@@")
    # Odd pieces are names: what is filled in is never searched again, whatever stands in it.
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def write(path: Path | str, circuit: Circuit, *, title: str | None = None, images: Sequence[PageImage] = ()) -> None:
    """Write the page of a circuit to a file.

    Raises:
        OSError: it cannot be written.
    """
    Path(path).write_text(page(circuit, title=title, images=images), encoding="utf-8")


def in_script(content: Any) -> str:
    """JSON that nothing can end before its time: no letter in it means anything to HTML."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


@cache
def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    """The scripts in one closure, so that they see each other and nobody else does."""
    return '\n(() => {\n"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
