"""Shards: the same bytes whoever makes them, whole after any accident, read by others' packages."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qupaint_lib import _workers
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.shards import load_manifest, read_shards, verify, write, write_shards
from qupaint_lib.shards.table import read_rows, schema_of, write_rows

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {
    "id": "int",
    "image": "image",
    "boxes": [["int"]],
    "messages": [{"role": "str", "content": "str"}],
    "score": "float",
}
N, PER_SHARD, SEED = 23, 5, 7


def make_sample(i: int, seed: int, pause: float = 0.0) -> dict:
    """A sample with an image, a list that is sometimes empty, a mapping and a None."""
    from PIL import Image

    time.sleep(pause)
    rng = np.random.default_rng([seed, i])
    file = BytesIO()
    Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return {
        "id": i,
        "image": file.getvalue(),
        "boxes": rng.integers(0, 8, (i % 3, 4)).tolist(),
        "messages": [{"role": "user", "content": f"µ {i}"}],
        "score": None if i % 2 else i / 3,
    }


def fails_at(i: int, seed: int, where: int) -> dict:
    if i == where:
        raise RuntimeError("no such luck")
    return make_sample(i, seed)


def vanishes(i: int, seed: int) -> dict:
    os._exit(3)


def environment(i: int, seed: int) -> dict:
    import cv2
    import scipy.linalg  # noqa: F401 - loads a second BLAS

    names = [line.split()[0] for line in Path("/proc/self/status").read_text().splitlines()]
    line = Path("/proc/self/status").read_text().splitlines()[names.index("Threads:")]
    np.ones((600, 600)) @ np.ones((600, 600))
    return {"threads": int(line.split()[1]), "cv2": cv2.getNumThreads()}


make = partial(write_shards, columns=COLUMNS, seed=SEED, samples_per_shard=PER_SHARD)
quiet = partial(make, make_sample, N, progress=False)


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, hidden ones too."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "finished"
    report = quiet(out)
    assert len(report.built) == 5
    assert report.manifest.complete
    return out


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_samples_come_back_as_they_were_made(finished: Path) -> None:
    read = list(read_shards(finished, check=True))
    assert read == [make_sample(i, SEED) for i in range(N)]
    assert [row["id"] for row in read_shards(finished, columns=["id"])] == list(range(N))
    with pytest.raises(UnknownNameError, match="boxes"):
        next(read_shards(finished, columns=["boxen"]))


def test_the_manifest_tells_what_is_there(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text("utf-8"))
    assert manifest["dataset"]["n"] == N
    assert manifest["dataset"]["seed"] == SEED
    assert {"python", "numpy", "pyarrow"} <= set(manifest["versions"])
    assert [shard["samples"] for shard in manifest["shards"]] == [5, 5, 5, 5, 3]
    for shard in manifest["shards"]:
        data = (finished / shard["file"]).read_bytes()
        assert len(data) == shard["bytes"]
        assert hashlib.sha256(data).hexdigest() == shard["sha256"]


@pytest.mark.parametrize("how", [{"workers": 3}, {"workers": 2, "cluster": "local"}])
def test_the_same_bytes_whoever_makes_them(finished: Path, tmp_path: Path, how: dict) -> None:
    quiet(tmp_path / "other", **how)
    assert contents(tmp_path / "other") == contents(finished)


def test_the_same_bytes_from_a_client_and_from_its_address(finished: Path, tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        quiet(tmp_path / "client", cluster=client)
        assert client.status == "running"
        quiet(tmp_path / "address", cluster=cluster.scheduler_address)
    assert contents(tmp_path / "client") == contents(finished)
    assert contents(tmp_path / "address") == contents(finished)


def test_slurm_jobs_make_the_same_bytes(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for Slurm's commands runs the job script that `sbatch` is handed."""
    import dask
    import dask_jobqueue  # noqa: F401 - whose defaults would undo what is set before

    commands = tmp_path / "bin"
    commands.mkdir()
    job = tmp_path / "job.sh"  # the script itself is removed as soon as `sbatch` returns
    sbatch = f'#!/bin/sh\ncp "$1" {job}\nsh {job} > {tmp_path}/job.log 2>&1 &\necho "$!"\n'
    for name, text in {"sbatch": sbatch, "scancel": '#!/bin/sh\nkill "$@"\n'}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    loopback = {"host": "127.0.0.1", "dashboard_address": None}
    with dask.config.set({"jobqueue.slurm.scheduler-options": loopback}):
        quiet(tmp_path / "slurm", workers=1, cluster="slurm")
    assert contents(tmp_path / "slurm") == contents(finished)
    script = job.read_text()
    assert "export OPENBLAS_NUM_THREADS=1" in script
    assert "--nthreads 1" in script


