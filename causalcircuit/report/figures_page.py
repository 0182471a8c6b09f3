"""Pictures on a page without script: heat maps of sweeps, values over images."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence

from causalcircuit.query import Result
from causalcircuit.report.safe import clean
from causalcircuit.report.saliency import heat_scene
from causalcircuit.report.scene import Rect, Scene, scene
from causalcircuit.report.svg import STYLE, svg

_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;padding:16px;background:#fff}"
    "figure{margin:0 0 24px;overflow-x:auto;break-inside:avoid}svg{display:block;max-width:max(100%,860px);height:auto}"
    "details{font:13px/1.5 system-ui,sans-serif;margin:0 0 24px 24px;color:#444}summary{cursor:pointer}"
    "@media (prefers-color-scheme: dark){body{background:#14171d}details{color:#b6bcc8}}"
    "@media print{svg{max-width:100%}details{display:none}}"
)
_MOST = 5000
"""Numbers that a page lists of one picture."""


def figures_page(title: str, scenes: Sequence[Scene]) -> str:
    """Pictures below each other in one file that needs no other, each with its numbers as text.

    Args:
        title: of the page. scenes: the pictures.
    """
    drawn = [f'<figure tabindex="0">{svg(s)}</figure>{_numbers(s)}' for s in scenes]
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


def _numbers(scene: Scene) -> str:
    """What a pointer on the picture is told, for those who use none."""
    told = list(dict.fromkeys(p.told for p in scene.parts if isinstance(p, Rect) and p.told))[:_MOST]
    if not told:
        return ""
    items = "".join(f"<li>{html.escape(t)}</li>" for t in told)
    return f"<details><summary>The numbers of {html.escape(scene.title)}</summary><ul>{items}</ul></details>"


def heat_maps(result: Result) -> str | None:
    """The heat maps of all sweeps, images and texts of a result on one page; `None` where there are none."""
    scenes = [*(scene(s) for s in result.shown if s.panels), *(heat_scene(m) for m in result.maps)]
    if not scenes:
        return None
    title = scenes[0].title if len(scenes) == 1 else f"{len(scenes)} heat maps"
    return figures_page(title, scenes)
