"""Pictures from outside made anew: what is kept is pixels, and nothing else that the file held."""

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_BYTES = 512 * 1024
MAX_SIDE = 512
MAX_PIXELS = 16_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


class PictureRefused(ValueError):
    """The file is no picture that can be shown; the message says what would do."""


def clean_picture(data: bytes, *, max_side: int = MAX_SIDE) -> bytes:
    """A PNG of our own making, at most `max_side` pixels a side.

    Takes PNG, JPEG, WebP or GIF (its first frame) up to 512 KB and 16 million pixels; raises PictureRefused otherwise.
    The size is read from the header before any pixel is unpacked, so that a small file cannot fill the memory.
    """
    if len(data) > MAX_BYTES:
        raise PictureRefused("The picture may have at most 512 KB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                return _png(picture, max_side)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureRefused("The picture must be a PNG, JPEG, WebP or GIF of normal size.") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, OverflowError):  # Pillow's words for damaged files
        raise PictureRefused("The picture is damaged.") from None


def _png(picture: Image.Image, max_side: int) -> bytes:
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError()
    picture.thumbnail((max_side * 2, max_side * 2))
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    upright.thumbnail((max_side, max_side))
    bare = Image.new("RGBA", upright.size)
    bare.paste(upright)
    out = io.BytesIO()
    bare.save(out, "PNG", optimize=True)
    return out.getvalue()