def test_a_second_run_makes_nothing(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.iterdir()}
    assert quiet(copy).built == ()
    assert {path: path.stat().st_mtime_ns for path in copy.iterdir()} == before


def test_damaged_shards_are_told_and_made_again(copy: Path, finished: Path) -> None:
    missing, truncated, altered, *whole = sorted(copy.glob("*.parquet"))
    missing.unlink()
    truncated.write_bytes(truncated.read_bytes()[:-100])
    data = bytearray(altered.read_bytes())
    data[len(data) // 2] ^= 1
    altered.write_bytes(data)
    reasons = verify(copy)
    assert list(reasons) == [missing.name, truncated.name, altered.name]
    for reason, word in zip(reasons.values(), ("missing", "bytes instead", "SHA-256"), strict=True):
        assert word in reason
    with pytest.raises(ArgumentError, match="missing"):
        list(read_shards(copy, check=True))
    untouched = {path: path.stat().st_mtime_ns for path in whole}
    assert quiet(copy).built == (missing.name, truncated.name, altered.name)
    assert contents(copy) == contents(finished)
    assert {path: path.stat().st_mtime_ns for path in whole} == untouched
    assert verify(copy) == {}


def test_a_truncated_shard_is_refused_by_the_reader(copy: Path) -> None:
    path = sorted(copy.glob("*.parquet"))[0]
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ArgumentError, match="whole Parquet file"):
        list(read_shards(copy))


def run_and_stop(out: Path, stop: signal.Signals) -> subprocess.CompletedProcess:
    """Start a slow run in a process of its own, and send it a signal in mid-shard."""
    code = (
        "import sys; from functools import partial; import test_shards as t\n"
        "if __name__ == '__main__':\n"
        "    slow = partial(t.make_sample, pause=0.05)\n"
        "    try:\n"
        "        t.make(slow, t.N, sys.argv[1], workers=2)\n"
        "    except KeyboardInterrupt as told:\n"
        "        print(told); sys.exit(130)\n"
    )
    script = out.with_suffix(".py")
    script.write_text(code)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = subprocess.Popen(
        [sys.executable, str(script), str(out)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (list(out.glob("*.parquet")) and list(out.glob(".train*.tmp"))):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)
    if stop == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, stop)  # as a terminal does: the workers get it too
    said, complained = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


def test_a_killed_run_resumes(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    done = run_and_stop(out, signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    time.sleep(0.5)
    left = contents(out)
    time.sleep(0.5)
    assert contents(out) == left  # its workers have ended with it
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    recorded = {shard.file for shard in load_manifest(out).shards}
    assert "not made yet" in verify(out).values()
    with pytest.raises(ArgumentError, match="finished data set"):
        next(read_shards(out))
    report = quiet(out, workers=2)
    assert contents(out) == contents(finished)
    assert not recorded & set(report.built)
    assert all(p.stat().st_mtime_ns == t for p, t in kept.items() if p.name in recorded)


def test_ctrl_c_stops_cleanly_and_tells_how_to_go_on(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    done = run_and_stop(out, signal.SIGINT)
    assert done.returncode == 130
    assert "shards are finished" in done.stdout
    assert "the same call again goes on" in done.stdout
    assert "Traceback" not in done.stderr
    assert "sample/s" in done.stderr
    assert not list(out.glob(".*"))
    quiet(out)
    assert contents(out) == contents(finished)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 8}, "seed: 7 there, 8 here"),
        ({"configuration": {"shape": [4, 4]}}, "configuration.shape: None there"),
        ({"samples_per_shard": 6}, "samples_per_shard: 5 there, 6 here"),
        ({"columns": {"id": "int"}}, "columns.image"),
    ],
)
def test_another_data_set_is_left_alone(finished: Path, change: dict, word: str) -> None:
    before = contents(finished)
    with pytest.raises(ArgumentError, match="another data set") as told:
        quiet(finished, **change)
    assert word in str(told.value)
    assert contents(finished) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArgumentError, match=r"empty folder.*thesis\.tex"):
        quiet(tmp_path)
    assert contents(tmp_path).keys() == {"thesis.tex"}


