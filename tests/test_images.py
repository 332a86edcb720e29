import hashlib
import io
import os
import shutil
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from qupaint_lib import images
from qupaint_lib.errors import ImageError, UnknownNameError
from qupaint_lib.images import load_image, micrograph, micrograph_names, read_image

RNG = np.random.default_rng(0)
EIGHT = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
SIXTEEN = RNG.integers(0, 65536, (12, 17, 3), dtype=np.uint16)


def write(path, pixels, **kwargs):
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **kwargs)
    elif pixels.dtype == np.uint16:
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        Image.fromarray(pixels).save(path, **kwargs)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("pixels", [EIGHT, SIXTEEN], ids=["8 bit", "16 bit"])
def test_lossless_formats_keep_every_code(tmp_path, name, pixels):
    image = load_image(write(tmp_path / name, pixels))
    assert image.shape == (12, 17, 3) and image.dtype == np.float32
    full = np.iinfo(pixels.dtype).max
    np.testing.assert_array_equal(np.round(image.astype(float) * full), pixels)
    codes = load_image(tmp_path / name, as_codes=True)
    assert codes.dtype == pixels.dtype
    np.testing.assert_array_equal(codes, pixels)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "jpeg"])
def test_compressed_tiff(tmp_path, compression):
    smooth = np.full((32, 32, 3), (120, 100, 140), np.uint8)
    path = write(tmp_path / "a.tif", smooth, compression=compression, photometric="rgb")
    np.testing.assert_allclose(load_image(path) * 255, smooth, atol=2)


def test_planar_and_multipage_tiff(tmp_path):
    planar = write(
        tmp_path / "a.tif", EIGHT.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"
    )
    np.testing.assert_array_equal(np.round(load_image(planar) * 255), EIGHT)
    pages = write(tmp_path / "b.tif", np.stack([EIGHT, 255 - EIGHT]), photometric="rgb")
    np.testing.assert_array_equal(np.round(load_image(pages) * 255), EIGHT)


def test_jpeg_is_close(tmp_path):
    smooth = np.full((32, 32, 3), (200, 120, 60), np.uint8)
    image = load_image(write(tmp_path / "a.jpg", smooth, quality=95))
    np.testing.assert_allclose(image * 255, smooth, atol=3)


def test_opaque_alpha_is_dropped_and_a_transparent_one_refused(tmp_path):
    alpha = np.full((12, 17, 1), 255, np.uint8)
    opaque = write(tmp_path / "a.png", np.concatenate([EIGHT, alpha], axis=2))
    np.testing.assert_array_equal(np.round(load_image(opaque) * 255), EIGHT)
    alpha[3, 4] = 254
    with pytest.raises(ImageError, match="transparent"):
        load_image(write(tmp_path / "b.png", np.concatenate([EIGHT, alpha], axis=2)))


