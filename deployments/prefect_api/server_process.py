"""The process of a local Prefect server: the `prefect` command, with two settings that it does not have.

**Garbage** is collected outside of its event loop. Python collects in the thread that happens to allocate, which is
mostly that of the event loop. Among the garbage are statements of SQLite connections, and freeing one waits while its
connection is at work. A connection that waits for SQLite's write lock is at work for up to a minute. The request that
holds the lock needs the event loop to go on. So the server answered nothing for a minute, until SQLite gave up with
`database is locked`. A thread that collects may wait.

**PostgreSQL** compiles none of its queries: `blocks/database/prefects.py`.
"""

import gc
import threading
import time
from itertools import count

COLLECT_EVERY_S = 1.0
ALL_GENERATIONS_EVERY = 60
"""Of so many collections one is of all objects, which takes a fifth of a second; the others are of the young ones."""


def main() -> None:
    """Run `prefect` with the arguments of this process."""
    from prefect.cli import app

    from blocks.database.prefects import compile_no_queries

    collect_in_a_thread()
    compile_no_queries()
    app()


def collect_in_a_thread() -> None:
    """Let a thread collect the garbage of this process from now on, and no other."""
    gc.disable()
    threading.Thread(target=_collect_for_ever, name="garbage collection", daemon=True).start()


def _collect_for_ever() -> None:
    for number in count(1):
        time.sleep(COLLECT_EVERY_S)
        gc.collect(2 if number % ALL_GENERATIONS_EVERY == 0 else 1)


if __name__ == "__main__":
    main()
