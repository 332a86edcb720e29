"""Making shards, in parallel; what is whole stays, what is not is made again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.reduction import ForkingPickler
from numbers import Integral
from pathlib import Path
from typing import Any
from uuid import uuid4

from qupaint_lib._workers import finished
from qupaint_lib.errors import ArgumentError
from qupaint_lib.shards.compute import workers_of
from qupaint_lib.shards.manifest import (
    MANIFEST,
    Manifest,
    Shard,
    differences,
    fault,
    load_manifest,
    sha256,
    versions,
)
from qupaint_lib.shards.table import schema_of, write_rows

MakeSample = Callable[[int, int], Mapping[str, Any]]


@dataclass(frozen=True)
class ShardsReport:
    """What became of a folder.

    Attributes
    ----------
    out : Path
        The folder.
    manifest : Manifest
        Of the whole data set.
    built : tuple of str
        Names of the shards made by this call; all others had been whole before.
    """

    out: Path
    manifest: Manifest
    built: tuple[str, ...]


def write_shards(
    make_sample: MakeSample,
    n: int,
    out: str | Path,
    *,
    columns: Mapping[str, Any],
    seed: int = 0,
    samples_per_shard: int = 500,
    configuration: Mapping[str, Any] | None = None,
    split: str = "train",
    workers: int = 1,
    cluster: Any = None,
    progress: bool = True,
) -> ShardsReport:
    """Write `n` samples as Parquet files with a manifest; the same call again resumes.

    Sample i depends only on the seed and on i, so the files are the same to the byte for any number
    of workers, with or without Dask, and after any interruption. Before anything is made, finished
    shards are compared with their SHA-256; those that are missing, truncated or altered are made
    again. Files that an interrupted run left half-written are removed.

    Parameters
    ----------
    make_sample : callable
        ``make_sample(i, seed)`` returns sample i as a dict with the keys of `columns`; it draws
        from ``np.random.default_rng([seed, i])`` and nothing else. A function of a module, or a
        `functools.partial` of one, because other processes import it.
    n : int
        Number of samples, at least 1.
    out : path
        A new or empty folder, or one with the same data set. One call at a time writes to it.
    columns : mapping of str to type
        ``"image"`` (the bytes of an image's file, which `datasets` decodes), ``"bytes"``,
        ``"str"``, ``"int"``, ``"float"``, ``"bool"``, ``[type]`` for lists, ``{name: type}`` for
        mappings. Any value may be None.
    seed : int, optional
        At least 0.
    samples_per_shard : int, optional
        Aim for files of 20 to 200 MB.
    configuration : mapping, optional
        All that `make_sample` follows from beside the seed, as JSON; kept in the manifest, and
        compared when a run is taken up.
    split : str, optional
        Files are called ``<split>-00000-of-00020.parquet``, which `datasets` understands.
    workers : int, optional
        Number of processes, of one thread each. A script calls this under
        ``if __name__ == "__main__":``.
    cluster : str or distributed.Client, optional
        None for processes of this machine; ``"local"`` for Dask on this machine; ``"slurm"`` for
        Dask on `workers` jobs of Slurm, described in Dask's ``jobqueue.yaml``; the address of a
        scheduler, or a client, with workers of their own. All see `out` under the same path.
    progress : bool, optional
        Show a bar with the rate and the time left.

    Returns
    -------
    ShardsReport
        The manifest, and which shards were made.

    Raises
    ------
    ArgumentError
        An argument is not allowed; the folder holds something else, cannot be written, or is full;
        a sample failed. What was finished stays.
    KeyboardInterrupt
        Says how much is done, and that the same call resumes.
    """
    dataset = _dataset(n, seed, samples_per_shard, split, columns, configuration)
    _check_whole("workers", workers, 1)
    if cluster is None:
        _check_sendable(make_sample)
    out = Path(out).resolve()
    with _clear_errors(out):
        manifest = _open(out, Manifest(dataset, versions()))
        kept = {shard.file for shard in manifest.shards if not fault(out, shard)}
        work = [
            (out / name, *span)
            for name, span in zip(manifest.files, manifest.spans, strict=True)
            if name not in kept
        ]
        if work:
            _check_versions(out, manifest)
            task = partial(build_shard, make_sample, seed, columns)
            done = n - sum(stop - first for _, first, stop in work)
            try:
                with workers_of(min(workers, len(work)), cluster) as (executor, in_flight):
                    results = finished(executor, task, work, in_flight=in_flight)
                    manifest = _record(out, manifest, results, done, progress)
            finally:
                _remove_temporaries(out)
    return ShardsReport(out, manifest, tuple(path.name for path, *_ in work))


def build_shard(
    make_sample: MakeSample,
    seed: int,
    columns: Mapping[str, Any],
    path: Path,
    first: int,
    stop: int,
) -> Shard:
    """Write samples `first` to `stop` under a temporary name, then rename the file."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        count = write_rows(temporary, _samples(make_sample, seed, first, stop), columns)
        shard = Shard(path.name, count, temporary.stat().st_size, sha256(temporary))
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path.parent, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return shard


def _samples(
    make_sample: MakeSample, seed: int, first: int, stop: int
) -> Iterator[Mapping[str, Any]]:
    for i in range(first, stop):
        try:
            sample = make_sample(i, seed)
        except Exception as error:  # which sample failed is what its maker needs to know
            where = f"sample {i} of seed {seed}"
            raise ArgumentError("make_sample", where, f"it raised {error!r}") from error
        yield sample


def _record(
    out: Path, manifest: Manifest, results: Iterator, done: int, progress: bool
) -> Manifest:
    """Note every shard in the manifest as soon as it is there."""
    from tqdm import tqdm

    recorded = {shard.file: shard for shard in manifest.shards}
    total = manifest.dataset["n"]
    with tqdm(total=total, initial=done, disable=not progress, unit="sample") as bar:
        for (path, *_), shard in results:
            if not path.is_file():
                allowed = f"workers that see {out} under this path, as this machine does"
                raise ArgumentError("cluster", shard.file, allowed)
            if recorded.setdefault(shard.file, shard) != shard:
                allowed = "the samples of the manifest; the code that makes them has changed"
                raise ArgumentError("make_sample", shard.file, f"{allowed}: use a new folder")
            shards = tuple(recorded[name] for name in manifest.files if name in recorded)
            manifest = replace(manifest, shards=shards)
            manifest.save(out)
            bar.update(shard.samples)
    return manifest


def _dataset(
    n: int,
    seed: int,
    samples_per_shard: int,
    split: str,
    columns: Mapping[str, Any],
    configuration: Mapping[str, Any] | None,
) -> dict[str, Any]:
    _check_whole("n", n, 1)
    _check_whole("seed", seed, 0)
    _check_whole("samples_per_shard", samples_per_shard, 1)
    if not (isinstance(split, str) and re.fullmatch(r"\w+", split)):
        raise ArgumentError("split", split, "letters, digits and underscores, such as 'train'")
    schema_of(columns)
    try:
        plain = json.loads(json.dumps([columns, configuration or {}], allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ArgumentError("configuration", configuration, f"plain JSON: {error}") from error
    return {
        "n": int(n),
        "seed": int(seed),
        "samples_per_shard": int(samples_per_shard),
        "split": split,
        "columns": plain[0],
        "configuration": plain[1],
    }


def _open(out: Path, new: Manifest) -> Manifest:
    """Return the manifest of a folder, written where there is none."""
    if (out / MANIFEST).is_file():
        old = load_manifest(out)
        if different := "; ".join(differences(old.dataset, new.dataset)):
            raise ArgumentError("out", str(out), f"this folder holds another data set: {different}")
        _remove_temporaries(out)
        return old
    out.mkdir(parents=True, exist_ok=True)
    _remove_temporaries(out)
    if found := sorted(path.name for path in out.iterdir()):
        allowed = f"a new or empty folder, or one with a {MANIFEST}; this one holds {found[0]}"
        raise ArgumentError("out", str(out), allowed)
    new.save(out)
    return new


def _check_versions(out: Path, manifest: Manifest) -> None:
    """Refuse to mix what different versions of the packages make."""
    if different := "; ".join(differences(manifest.versions, versions())):
        allowed = f"the versions that it was begun with, or another folder; {different}"
        raise ArgumentError("out", str(out), allowed)


def _check_whole(argument: str, value: object, minimum: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ArgumentError(argument, value, f"a whole number of at least {minimum}")


def _check_sendable(make_sample: MakeSample) -> None:
    try:
        ForkingPickler.dumps(make_sample)
    except Exception as error:  # each kind of object has its own
        allowed = f"a function of a module, or a functools.partial of one: {error}"
        raise ArgumentError("make_sample", make_sample, allowed) from error


@contextmanager
def _clear_errors(out: Path) -> Iterator[None]:
    """Say what happened to a run in the terms of its caller."""
    try:
        yield
    except KeyboardInterrupt:
        manifest = load_manifest(out)
        done = f"{len(manifest.shards)} of {len(manifest.files)} shards are finished in {out}"
        raise KeyboardInterrupt(f"{done}; the same call again goes on from there") from None
    except BrokenExecutor as error:
        reason = (
            "a process ended by itself. For want of memory: fewer workers. In a script: call "
            'under `if __name__ == "__main__":`. The same call again goes on from there'
        )
        raise ArgumentError("workers", str(error), reason) from error
    except OSError as error:
        raise _cannot_write(out, error) from error


def _cannot_write(out: Path, error: OSError) -> ArgumentError:
    allowed = f"a folder that can be written, with space left: {error}; finished shards stay"
    return ArgumentError("out", str(out), allowed)


def _remove_temporaries(out: Path) -> None:
    """Remove what an interrupted run, this one or one before, left half-written."""
    for path in out.glob(".*.tmp"):
        path.unlink(missing_ok=True)
