"""Reading micrographs: bounded, 8- or 16-bit RGB, and the public development images by name."""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from qupaint_lib.errors import ImageError, QuPaintError, UnknownNameError

MAX_PIXELS = 150_000_000  # a 100-megapixel stitch passes, a decompression bomb does not
MICROGRAPHS_VARIABLE = "QUPAINT_MICROGRAPHS"
MICROGRAPHS_URL = (
    "https://raw.githubusercontent.com/Jaluus/MaskTerial/"
    "9a5998c50e08aab18d53e5a5369b2655d3150701/demo/images/"
)
_GREYSCALE = "an RGB image; this one is greyscale, and layers are told apart by their colour"
_TIFF_SUFFIXES = (".tif", ".tiff")


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
    if not 1 <= max_pixels <= MAX_PIXELS:
        raise ImageError("max_pixels", max_pixels, f"1 to {MAX_PIXELS:,}")
    if not path.is_file():
        raise ImageError("path", str(path), "an existing JPEG, PNG or TIFF file")
    if path.stat().st_size == 0:
        raise ImageError("path", str(path), "an image; this file is empty")
    try:
        is_tiff = path.suffix.lower() in _TIFF_SUFFIXES
        pixels = _read_tiff(path, max_pixels) if is_tiff else _read_picture(path, max_pixels)
    except QuPaintError:
        raise
    except Exception as error:  # decoders raise dozens of types on broken files
        reason = f"a complete JPEG, PNG or TIFF image; reading it failed: {error}"
        raise ImageError("path", str(path), reason) from error
    codes = _as_rgb(pixels, path)
    return codes if as_codes else codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max)


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


def _check_size(path: Path, height: int, width: int, max_pixels: int) -> None:
    if height * width > max_pixels:
        allowed = f"at most {max_pixels:,} pixels; this image has {width} × {height}"
        raise ImageError("path", str(path), allowed)


def _read_picture(path: Path, max_pixels: int) -> np.ndarray:
    """Read JPEG or PNG; Pillow tells size and mode before anything is decoded."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # bounded here
        with Image.open(path, formats=("JPEG", "PNG")) as picture:
            _check_size(path, picture.height, picture.width, max_pixels)
            if picture.format == "PNG" and _png_bit_depth(path) == 16:
                import imagecodecs  # Pillow would cut 16-bit colour down to 8

                return imagecodecs.png_decode(path.read_bytes())
            if picture.mode == "P":
                picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
            if picture.mode == "CMYK":
                raise ImageError("path", str(path), "RGB; this one is prepared for print (CMYK)")
            return np.asarray(picture)


def _png_bit_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(25)[24]  # signature, then the IHDR chunk: width, height, bit depth


def _read_tiff(path: Path, max_pixels: int) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        _check_size(path, page.imagelength, page.imagewidth, max_pixels)
        if page.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE):
            raise ImageError("path", str(path), _GREYSCALE)
        if page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR):
            raise ImageError("path", str(path), f"RGB; this one is {page.photometric.name}")
        if page.samplesperpixel not in (3, 4) or page.dtype not in (np.uint8, np.uint16):
            found = f"{page.samplesperpixel} of {page.dtype}"
            raise ImageError("path", str(path), f"three channels of 8 or 16 bit, not {found}")
        pixels = page.asarray()
        planar = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        return np.moveaxis(pixels, 0, -1) if planar else pixels


def _as_rgb(pixels: np.ndarray, path: Path) -> np.ndarray:
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
