"""Data sets of any size as Parquet files: made in parallel, resumed, checked, streamed.

`write_shards` makes them, `verify` tells what is wrong with them, `read_shards` reads them without
further packages, and ``datasets.load_dataset(folder, streaming=True)`` streams them into training.
``table`` holds rows and their types, ``manifest`` the record of a folder, ``compute`` processes and
Dask, ``write`` the run. Samples may be of any kind: nothing here knows of flakes.

Why Parquet and not WebDataset's tar files: measured with `datasets` 5.2 on 2,400 samples (448 × 448
JPEG of quality 95, twenty boxes, masks and a scene as JSON) streamed and decoded on one core,
Parquet gives 1,390 samples/s and tar 1,210; through a shuffle buffer of 1,000, 1,220 and 1,160.
Both resume from a ``state_dict`` at the very next sample, in 6 and 7 ms. Parquet takes a sixth less
space, reads single columns (all boxes without the images), and states its types, where those of a
tar are guessed from the first samples: a list that is empty there is of no type at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qupaint_lib.errors import ArgumentError
from qupaint_lib.shards.manifest import Manifest, Shard, fault, load_manifest, verify
from qupaint_lib.shards.table import read_rows
from qupaint_lib.shards.write import ShardsReport, write_shards

__all__ = [
    "Manifest",
    "Shard",
    "ShardsReport",
    "load_manifest",
    "read_shards",
    "verify",
    "write_shards",
]


def read_shards(
    folder: str | Path, *, columns: Sequence[str] | None = None, check: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the samples of a finished folder of shards, in order.

    Parameters
    ----------
    folder : path
        Where `write_shards` wrote.
    columns : sequence of str, optional
        Read only these; by default all.
    check : bool, optional
        Compare each file with its SHA-256 before it is read.

    Raises
    ------
    ArgumentError
        The folder has no manifest, is not finished, or a file is not what the manifest says.
    UnknownNameError
        No such column.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    if not manifest.complete:
        done = f"{len(manifest.shards)} of {len(manifest.files)} shards"
        raise ArgumentError("folder", str(folder), f"a finished data set; this one has {done}")
    for shard in manifest.shards:
        if check and (reason := fault(folder, shard)):
            raise ArgumentError("folder", shard.file, f"a shard as it was written: {reason}")
        yield from read_rows(folder / shard.file, manifest.dataset["columns"], columns)
