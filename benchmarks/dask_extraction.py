"""Extraction of PDFs over two processes: Dask's workers beside two processes that take chunks from one list.

Dask is no dependency: install `distributed` to run this. Both read the same chunks by the extract stage, with its
isolation, in turns, because a shared machine's speed drifts. The start of the processes is left out. Dask is taken
bare, without Prefect's task runner over it, which could only add to it. Its results go back to the scheduler, as those
of a task do; the other processes keep theirs, as workers do that write to the database.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from extraction import stage_loop, text_pdfs

CHUNK = 10
PROCESSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=2, help="how often each document is read in one round")
    options = parser.parse_args()
    paths = text_pdfs(options.data) * options.copies
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    with own_processes() as (tasks, done), dask_client() as client:
        contenders: dict[str, Callable[[], int]] = {
            "processes": lambda: by_processes(chunks, tasks, done),
            "dask": lambda: by_dask(chunks, client),
        }
        speeds: dict[str, list[float]] = {name: [] for name in contenders}
        sizes = {run() for run in contenders.values()}  # warms both up
        assert len(sizes) == 1, "both read the same"
        for _ in range(options.rounds):
            for name, run in contenders.items():
                started = time.perf_counter()
                run()
                speeds[name].append(len(paths) / (time.perf_counter() - started))
    print(f"{len(paths)} PDFs in {len(chunks)} chunks, {PROCESSES} processes, {options.rounds} rounds")
    for name, found in speeds.items():
        print(
            f"{name}: median {statistics.median(found):.1f} documents a second ({min(found):.1f} to {max(found):.1f})"
        )
    ratios = [dask / own for dask, own in zip(speeds["dask"], speeds["processes"], strict=True)]
    print(f"dask / processes: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


_extract: list[Any] = []


def extract(chunk: Sequence[Path]) -> bytes:
    """As many bytes as the outputs of a chunk have, read by the stage that this process keeps."""
    if not _extract:
        _extract.append(stage_loop())
    return bytes(_extract[0](chunk))


@contextmanager
def own_processes() -> Iterator[tuple["Queue[Any]", "Queue[Any]"]]:
    spawned = multiprocessing.get_context("spawn")
    tasks, done = spawned.Queue(), spawned.Queue()
    processes = [spawned.Process(target=_work, args=(tasks, done)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    yield tasks, done
    for _ in processes:
        tasks.put(None)
    for process in processes:
        process.join()


def _work(tasks: "Queue[Any]", done: "Queue[Any]") -> None:
    while (chunk := tasks.get()) is not None:
        done.put(len(extract(chunk)))


def by_processes(chunks: Sequence[Sequence[Path]], tasks: "Queue[Any]", done: "Queue[Any]") -> int:
    for chunk in chunks:
        tasks.put(chunk)
    return sum(done.get() for _ in chunks)


@contextmanager
def dask_client() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=PROCESSES, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def by_dask(chunks: Sequence[Sequence[Path]], client: Any) -> int:
    return sum(len(found) for found in client.gather(client.map(extract, chunks, pure=False)))


if __name__ == "__main__":
    main()
