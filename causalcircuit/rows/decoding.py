"""Image files from anywhere, read with care: of known formats, of one picture, upright, within bounds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow reads more, some of it by starting other programs (EPS).
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
_MOST = 2**29  # bytes of a file; what it unfolds to is bounded by Pillow
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


class PictureError(ValueError):
    """An image file that is not read, with the reason."""


def read_picture(path: Path) -> Image:
    """The whole picture, upright: turned as its Exif data says, as every viewer shows it.

    Raises:
        PictureError: it cannot be read, or is an animation, or has more than 8 bits a channel.
    """
    from PIL import ImageOps

    with _opened(path) as picture:
        picture.load()
        if picture.mode.startswith(("I", "F")):
            # Pillow would clip these to 8 bits: nearly all of such a picture becomes white.
            raise PictureError("more than 8 bits a channel, as a processor of images does not take them")
        return ImageOps.exif_transpose(picture).copy()


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of the picture, upright, without decoding it.

    Raises:
        PictureError: it cannot be opened, or is an animation.
    """
    with _opened(path) as picture:
        # A PNG would be decoded to look for it at its end; a TIFF says its size as it is turned.
        known = picture.format not in ("PNG", "TIFF") or (picture.format == "PNG" and "exif" in picture.info)
        turned = known and picture.getexif().get(_ORIENTATION) in _TURNED
        return (picture.height, picture.width) if turned else picture.size


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    from PIL import Image  # its import costs as much as the rest of a small check

    try:
        if not path.is_file():
            raise PictureError("it is no file")  # a pipe would be waited for
        size = path.stat().st_size
        if size > _MOST:
            raise PictureError(f"it has {size} bytes, and {_MOST} are the most that is read")
        with warnings.catch_warnings():
            # A picture of absurd size is refused, not decoded.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.init()
            with Image.open(path, formats=[f for f in _FORMATS if f in Image.OPEN]) as picture:
                # A telephone's JPEG (MPO) holds its preview as a second picture: it is the first that is meant.
                if picture.format != "MPO" and getattr(picture, "is_animated", False):
                    frames = getattr(picture, "n_frames", 0)
                    raise PictureError(f"it holds {frames} pictures, and which of them is meant is not said")
                yield picture
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("it does not fit the memory") from None
    except (Exception, Warning) as problem:  # Pillow raises whatever the parts of a broken file make it raise
        raise PictureError(str(problem) or type(problem).__name__) from None
