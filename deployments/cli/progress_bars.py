"""Progress on standard error, of a run or of a count: bars on a terminal, elsewhere a line every few seconds."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blocks import progress
from blocks.logs import log_ids
from blocks.records import CHUNK_STAGES, Stage
from deployments.cli.output import note, stderr, warn

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_EVERY_S = 5.0


@contextmanager
def show_progress(run_page: Callable[[str], str]) -> Iterator[None]:
    """Draw the progress of this process's run until the block ends; `run_page` gives the run's page in Prefect."""
    view = _Bars(run_page) if sys.stderr.isatty() else _Lines(run_page)
    unsubscribe = progress.subscribe(view.take)
    try:
        with view:
            yield
    finally:
        unsubscribe()


@contextmanager
def count_progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Draw how far a count is until the block ends; gives the function that takes what was done since its last call.

    `total` is None where nobody knows it.
    """
    if not sys.stderr.isatty():
        yield _Count(what).take
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr(), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


class _Count:
    """A line with the count, every few seconds."""

    def __init__(self, what: str) -> None:
        self._what, self._done = what, 0
        self._drawn_at = time.monotonic()

    def take(self, done: int) -> None:
        self._done += done
        if time.monotonic() - self._drawn_at >= LINE_EVERY_S:
            self._drawn_at = time.monotonic()
            note(f"{self._what}: {self._done:,}")


class _View:
    """Counts the documents that events report. Subclasses draw the counts. Lines that are logged name the run."""

    def __init__(self, run_page: Callable[[str], str]) -> None:
        self._run_page = run_page
        self._lock = threading.Lock()
        self._announced = False
        self._ids: dict[str, str] = {}
        self.counts = progress.Counts()

    def take(self, event: progress.Event) -> None:
        """Take one event, from any thread."""
        with self._lock:
            if not isinstance(event, progress.Waiting):
                self._ids = {"run": event.run_id}
            with log_ids(**self._ids):
                self._show(event)

    def _show(self, event: progress.Event) -> None:
        if isinstance(event, progress.Waiting):
            warn(f"waiting for {event.model}, at most {event.max_s:.0f} s: {event.why}")
            return
        if isinstance(event, progress.WaitingForRun):
            warn(f"{event.documents} documents wait for {event.other}")
            return
        if isinstance(event, progress.Shared):
            note(f"{event.workers} workers of the pool {event.pool} may join the run")
            return
        if not self._announced:
            self._announced = True
            note(f"Prefect UI: {self._run_page(event.run_id)}")
        self.counts.take(event)
        self.draw()

    def draw(self) -> None:
        """Show the current counts."""
        raise NotImplementedError


class _Bars(_View):
    def __enter__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description:>9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=stderr(),
        )
        self._discover = self._progress.add_task("discover", total=None)
        self._bars: dict[Stage, TaskID] = {}
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def draw(self) -> None:
        self._progress.update(self._discover, completed=self.counts.found)
        planned = self.counts.planned
        if planned is None:
            return
        if not self._bars:
            self._progress.update(self._discover, total=self.counts.found)
            self._bars = {s: self._progress.add_task(s.value, total=planned) for s in CHUNK_STAGES}
        for stage, bar in self._bars.items():
            self._progress.update(bar, completed=self.counts.passed[stage])


class _Lines(_View):
    def __enter__(self) -> None:
        self._drawn_at = time.monotonic()
        self._drawn = ""

    def __exit__(self, *_: object) -> None:
        if self._drawn and str(self.counts) != self._drawn:
            with log_ids(**self._ids):
                note(str(self.counts))

    def draw(self) -> None:
        if time.monotonic() - self._drawn_at < LINE_EVERY_S:
            return
        self._drawn_at = time.monotonic()
        self._drawn = str(self.counts)
        note(self._drawn)
