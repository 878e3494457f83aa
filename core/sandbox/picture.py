"""Read a foreign picture: upright, in sRGB, 8 bits. Runs in the child process (`core.sandbox`) only."""

import io
import math
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from core.errors import BadInput
from core.media.info import Limits, MediaInfo
from core.sandbox.coded import coded_colours, converted
from core.sandbox.fit import GREY
from core.sandbox.reader import signature

_LEAST = 16
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF", "JPEG2000")
_TELEPHONES = 50_000_000  # pixels: 8064x6048 is the most they take
_REMEDY = "save it again as JPEG or PNG"
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, OverflowError, ImageCms.PyCMSError)
"""What Pillow's decoders raise for broken files."""


def open_picture(path: Path, limits: Limits, most: int | None = None) -> Image.Image:
    """The picture, not decoded yet. Raises BadInput if it is too large, or no picture.

    most: pixels of the longer side that are enough. A large JPEG is decoded at half its size, or less.
    """
    Image.MAX_IMAGE_PIXELS = None  # ours are checked below, and by side too
    if find_spec("pi_heif") is not None:  # it has no wheel for some platforms
        import_module("pi_heif").register_heif_opener(thumbnails=False)
    try:
        picture = Image.open(path, formats=_FORMATS)
        width, height = picture.size
        if picture.format == "HEIF":  # cannot be decoded at half its size, as a JPEG can
            limits = replace(limits, pixels=max(limits.pixels, _TELEPHONES))
        if (over := _over(picture.size, limits)) > 1:
            shrink = 2 ** math.ceil(math.log2(over))
            picture.draft("RGB", (width // shrink, height // shrink))
        elif most is not None:
            picture.draft("RGB", (most, most))
    except _BROKEN as error:
        if path.read_bytes()[4:8] == b"ftyp":
            message = f"{path.name} is a HEIF or AVIF picture that cannot be read; {_REMEDY}"
            raise BadInput("unsupported", message) from error
        raise damaged(path, error) from error
    if _over(picture.size, limits) > 1:
        raise BadInput(
            "image_too_large",
            f"{path.name} is {width}x{height}; a picture may have {limits.side} pixels a side and "
            f"{limits.pixels / 1e6:.0f} million in all; make it smaller",
        )
    return picture


def _over(size: tuple[int, int], limits: Limits) -> float:
    """How many times too long the sides are; at 1 or less they are not."""
    return max(max(size) / limits.side, math.sqrt(size[0] * size[1] / limits.pixels))


def damaged(path: Path, why: BaseException) -> BadInput:
    """What to raise for a picture that cannot be decoded."""
    told = why.strerror or "it breaks off or is damaged" if isinstance(why, OSError) else type(why).__name__
    return BadInput("malformed_media", f"{path.name} is damaged or incomplete ({told}); {_REMEDY}")


def picture_info(path: Path, limits: Limits) -> MediaInfo:
    """What the picture is. frames: more than one if it is animated, or has pages."""
    with open_picture(path, limits) as picture:
        width, height = picture.size
        try:
            # EXIF orientation: lying on its side. Of a TIFF Pillow gives the upright size.
            if picture.format != "TIFF" and picture.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
            frames = getattr(picture, "n_frames", 1)
        except _BROKEN as error:
            raise damaged(path, error) from error
    return MediaInfo("image", width, height, 0.0, 0.0, 1 if picture.format == "MPO" else frames, None)


def read_upright(path: Path, limits: Limits, most: int | None = None) -> Image.Image:
    """The picture, or the first of several, as RGB or RGBA. Raises BadInput for one that is damaged."""
    picture = open_picture(path, limits, most)
    try:
        upright = ImageOps.exif_transpose(picture)
        if most is not None and upright.mode not in ("P", "1") and not upright.mode.startswith(("I", "F")):
            upright.thumbnail((most, most), Image.Resampling.LANCZOS)
        profile = picture.info.get("icc_profile")
        coded = coded_colours(path, profile)
        ours = _in_srgb(_eight_bits(upright), None if coded else profile)
        return converted(ours, coded) if coded else ours
    except _BROKEN as error:
        raise damaged(path, error) from error


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The same in a mode of eight bits; Pillow would cut larger numbers off at 255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.nan_to_num(np.asarray(picture).astype(np.float64))
    clear = picture.info.get("transparency")
    top = 1.0 if picture.mode == "F" and values.max() <= 1 else 255.0 if values.max() <= 255 else 65535.0
    top = max(top, float(values.max()) if picture.mode in ("I", "F") else top)
    grey = Image.fromarray((values.clip(0, top) * (255 / top)).astype(np.uint8))
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(np.asarray(picture) == clear, 0, 255).astype(np.uint8)))
    return grey


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The same as RGB or RGBA, its colours converted from those of its profile."""
    wanted = "RGBA" if picture.has_transparency_data else "RGB"
    if picture.mode in ("P", "PA", "LA", "La", "RGBa", "1"):
        picture = picture.convert(wanted)
    if profile:
        try:
            theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
            solid = picture.convert("RGB") if alpha else picture
            ours = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(solid, theirs, ours, outputMode="RGB")
            if converted is not None:
                if alpha:
                    converted.putalpha(alpha)
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that is damaged, or of another kind of picture: as every viewer, without it
    return picture.convert(wanted)


def opaque(picture: Image.Image) -> NDArray[np.uint8]:
    """The picture on grey, uint8 (h, w, 3) RGB."""
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, (GREY, GREY, GREY, 255))
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    return np.asarray(picture)


def read_pixels(path: Path, most: int, limits: Limits) -> NDArray[np.uint8]:
    """See `core.media.foreign.read_picture`."""
    if signature(path) != "picture":
        raise BadInput(
            "not_a_picture",
            f"{path.name} is not a picture; expected JPEG, PNG, HEIC, AVIF, WebP, TIFF, BMP or GIF",
            "image",
        )
    width, height = open_picture(path, limits).size
    if min(width, height) < _LEAST:
        raise BadInput(
            "image_too_small",
            f"{path.name} is {width}x{height}; a background is at least {_LEAST}x{_LEAST}",
            "image",
        )
    picture = read_upright(path, limits, most)
    picture.thumbnail((most, most), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(picture.convert("RGBA"))[..., [2, 1, 0, 3]])