def test_a_broken_manifest_is_an_error_and_stays(copy: Path) -> None:
    for text in ("{", "[]", '{"dataset": {}}'):
        (copy / "manifest.json").write_text(text)
        with pytest.raises(ArgumentError, match=r"manifest\.json"):
            quiet(copy)
        assert (copy / "manifest.json").read_text() == text
    with pytest.raises(ArgumentError, match=r"manifest\.json"):
        verify(copy / "missing")


def test_other_versions_do_not_mix(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    manifest["versions"]["numpy"] = "1.0"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert quiet(copy).built == ()  # nothing to make, nothing to mix
    sorted(copy.glob("*.parquet"))[0].unlink()
    with pytest.raises(ArgumentError, match=r"versions\.numpy|numpy: '1\.0' there"):
        quiet(copy)


def other_sample(i: int, seed: int) -> dict:
    return make_sample(i, seed + 1)


def test_a_shard_that_comes_out_otherwise_is_an_error(copy: Path) -> None:
    sorted(copy.glob("*.parquet"))[1].unlink()
    with pytest.raises(ArgumentError, match="has changed"):
        make(other_sample, N, copy, progress=False)
    assert len(verify(copy)) == 1


def test_a_file_that_cannot_grow(tmp_path: Path) -> None:
    """The operating system refuses to write more than a kilobyte, as a full disk does."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(ArgumentError, match=r"space left: .*File too large"):
            write.build_shard(make_sample, SEED, COLUMNS, tmp_path / "a.parquet", 0, 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *rest: object) -> int:
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write, "write_rows", full)
    with pytest.raises(ArgumentError, match="No space left on device"):
        write.build_shard(make_sample, SEED, COLUMNS, tmp_path / "a.parquet", 0, 5)
    assert list(tmp_path.iterdir()) == []


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match=r"out = .*can be written.*Not a directory"):
        quiet(tmp_path / "file" / "out")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(ArgumentError, match=r"out = .*Permission denied"):
        quiet(tmp_path / "forbidden")


def test_a_sample_that_fails_is_named_and_the_rest_stays(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(ArgumentError, match=r"sample 12 of seed 7.*no such luck"):
        make(partial(fails_at, where=12), N, tmp_path / "out", progress=False)
    assert len(load_manifest(tmp_path / "out").shards) == 2
    assert not list((tmp_path / "out").glob(".*"))
    assert len(make(make_sample, N, tmp_path / "out", progress=False).built) == 3
    assert contents(tmp_path / "out") == contents(finished)


def test_a_worker_that_vanishes(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="ended by itself"):
        make(vanishes, N, tmp_path / "out", progress=False)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("n", 0),
        ("n", 2.5),
        ("n", True),
        ("seed", -1),
        ("samples_per_shard", 0),
        ("workers", 0),
        ("split", "a/b"),
        ("columns", {}),
        ("columns", {"id": "integer"}),
        ("columns", {"id": []}),
        ("configuration", {"x": float("nan")}),
        ("configuration", {"x": object()}),
        ("make_sample", lambda i, seed: {}),
        ("cluster", 5),
        ("cluster", "tcp://127.0.0.1:9"),
    ],
)
def test_arguments_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, value: object
) -> None:
    import dask
    import distributed  # noqa: F401 - whose defaults would undo what is set before

    arguments = {"make_sample": make_sample, "n": N, "progress": False, argument: value}
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.3s"}),
        pytest.raises(ArgumentError, match=argument),
    ):
        make(out=tmp_path / "out", **arguments)
    assert argument == "cluster" or not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"a": 1}, "keys a, b"),
        ({"a": 1.5, "b": []}, r"a = 1.5: .*'int'"),
        ({"a": True, "b": []}, r"a = True"),
        ({"a": 2**63, "b": []}, "64 bits"),
        ({"a": 1, "b": ["x", 2]}, "b = 2"),
        ({"a": 1, "b": "xy"}, "b = 'xy': a list"),
        ({"a": 1, "b": ["\udc00"]}, "surrogate"),
        (3, "int"),
    ],
)
def test_rows_are_checked(tmp_path: Path, row: object, word: str) -> None:
    with pytest.raises(ArgumentError, match=word):
        write_rows(tmp_path / "a.parquet", [row], {"a": "int", "b": ["str"]})
    with pytest.raises(ArgumentError, match="keys x"):
        write_rows(tmp_path / "a.parquet", [{"a": {"x": 1, "y": 2}}], {"a": {"x": "int"}})


def test_numpy_values_are_taken(tmp_path: Path) -> None:
    row = {"a": np.int32(3), "b": np.array([[1.5], [2.0]]), "c": [np.bool_(True)]}
    kinds = {"a": "int", "b": [["float"]], "c": ["bool"]}
    write_rows(tmp_path / "a.parquet", [row], kinds)
    assert list(read_rows(tmp_path / "a.parquet", kinds)) == [
        {"a": 3, "b": [[1.5], [2.0]], "c": [True]}
    ]


JSON_ROW = st.fixed_dictionaries(
    {
        "int": st.none() | st.integers(-(2**63), 2**63 - 1),
        "float": st.none() | st.floats(allow_nan=False),
        "str": st.none() | st.text(st.characters(codec="utf-8")),
        "bytes": st.none() | st.binary(),
        "bool": st.none() | st.booleans(),
        "image": st.none() | st.binary(min_size=1),
        "list": st.none() | st.lists(st.lists(st.integers(0, 9))),
        "map": st.none() | st.fixed_dictionaries({"x": st.floats(allow_nan=False)}),
    }
)
KINDS = {name: name for name in ("int", "float", "str", "bytes", "bool", "image")}
KINDS |= {"list": [["int"]], "map": {"x": "float"}}


@settings(max_examples=30)
@given(rows=st.lists(JSON_ROW, max_size=5), repeat=st.sampled_from([1, 30]))
def test_any_rows_come_back(tmp_path_factory, rows: list, repeat: int) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    assert write_rows(path, rows * repeat, KINDS) == len(rows) * repeat
    assert list(read_rows(path, KINDS)) == rows * repeat


def test_datasets_streams_them_with_images_and_types(finished: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    stream = datasets.load_dataset(
        str(finished), split="train", streaming=True, cache_dir=str(finished.parent / "cache")
    )
    assert stream.features["image"] == datasets.Image()
    assert stream.features["boxes"] == datasets.List(datasets.List(datasets.Value("int64")))
    assert stream.num_shards == 5
    read = []
    for row in stream:
        if len(read) == 13:
            state = stream.state_dict()
        read.append(row)
    assert [row["id"] for row in read] == list(range(N))
    for row in read:
        rng = np.random.default_rng([SEED, row["id"]])
        assert (np.asarray(row["image"]) == rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).all()
    stream.load_state_dict(state)
    assert [row["id"] for row in stream] == list(range(14, N))
    shuffled = stream.shuffle(seed=1, buffer_size=8, max_buffer_input_shards=1)
    assert sorted(row["id"] for row in shuffled) == list(range(N))


def test_only_images_need_the_metadata() -> None:
    assert schema_of({"a": "int"}).metadata is None
    metadata = schema_of({"a": "int", "b": "image"}).metadata[b"huggingface"]
    assert json.loads(metadata) == {"info": {"features": {"b": {"_type": "Image"}}}}


def test_workers_have_one_thread_of_blas_and_opencv(tmp_path: Path) -> None:
    before = dict(os.environ)
    columns = {"threads": "int", "cv2": "int"}
    write_shards(environment, 1, tmp_path / "out", columns=columns, progress=False)
    (row,) = read_shards(tmp_path / "out")
    # The main thread, the one that waits for the parent, and Arrow's own.
    assert row["cv2"] == 1
    assert row["threads"] <= 4
    assert dict(os.environ) == before


def test_at_most_so_many_tasks_are_under_way() -> None:
    from concurrent.futures import ThreadPoolExecutor

    submitted = []

    def items():
        for k in range(20):
            submitted.append(k)
            yield (k,)

    with ThreadPoolExecutor(2) as pool:
        done = []
        for (k,), square in _workers.finished(pool, lambda k: k * k, items(), in_flight=3):
            done.append(k)
            assert square == k * k
            assert len(submitted) - len(done) <= 3
    assert sorted(done) == list(range(20))
