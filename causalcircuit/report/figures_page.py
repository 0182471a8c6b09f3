"""Pictures on a page without script: heat maps of sweeps, values over images."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence

from causalcircuit.query import Result
from causalcircuit.report.safe import clean
from causalcircuit.report.scene import scene
from causalcircuit.report.svg import svg

_STYLE = "body{margin:0;padding:16px;background:#fff}svg{display:block;max-width:100%;height:auto;margin:0 0 24px}"


def figures_page(title: str, drawn: Sequence[str]) -> str:
    """SVGs below each other in one file that needs no other.

    Args:
        title: of the page. drawn: what `svg` has written.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(clean(title))}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(drawn)
        + "</body></html>\n"
    )


def heat_maps(result: Result) -> str | None:
    """The heat maps of all sweeps of a result on one page; `None` where there are none."""
    shown = [s for s in result.shown if s.panels]
    if not shown:
        return None
    title = shown[0].name if len(shown) == 1 else f"{len(shown)} heat maps"
    return figures_page(title, [svg(scene(s)) for s in shown])
