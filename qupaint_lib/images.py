"""Reading micrographs: bounded, 8- or 16-bit RGB, and the public development images by name."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from qupaint_lib.errors import ImageError, QuPaintError, UnknownNameError

MAX_PIXELS = 150_000_000  # a 100-megapixel stitch passes, a decompression bomb does not
MAX_BYTES = 64_000_000  # of a file that is handed over in memory, as by a browser
MAX_PAGES = 10_000  # of a TIFF: a file of 64 MB can hold millions of empty ones
MICROGRAPHS_VARIABLE = "QUPAINT_MICROGRAPHS"
MICROGRAPHS_URL = (
    "https://raw.githubusercontent.com/Jaluus/MaskTerial/"
    "9a5998c50e08aab18d53e5a5369b2655d3150701/demo/images/"
)
_GREYSCALE = "an RGB image; this one is greyscale, and layers are told apart by their colour"
_COMPLETE = "a complete JPEG, PNG or TIFF image"
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHER_SIGNATURES = {  # of files that microscopes and people hand over instead
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"RIFF": "a WebP image or a film",
    b"%PDF": "a PDF",
    b"PK\3\4": "a ZIP archive or an office document",
    b"ZISRAWFILE": "a Zeiss CZI file",
    b"\xda\xce\xbe\n": "a Nikon ND2 file",
    b"\x70\0\0\0": "a Leica LIF file",
}
_MAX_PIXEL_UM = 20.0  # a coarser pixel is a printer's resolution, not a microscope's
_UM = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3}


@dataclass(frozen=True, eq=False)
class ImageFile:
    """A colour micrograph and what its file says of it.

    Attributes
    ----------
    codes : (H, W, 3) uint8 or uint16 array
        As the file has them.
    page, pages : int
        Which page of a TIFF this is, from 0, and how many there are.
    pixel_size_um : float or None
        Side of a pixel in the plane of the sample, from OME-XML, ImageJ or a resolution that can be
        a microscope's; None where the file does not say.
    """

    codes: np.ndarray
    page: int = 0
    pages: int = 1
    pixel_size_um: float | None = None


def load_image(
    path: str | Path, *, max_pixels: int = MAX_PIXELS, as_codes: bool = False
) -> np.ndarray:
    """Read a colour micrograph.

    Parameters
    ----------
    path : path
        JPEG, PNG or TIFF (its first page); 8 or 16 bit per channel.
    max_pixels : int, optional
        Images with more pixels are refused before they are decoded; at most 150 million.
    as_codes : bool, optional
        Return the integers of the file, uint8 or uint16, in a quarter or half of the memory.

    Returns
    -------
    (H, W, 3) float32 array
        Codes divided by 255 or 65535, in [0, 1], as the file encodes them: whether they are linear
        in light is the microscope's business (`Microscope.transfer_exponent`), and so is a 12-bit
        sensor in 16-bit codes, which stays dark. An alpha channel that is opaque everywhere is
        dropped. Pixels stand as stored; orientation tags are ignored.

    Raises
    ------
    ImageError
        The file is missing, empty, truncated, not such an image, greyscale, half transparent, or
        too large.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError("path", str(path), "an existing JPEG, PNG or TIFF file")
    if path.stat().st_size == 0:
        raise ImageError("path", str(path), "an image; this file is empty")
    with path.open("rb") as file:
        codes = _read(file, path, max_pixels, 0).codes
    return codes if as_codes else codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max)


