"""An uploaded logo, re-encoded: what is kept is pixels and nothing else that the file held."""

import io

from PIL import Image, UnidentifiedImageError

MAX_BYTES = 1024 * 1024
MAX_SIDE = 512
MAX_PIXELS = 20_000_000


class LogoUnreadable(Exception):
    """The upload is no usable picture; the message says what would be."""


def as_png(upload) -> bytes:
    """PNG bytes of at most 512 pixels a side. Raises LogoUnreadable."""
    if upload.size > MAX_BYTES:
        raise LogoUnreadable("The file may be 1 MiB at most.")
    try:
        with Image.open(upload, formats=("PNG", "JPEG", "WEBP")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise LogoUnreadable("The picture has too many pixels.")
            small = picture.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise LogoUnreadable("This is not a PNG, JPEG or WebP picture.") from None
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()
