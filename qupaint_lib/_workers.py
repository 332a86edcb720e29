"""Processes that do one thing each, with one thread each, and end with whoever started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any

# A process for every core leaves none for the threads that BLAS and OpenCV would start.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"
)


@contextmanager
def process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start up to `count` fresh processes of one thread; an exception stops them at once.

    A script that calls this does so under ``if __name__ == "__main__":``, because each process
    reads the script again.
    """
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with _environment(ONE_THREAD):  # NumPy reads it when it is imported
        pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
        try:
            yield pool
        except BaseException:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def finished(
    executor: Executor, task: Callable, items: Iterable[tuple], *, in_flight: int
) -> Iterator[tuple[tuple, Any]]:
    """Yield (item, ``task(*item)``) as they come, with at most `in_flight` under way."""
    waiting, running = iter(items), {}
    while True:
        for item in islice(waiting, in_flight - len(running)):
            running[executor.submit(task, *item)] = item
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS use one thread, as it does in the processes: sums then round alike."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
