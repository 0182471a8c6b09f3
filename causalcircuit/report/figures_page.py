"""Pictures on a page without script: heat maps of sweeps, values over images."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence

from causalcircuit.query import Result
from causalcircuit.report.safe import clean
from causalcircuit.report.saliency import heat_scene
from causalcircuit.report.scene import scene
from causalcircuit.report.svg import STYLE, svg

_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;padding:16px;background:#fff}"
    "svg{display:block;max-width:100%;height:auto;margin:0 0 24px}"
    "@media (prefers-color-scheme: dark){body{background:#14171d}}"
    "@media print{svg{break-inside:avoid}}"
)


def figures_page(title: str, drawn: Sequence[str]) -> str:
    """SVGs below each other in one file that needs no other.

    Args:
        title: of the page. drawn: what `svg` has written.
    """
    digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in (_STYLE, STYLE))
    styles = " ".join(f"'sha256-{d}'" for d in digests)
    policy = f"default-src 'none'; style-src {styles}; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(clean(title))}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(drawn)
        + "</body></html>\n"
    )


def heat_maps(result: Result) -> str | None:
    """The heat maps of all sweeps, images and texts of a result on one page; `None` where there are none."""
    scenes = [*(scene(s) for s in result.shown if s.panels), *(heat_scene(m) for m in result.maps)]
    if not scenes:
        return None
    title = scenes[0].title if len(scenes) == 1 else f"{len(scenes)} heat maps"
    return figures_page(title, [svg(s) for s in scenes])