def read_image(
    data: bytes,
    name: str,
    *,
    page: int = 0,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> ImageFile:
    """Read a colour micrograph from a file in memory, under the same bounds as `load_image`.

    Parameters
    ----------
    data : bytes
        The whole file: JPEG, PNG or TIFF, 8 or 16 bit per channel, told by its first bytes and not
        by its name.
    name : str
        What to call it in errors.
    page : int, optional
        Of a TIFF with several.
    max_pixels, max_bytes : int, optional
        Larger ones are refused before anything is decoded.

    Returns
    -------
    ImageFile

    Raises
    ------
    ImageError
        As `load_image`; or a page that the file does not have.
    """
    if len(data) > max_bytes:
        allowed = f"a file of at most {max_bytes / 1e6:.0f} MB; this one has {len(data) / 1e6:.0f}"
        raise ImageError("data", name, allowed)
    if not data:
        raise ImageError("data", name, "an image; this file is empty")
    return _read(BytesIO(data), name, max_pixels, page)


def micrograph_names() -> list[str]:
    """Return the names of the public development micrographs, ``"folder/file"``."""
    return list(_checksums())


def micrograph(name: str, *, download: bool = True) -> Path:
    """Return the path of a public development micrograph.

    Looks in the folder that ``$QUPAINT_MICROGRAPHS`` names, then in the user's cache, then
    downloads the file from its public repository (MaskTerial, MIT licence,
    doi 10.5281/zenodo.15765514). Wherever it comes from, its SHA-256 is checked.

    Parameters
    ----------
    name : str
        ``"folder/file"`` of `micrograph_names`, or an unambiguous beginning of it, for example
        ``"GrapheneH/17294f8a"``.
    download : bool, optional
        False forbids the network.

    Raises
    ------
    UnknownNameError
        No such micrograph, or several begin like this.
    ImageError
        The file is not at hand and could not be, or was not to be, downloaded, or its checksum is
        not the published one.
    """
    name = _full_name(name)
    folder = os.environ.get(MICROGRAPHS_VARIABLE)
    for root in (Path(folder) if folder else None, _cache_folder()):
        if root is not None and (root / name).is_file():
            return _verified(root / name, name)
    if not download:
        allowed = f"set ${MICROGRAPHS_VARIABLE} to a folder that holds it, or allow the download"
        raise ImageError("micrograph", name, f"not at hand; {allowed}")
    return _download(name)


def _full_name(name: str) -> str:
    matches = [known for known in micrograph_names() if known.startswith(name)]
    if len(matches) != 1 or not name:
        raise UnknownNameError("micrograph", name, matches or micrograph_names())
    return matches[0]


@cache
def _checksums() -> dict[str, str]:
    """Return the published SHA-256 of every micrograph by name."""
    lines = (files("qupaint_lib") / "data/micrographs.sha256").read_text("utf-8").splitlines()
    return {name.strip(): digest for digest, name in (line.split(None, 1) for line in lines)}


def _cache_folder() -> Path:
    import pooch

    return Path(pooch.os_cache("qupaint")) / "micrographs"


def _verified(path: Path, name: str) -> Path:
    import pooch

    if pooch.file_hash(path) != _checksums()[name]:
        raise ImageError("micrograph", str(path), "a file with the published SHA-256")
    return path


def _download(name: str) -> Path:
    import pooch

    store = pooch.create(
        path=_cache_folder(), base_url=MICROGRAPHS_URL, registry=_checksums(), retry_if_failed=1
    )
    try:
        return Path(store.fetch(name, progressbar=False))
    except (OSError, ValueError) as error:  # the connection, or the checksum
        raise ImageError("micrograph", name, f"could not be downloaded: {error}") from error


def _read(file: BinaryIO, name: str | Path, max_pixels: int, page: int) -> ImageFile:
    """Read an open image file, told by its first bytes."""
    if not 1 <= max_pixels <= MAX_PIXELS:
        raise ImageError("max_pixels", max_pixels, f"1 to {MAX_PIXELS:,}")
    start = file.read(16)
    file.seek(0)
    for signature, what in _OTHER_SIGNATURES.items():
        if start.startswith(signature):
            allowed = f"a JPEG, PNG or TIFF; this is {what}: export it as an RGB TIFF or PNG"
            raise ImageError("path", str(name), allowed)
    try:
        if start.startswith(_TIFF_SIGNATURES):
            found = _read_tiff(file, name, max_pixels, page)
        elif page:
            raise ImageError("page", page, "0: only a TIFF has several pages")
        else:
            found = _read_picture(file, name, max_pixels)
    except QuPaintError:
        raise
    except Exception as error:  # decoders raise dozens of types on broken files
        reason = f"{_COMPLETE}; reading it failed: {error}"
        raise ImageError("path", str(name), reason) from error
    return ImageFile(_as_rgb(found.codes, name), found.page, found.pages, found.pixel_size_um)


def _check_size(name: str | Path, height: int, width: int, max_pixels: int) -> None:
    if height * width > max_pixels:
        allowed = f"at most {max_pixels:,} pixels; this image has {width} × {height}"
        raise ImageError("path", str(name), allowed)


def _read_picture(file: BinaryIO, name: str | Path, max_pixels: int) -> ImageFile:
    """Read JPEG or PNG; Pillow tells size and mode before anything is decoded."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # bounded here
        with Image.open(file, formats=("JPEG", "PNG")) as picture:
            _check_size(name, picture.height, picture.width, max_pixels)
            per_inch = picture.info.get("dpi", (0, 0))[0]
            pixel_size = _plausible_um(25_400 / float(per_inch) if per_inch else None)
            if picture.format == "PNG" and _png_bit_depth(file) == 16:
                import imagecodecs  # Pillow would cut 16-bit colour down to 8

                file.seek(0)
                return ImageFile(imagecodecs.png_decode(file.read()), pixel_size_um=pixel_size)
            if picture.mode == "P":
                picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
            if picture.mode == "CMYK":
                raise ImageError("path", str(name), "RGB; this one is prepared for print (CMYK)")
            return ImageFile(np.asarray(picture), pixel_size_um=pixel_size)


def _png_bit_depth(file: BinaryIO) -> int:
    place = file.tell()
    file.seek(24)  # signature, then the IHDR chunk: width, height, bit depth
    depth = file.read(1)[0]
    file.seek(place)
    return depth


def _read_tiff(file: BinaryIO, name: str | Path, max_pixels: int, page: int) -> ImageFile:
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        if _has_page(tiff, MAX_PAGES):
            raise ImageError("path", str(name), f"a TIFF of at most {MAX_PAGES:,} pages")
        pages = len(tiff.pages)
        if not pages:
            raise ImageError("path", str(name), f"{_COMPLETE}; this TIFF holds no image")
        if not 0 <= page < pages:
            raise ImageError("page", page, f"0 to {pages - 1}: the file has {pages}")
        pixels = _read_page(tiff.pages[page], name, max_pixels)
        return ImageFile(pixels, page, pages, _plausible_um(_tiff_pixel_um(tiff, page)))


def _has_page(tiff: Any, page: int) -> bool:
    """Tell whether there is such a page, without looking for those behind it."""
    try:
        tiff.pages[page]
    except IndexError:
        return False
    return True


def _read_page(page: Any, name: str | Path, max_pixels: int) -> np.ndarray:
    """Decode a page after checking what its header promises."""
    import tifffile

    _check_size(name, page.imagelength, page.imagewidth, max_pixels)
    _check_size(name, page.tilelength or 1, page.tilewidth or 1, max_pixels)
    if page.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE):
        raise ImageError("path", str(name), _GREYSCALE)
    if page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR):
        raise ImageError("path", str(name), f"RGB; this one is {page.photometric.name}")
    if page.samplesperpixel not in (3, 4) or page.dtype not in (np.uint8, np.uint16):
        found = f"{page.samplesperpixel} of {page.dtype}"
        raise ImageError("path", str(name), f"three channels of 8 or 16 bit, not {found}")
    pixels = page.asarray()
    planar = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    return np.moveaxis(pixels, 0, -1) if planar else pixels


def _tiff_pixel_um(tiff: Any, page: int) -> float | None:
    """Return the side of a pixel from OME-XML, from ImageJ's unit, or from the resolution."""
    if tiff.is_ome and (pixels := re.search(r"<(?:\w+:)?Pixels\b[^>]*", tiff.ome_metadata)):
        stated = dict(re.findall(r'\b(PhysicalSizeX(?:Unit)?)="([^"]*)"', pixels[0]))
        unit = _UM.get(stated.get("PhysicalSizeXUnit", "µm"))
        try:
            return float(stated["PhysicalSizeX"]) * unit
        except (KeyError, TypeError, ValueError):
            return None
    tags = tiff.pages[page].tags
    top, bottom = tags["XResolution"].value if "XResolution" in tags else (0, 1)
    if not (top and bottom):
        return None
    unit = (tiff.imagej_metadata or {}).get("unit", "").replace("\\u00B5", "µ")
    if unit in _UM:
        return bottom / top * _UM[unit]
    per = {2: 25_400.0, 3: 10_000.0}.get(getattr(tags.get("ResolutionUnit"), "value", None))
    return per and per * bottom / top


def _plausible_um(size: float | None) -> float | None:
    return size if size and 1e-3 <= size <= _MAX_PIXEL_UM else None


def _as_rgb(pixels: np.ndarray, path: str | Path) -> np.ndarray:
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] <= 2):
        raise ImageError("path", str(path), _GREYSCALE)
    if pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        raise ImageError("path", str(path), f"an RGB image; this one has shape {pixels.shape}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError("path", str(path), f"8 or 16 bit per channel, not {pixels.dtype}")
    if pixels.size == 0:
        raise ImageError("path", str(path), "an image; this one has no pixels")
    full = np.iinfo(pixels.dtype).max
    if pixels.shape[-1] == 4:
        if (pixels[..., 3] != full).any():
            raise ImageError("path", str(path), "an opaque image; this one is partly transparent")
        pixels = pixels[..., :3]
    red, green, blue = np.moveaxis(pixels, -1, 0)
    if np.array_equal(red, green) and np.array_equal(green, blue):
        raise ImageError("path", str(path), _GREYSCALE)
    return pixels


if __name__ == "__main__":  # make micrographs
    from tqdm import tqdm

    for name in tqdm(micrograph_names(), unit="image"):
        micrograph(name)
