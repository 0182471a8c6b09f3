"""Images that come from outside: read by Pillow, drawn anew, so that nothing but pixels comes along."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import error

if TYPE_CHECKING:
    from PIL.Image import Image


def opened(content: bytes | Image) -> Image:
    """The pixels of an image, as RGB.

    Raises:
        DiagnosticError: CQ781, they are no image that Pillow reads.
    """
    from PIL import Image as images  # noqa: N813 - Pillow is loaded only where an image is drawn

    try:
        found = images.open(BytesIO(content)) if isinstance(content, bytes) else content
        return found.convert("RGB")
    except (OSError, SyntaxError, ValueError, images.DecompressionBombError) as problem:
        raise error(
            "CQ781", f"the image of a picture cannot be read: {problem}", help="give PNG, JPEG, or a Pillow image"
        ) from None


def shrunk(content: bytes | Image, largest: int) -> Image:
    """An image whose longer side has at most `largest` pixels.

    Raises:
        DiagnosticError: CQ781, it is none.
    """
    image = opened(content)
    share = largest / max(image.size)
    if share >= 1:
        return image
    return image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))))


def as_png(image: Image) -> bytes:
    """An image as a file."""
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def as_url(png: bytes) -> str:
    """A PNG within a page or an SVG."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