def test_palette_png_is_read_as_its_colours(tmp_path):
    Image.fromarray(EIGHT // 128 * 255).convert("P", palette=Image.Palette.ADAPTIVE).save(
        tmp_path / "a.png"
    )
    np.testing.assert_allclose(load_image(tmp_path / "a.png") * 255, EIGHT // 128 * 255, atol=1)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_greyscale_is_refused_with_a_reason(tmp_path, name):
    with pytest.raises(ImageError, match="greyscale, and layers are told apart by their colour"):
        load_image(write(tmp_path / name, EIGHT[..., 0]))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("keep", [0, 10, 40, 0.5], ids=["empty", "magic", "header", "half"])
def test_broken_files_are_refused(tmp_path, name, keep):
    whole = write(tmp_path / name, np.kron(EIGHT, np.ones((9, 9, 1), np.uint8))).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(ImageError, match="path = "):
        load_image(tmp_path / name)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("not an image at all")
    Image.fromarray(EIGHT).save(tmp_path / "b.bmp")
    Image.fromarray(EIGHT).convert("CMYK").save(tmp_path / "c.jpg")
    tifffile.imwrite(tmp_path / "d.tif", EIGHT.astype(np.float32), photometric="rgb")
    for name in ("a.jpg", "b.bmp", "c.jpg", "d.tif", "missing.png", "."):
        with pytest.raises(ImageError):
            load_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_size_is_bounded_before_decoding(tmp_path, name):
    path = write(tmp_path / name, EIGHT)
    with pytest.raises(ImageError, match=r"at most 203 pixels; this image has 17 × 12"):
        load_image(path, max_pixels=203)
    assert load_image(path, max_pixels=204).shape == (12, 17, 3)


# Micrographs by name
@pytest.fixture
def published(tmp_path, monkeypatch):
    """A stand-in for the public repository: two files with their checksums, and an empty cache."""
    contents = {"Folder/aa11.jpg": b"first", "Folder/ab22.jpg": b"second"}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    monkeypatch.setattr(images, "_checksums", lambda: sums)
    monkeypatch.setattr(images, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv(images.MICROGRAPHS_VARIABLE, raising=False)
    for name, data in contents.items():
        path = tmp_path / "public" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def test_the_published_list_holds_21_images():
    names = micrograph_names()
    assert len(names) == 21 and "GrapheneH/17294f8a-1df7-427f-b8ed-ab54e1571960.jpg" in names


def test_folder_of_the_environment_comes_first(published, monkeypatch):
    monkeypatch.setenv(images.MICROGRAPHS_VARIABLE, str(published / "public"))
    path = micrograph("Folder/aa", download=False)
    assert path.read_bytes() == b"first"


def test_cache_comes_second_and_the_network_only_when_asked(published, monkeypatch):
    with pytest.raises(ImageError, match="not at hand"):
        micrograph("Folder/ab22.jpg", download=False)
    shutil.copytree(published / "public", published / "cache")
    assert micrograph("Folder/ab22.jpg", download=False).read_bytes() == b"second"


@pytest.fixture
def server(published, monkeypatch):
    """The stand-in repository behind a real HTTP server on the loopback interface."""
    import http.server
    import threading
    from functools import partial

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = partial(Quiet, directory=str(published / "public"))
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setattr(images, "MICROGRAPHS_URL", f"http://127.0.0.1:{httpd.server_port}/")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    yield published
    httpd.shutdown()
    httpd.server_close()


def test_download_is_checked_and_kept(server):
    assert micrograph("Folder/aa11.jpg").read_bytes() == b"first"
    assert (server / "cache/Folder/aa11.jpg").is_file()


def test_download_with_another_checksum_leaves_nothing_behind(server):
    (server / "public/Folder/aa11.jpg").write_bytes(b"tampered")
    with pytest.raises(ImageError, match="could not be downloaded"):
        micrograph("Folder/aa11.jpg")
    assert not list((server / "cache").rglob("*.jpg"))


def test_missing_on_the_server(server):
    (server / "public/Folder/aa11.jpg").unlink()
    with pytest.raises(ImageError, match="could not be downloaded"):
        micrograph("Folder/aa11.jpg")


def test_a_changed_local_file_is_refused(published, monkeypatch):
    monkeypatch.setenv(images.MICROGRAPHS_VARIABLE, str(published / "public"))
    (published / "public/Folder/aa11.jpg").write_bytes(b"other")
    with pytest.raises(ImageError, match="SHA-256"):
        micrograph("Folder/aa11.jpg")


@pytest.mark.parametrize("name", ["Folder/zz", "Folder/a", "", "../public/Folder/aa11.jpg"])
def test_unknown_or_ambiguous_names(published, name):
    with pytest.raises(UnknownNameError, match="micrograph"):
        micrograph(name)


# Odd files
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_greyscale_in_three_equal_channels_is_still_greyscale(tmp_path, name):
    grey = np.repeat(EIGHT[..., :1], 3, axis=2)
    with pytest.raises(ImageError, match="greyscale"):
        load_image(write(tmp_path / name, grey))


@pytest.mark.parametrize("photometric", ["cielab", "minisblack"])
def test_tiff_of_another_colour_space_is_refused(tmp_path, photometric):
    with pytest.raises(ImageError, match=r"RGB"):
        load_image(write(tmp_path / "a.tif", EIGHT, photometric=photometric))


def test_many_samples_per_pixel_are_refused_before_they_are_decoded(tmp_path):
    path = write(
        tmp_path / "a.tif", np.zeros((30, 30, 400), np.uint8), photometric="rgb",
        compression="deflate", planarconfig="contig", extrasamples=[0] * 397,
    )  # fmt: skip
    with pytest.raises(ImageError, match="three channels"):
        load_image(path)


@pytest.mark.parametrize("limit", [0, images.MAX_PIXELS + 1])
def test_the_bound_itself_is_bounded(tmp_path, limit):
    with pytest.raises(ImageError, match="max_pixels"):
        load_image(write(tmp_path / "a.png", EIGHT), max_pixels=limit)


def tiff_bytes(pixels, **kwargs):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", **kwargs)
    return file.getvalue()


def test_bytes_are_read_as_a_file_is(tmp_path):
    for name, pixels in (("a.png", EIGHT), ("b.png", SIXTEEN), ("c.tif", SIXTEEN)):
        path = write(tmp_path / name, pixels)
        read = read_image(path.read_bytes(), "no suffix needed")
        np.testing.assert_array_equal(read.codes, load_image(path, as_codes=True))
        assert (read.page, read.pages, read.pixel_size_um) == (0, 1, None)


def test_pages_of_a_tiff():
    stack = np.stack([EIGHT, 255 - EIGHT, EIGHT // 2])
    data = tiff_bytes(stack)
    for page, pixels in enumerate(stack):
        read = read_image(data, "a", page=page)
        np.testing.assert_array_equal(read.codes, pixels)
        assert (read.page, read.pages) == (page, 3)
    with pytest.raises(ImageError, match="0 to 2"):
        read_image(data, "a", page=3)
    file = io.BytesIO()
    Image.fromarray(EIGHT).save(file, "PNG")
    with pytest.raises(ImageError, match="only a TIFF"):
        read_image(file.getvalue(), "a", page=1)


def ome(unit, size):
    about = {"axes": "YXS", "PhysicalSizeX": size} | ({"PhysicalSizeXUnit": unit} if unit else {})
    return tiff_bytes(EIGHT, ome=True, metadata=about)


@pytest.mark.parametrize(
    ("data", "micrometres"),
    [
        (ome("nm", 384), 0.384),
        (ome("µm", 0.384), 0.384),
        (ome(None, 0.384), 0.384),  # the schema's default unit is µm
        (ome("mm", 0.000384), 0.384),
        (ome("pixel", 0.384), None),
        (tiff_bytes(EIGHT, resolution=(20_000, 20_000), resolutionunit="CENTIMETER"), 0.5),
        (tiff_bytes(EIGHT, resolution=(25_400, 25_400), resolutionunit="INCH"), 1.0),
        (tiff_bytes(EIGHT, resolution=(300, 300), resolutionunit="INCH"), None),  # a printer's
        (tiff_bytes(EIGHT), None),
    ],
)
def test_pixel_size_of_a_tiff(data, micrometres):
    assert read_image(data, "a").pixel_size_um == (micrometres and pytest.approx(micrometres))


def test_pixel_size_by_imagej():
    data = tiff_bytes(EIGHT, imagej=True, resolution=(4.0, 4.0), metadata={"unit": "um"})
    assert read_image(data, "a").pixel_size_um == pytest.approx(0.25)


def test_size_in_memory_is_bounded(tmp_path):
    data = write(tmp_path / "a.png", EIGHT).read_bytes()
    with pytest.raises(ImageError, match="MB"):
        read_image(data, "a", max_bytes=len(data) - 1)
    with pytest.raises(ImageError, match="pixels"):
        read_image(data, "a", max_pixels=100)
    with pytest.raises(ImageError, match="empty"):
        read_image(b"", "a")


def test_a_huge_tile_is_refused_before_it_is_decoded():
    """A small image may promise tiles that would fill the memory."""
    data = bytearray(tiff_bytes(EIGHT, tile=(16, 16)))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tiff:
        offsets = [tiff.pages[0].tags[name].valueoffset for name in ("TileWidth", "TileLength")]
    for offset in offsets:
        data[offset : offset + 4] = (65520).to_bytes(4, "little")
    with pytest.raises(ImageError, match="65520"):
        read_image(bytes(data), "a")


BOMB = """
import resource, sys
from pathlib import Path
from qupaint_lib.errors import ImageError
from qupaint_lib.images import read_image
def peak_mb():
    unit = 1e3 if sys.platform == "linux" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
small, bomb = (Path(name).read_bytes() for name in sys.argv[1:])
read_image(small, "small.tif")
before = peak_mb()
try:
    read_image(bomb, "bomb.tif")
except ImageError as error:
    assert "bomb.tif" in str(error)
else:
    raise SystemExit("the bomb was read")
print(peak_mb() - before)
"""


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
def test_a_decompression_bomb_is_not_unpacked(tmp_path, compression):
    """A strip of 17 × 12 pixels that unpacks to 256 MB of zeros."""
    codec = {"deflate": imagecodecs.zlib_encode, "zstd": imagecodecs.zstd_encode}[compression]
    small = tiff_bytes(EIGHT, compression=compression)
    strip, data = codec(bytes(256_000_000), level=1), bytearray(small)
    with tifffile.TiffFile(io.BytesIO(small)) as tiff:
        tags = tiff.pages[0].tags
        for name, value in (("StripOffsets", len(small)), ("StripByteCounts", len(strip))):
            at, size = tags[name].valueoffset, {3: 2, 4: 4}[tags[name].dtype]
            assert value < 256**size
            data[at : at + size] = value.to_bytes(size, "little")
    (tmp_path / "small.tif").write_bytes(small)
    (tmp_path / "bomb.tif").write_bytes(bytes(data) + strip)
    command = [sys.executable, "-c", BOMB, tmp_path / "small.tif", tmp_path / "bomb.tif"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr + told.stdout
    assert float(told.stdout) < 50  # MB


def test_millions_of_pages_are_refused_without_counting_them():
    """Empty pages of 18 bytes each: a chain of directories with one tag."""
    number, first = images.MAX_PAGES + 1, 8
    ifd = np.zeros(number, np.dtype("<u2, <u2, <u2, <u4, <u4, <u4"))
    ifd["f0"] = ifd["f3"] = 1
    ifd["f1"], ifd["f2"] = 254, 4  # NewSubfileType, a long
    ifd["f5"] = first + ifd.itemsize * np.arange(1, number + 1)
    ifd["f5"][-1] = 0
    head = b"II*\0" + first.to_bytes(4, "little")
    with pytest.raises(ImageError, match="10,000 pages"):
        read_image(head + ifd.tobytes(), "a")
    with pytest.raises(ImageError) as refused:
        read_image(head + ifd[: number - 1].tobytes(), "a")
    assert "pages" not in str(refused.value)


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"GIF89a", "GIF"), (b"%PDF-1.7", "PDF"), (b"ZISRAWFILE", "CZI"), (b"PK\x03\x04", "ZIP")],
)
def test_other_files_are_called_by_their_names(start, what):
    with pytest.raises(ImageError, match=what):
        read_image(start + bytes(64), "a.png")
