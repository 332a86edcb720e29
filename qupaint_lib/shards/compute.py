"""Where shards are made: processes of this machine, or Dask's workers on any number of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from typing import Any

from qupaint_lib._workers import ONE_THREAD, process_pool
from qupaint_lib.errors import ArgumentError

_SLURM_MEMORY = "2GiB"


@contextmanager
def workers_of(workers: int, cluster: Any) -> Iterator[tuple[Executor, int]]:
    """Yield an executor, and how many tasks to keep under way: two for each worker.

    `cluster` is None for processes, ``"local"``, ``"slurm"``, the address of a scheduler, or a
    `distributed.Client`, which stays open.
    """
    if cluster is None:
        with process_pool(workers) as pool:
            yield pool, 2 * workers
        return
    with ExitStack() as stack:
        client = _client(workers, cluster, stack)
        executor = client.get_executor(pure=False)
        stack.callback(executor.shutdown, wait=False)  # and gives up what is under way
        yield executor, 2 * max(workers, sum(client.nthreads().values()))


def _client(workers: int, cluster: Any, stack: ExitStack) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        allowed = f"None, or Dask installed (the extra `cluster`): {error}"
        raise ArgumentError("cluster", cluster, allowed) from error
    if isinstance(cluster, Client):
        return cluster
    if not isinstance(cluster, str):
        allowed = 'None, "local", "slurm", the address of a scheduler, or a distributed.Client'
        raise ArgumentError("cluster", cluster, allowed)
    start = {"local": _local_cluster, "slurm": _slurm_cluster}.get(cluster)
    try:
        target = stack.enter_context(start(workers)) if start else cluster
        return stack.enter_context(Client(target))
    except (OSError, ValueError) as error:
        raise ArgumentError("cluster", cluster, f"a cluster that answers: {error}") from error


def _local_cluster(workers: int) -> Any:
    import dask
    from distributed import LocalCluster

    with dask.config.set({"distributed.nanny.pre-spawn-environ": ONE_THREAD}):
        return LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        )


def _slurm_cluster(workers: int) -> Any:
    """Start jobs of one core; queue, account and the rest are the user's jobqueue.yaml's."""
    import dask
    from dask_jobqueue import SLURMCluster

    memory = dask.config.get("jobqueue.slurm.memory", None) or _SLURM_MEMORY
    prologue = dask.config.get("jobqueue.slurm.job-script-prologue", None) or []
    exports = [f"export {name}={value}" for name, value in ONE_THREAD.items()]
    cluster = SLURMCluster(
        cores=1, processes=1, memory=memory, job_script_prologue=[*prologue, *exports]
    )
    cluster.scale(jobs=workers)
    return cluster
