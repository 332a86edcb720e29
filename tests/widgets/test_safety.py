"""What the bench must not do: write elsewhere, run what it is given, reach for other machines."""

import gc
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from rendered import SCOPE

from qupaint_lib.errors import ImageError
from qupaint_lib.widgets import FolderJob, Session
from qupaint_lib.widgets.pictures import encode_jpeg, encode_png

# Runs every panel twice, the second time under an audit hook: Python tells it of every file that is
# opened, every connection and every program, by whichever library.
WATCHED = """
import json, os, sys
from pathlib import Path
from qupaint_lib.widgets import Bench

wafer, hostile = (Path(name).read_bytes() for name in sys.argv[1:3])
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
OTHERS = ("socket.connect", "socket.sendto", "socket.bind", "socket.getaddrinfo",
          "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
          "os.mkdir", "os.rename", "os.remove", "os.link")
watching, seen = False, []

def hook(event, arguments):
    if not watching:
        return
    if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & WRITING:
        seen.append((event, os.fsdecode(arguments[0])))
    elif event in OTHERS:
        seen.append((event, str(arguments[0])))

def everything():
    bench = Bench()
    folder = str(bench.session.folder)
    optics, calibrate, find, ask = bench.panels.values()
    optics.oxide.value = 120
    optics.find_oxide(), optics.find_filter(), optics.hand_on()
    calibrate.open("../../hostile.py", hostile)
    assert calibrate.status.failed
    calibrate.open("../wafer.png", wafer)
    assert not calibrate.status.failed, calibrate.status.text
    calibrate.calibrate(), calibrate.save()
    calibrate.open_microscope("../m.json", bench.session.microscope_json())
    find.find()
    find.number.value, find.count.value = 1, 1
    find.correct(), find.recalibrate()
    find.export_coco(), find.export_csv(), find.export_picture()
    ask.own.value = "There are two monolayers of graphene."
    ask.check_own()
    return folder

sys.addaudithook(hook)
everything()
watching = True
folder = everything()
watching = False
print(json.dumps([folder, seen]))
"""


@pytest.fixture
def jpeg(wafer):
    return encode_jpeg(wafer[0])


def run(code, *arguments, cwd):
    command = [sys.executable, "-B", "-c", code, *map(str, arguments)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_nothing_is_written_elsewhere_run_or_sent(tmp_path, wafer):
    marker = tmp_path / "executed"
    (tmp_path / "wafer.png").write_bytes(encode_png(wafer[0]))
    (tmp_path / "hostile.py").write_text(f"open({str(marker)!r}, 'w')")
    before = sorted(tmp_path.iterdir())
    told = run(WATCHED, tmp_path / "wafer.png", tmp_path / "hostile.py", cwd=tmp_path)
    folder, seen = json.loads(told.splitlines()[-1])
    opened = [path for event, path in seen if event == "open"]
    assert opened, "the hook saw nothing: the microscope is written to the session's folder"
    allowed = ("open", "os.rename", "os.mkdir", "os.remove")
    assert not [s for s in seen if s[0] not in allowed or not s[1].startswith(folder)]
    assert sorted(tmp_path.iterdir()) == before and not marker.exists()
    assert not Path(folder).exists()


def png_promising(width, height):
    """A PNG whose header promises so many pixels, and whose data ends after a few."""
    small = bytearray(encode_png(np.zeros((64, 64, 3), np.uint8)))
    small[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


def test_pixels_are_counted_before_they_are_decoded():
    with pytest.raises(ImageError, match=r"at most 40,000,000 pixels; this image has 7000 × 6000"):
        Session().open_image("wide.png", png_promising(7000, 6000))
    with pytest.raises(ImageError, match="reading it failed"):  # within the bound: it is decoded
        Session().open_image("cut.png", png_promising(7000, 5000))
    with pytest.raises(ImageError, match="at most 64 MB; this one has 65"):
        Session().open_image("long.png", b"\x89PNG" + bytes(65_000_000))


def test_a_folder_ends_with_its_panel(tmp_path, jpeg):
    """The process on a folder does not outlive the kernel that started it."""
    for i in range(30):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg)
    out = tmp_path / "out"
    out.mkdir()
    job = FolderJob(str(tmp_path), "graphene", SCOPE, out, jobs=1)
    process = job._process
    assert job.running
    del job
    gc.collect()
    assert process.poll() is not None
    code = (
        "import sys; from pathlib import Path; from qupaint_lib.microscope import get_preset; "
        "from qupaint_lib.widgets import FolderJob; "
        "job = FolderJob(sys.argv[1], 'graphene', get_preset('cie-d65'), Path(sys.argv[2])); "
        "assert job.running; print(job._process.pid)"
    )
    pid = int(run(code, tmp_path, out, cwd=tmp_path))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
