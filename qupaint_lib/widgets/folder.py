"""A whole folder of images, in a process of its own that can be watched and stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from qupaint_lib.annotations import from_coco, to_csv
from qupaint_lib.errors import ArgumentError
from qupaint_lib.finder.batch import SUFFIXES
from qupaint_lib.microscope import Microscope, save_microscope

MOST_IMAGES = 100_000


class FolderJob:
    """`python -m qupaint_lib.finder` on a folder; its files go to a folder of the caller's.

    Parameters
    ----------
    folder : str
        Where the images are; only read.
    material : str
        Of the flakes.
    microscope : Microscope
        As calibrated.
    out : Path
        Existing folder; all that is written goes to a new one inside it.
    jobs : int, optional
        Processes; by default all cores but one.

    Raises
    ------
    ArgumentError
        No folder, or no image in it.
    """

    def __init__(
        self,
        folder: str,
        material: str,
        microscope: Microscope,
        out: Path,
        *,
        jobs: int | None = None,
    ) -> None:
        given = Path(folder.strip()).expanduser()
        if not folder.strip() or not given.is_dir():
            raise ArgumentError("folder", folder, "an existing folder on the bench's computer")
        images = [p for p in given.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
        if not 0 < len(images) <= MOST_IMAGES:
            allowed = f"1 to {MOST_IMAGES:,} images ({', '.join(SUFFIXES)})"
            raise ArgumentError("folder", f"{len(images)} images", allowed)
        out = Path(mkdtemp(prefix="folder-", dir=out))
        self.total, self.coco_path = len(images), out / "flakes.json"
        scope = save_microscope(microscope, out / "microscope.json")
        jobs = jobs or max((os.cpu_count() or 2) - 1, 1)
        self._log = (out / "log.txt").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            _command(given.resolve(), material, scope, self.coco_path, jobs),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._at_the_end = weakref.finalize(self, _end, self._process)

    @property
    def done(self) -> int:
        """How many images are finished."""
        return sum(1 for _ in self.coco_path.with_name("flakes.json.parts").glob("*.json"))

    @property
    def running(self) -> bool:
        """Whether the work goes on."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the work, as the end of the kernel does; what is finished stays."""
        self._at_the_end()

    def report(self) -> str:
        """Return what became of it: flakes found, and files that could not be examined."""
        self._log.flush()
        self._log.seek(0)
        lines = self._log.read().replace(f"{self.coco_path.parent}{os.sep}", "").splitlines()
        return "\n".join(line for line in lines if line and "%|" not in line)  # no progress bars

    def coco(self) -> bytes:
        """Return the COCO data set of the whole folder."""
        return self.coco_path.read_bytes()

    def csv(self) -> bytes:
        """Return its flakes with layers as CSV."""
        flakes = from_coco(self.coco_path)
        told = {n: [f for f in some if f.layer_class() is not None] for n, some in flakes.items()}
        return to_csv(told).encode()


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=10)


def _command(folder: Path, material: str, scope: Path, out: Path, jobs: int) -> Sequence[str]:
    options = ("--material", material, "--microscope", str(scope), "--out", str(out))
    return [sys.executable, "-m", "qupaint_lib.finder", str(folder), *options, "--jobs", str(jobs)]
