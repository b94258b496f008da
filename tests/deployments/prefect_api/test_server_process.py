"""Garbage of SQLite connections, collected while one of them waits for the lock."""

import subprocess
import sys
from pathlib import Path

WAITING = """
import gc, sqlite3, sys, threading, time, weakref
from deployments.prefect_api import server_process

class Cycle:
    def __init__(self, cursor):
        self.itself, self.cursor = self, cursor

server_process.COLLECT_EVERY_S = 0.05
server_process.collect_in_a_thread()
options = {"isolation_level": None, "check_same_thread": False, "cached_statements": 1, "timeout": 30}
holder, waiter = (sqlite3.connect(sys.argv[1], **options) for _ in range(2))
cursor = waiter.cursor()
cursor.execute("create table t (x)")
cursor.execute("select 1")
waiter.execute("select 2").fetchall()  # the connection keeps its last statement only: the first is its cursor's alone
holder.execute("begin immediate")
got = []

def wait():
    try:
        waiter.execute("begin immediate")
        got.append("the lock")
    except sqlite3.OperationalError as error:
        got.append(error)

waits = threading.Thread(target=wait)
waits.start()
time.sleep(0.5)  # so that it waits in SQLite
garbage = Cycle(cursor)
freed = weakref.ref(garbage)
del cursor, garbage
kept = [[] for _ in range(100_000)]  # as a busy event loop allocates
holder.execute("commit")
waits.join()
while freed() is not None:
    time.sleep(0.05)
print(*got)
"""


def test_the_thread_that_holds_the_lock_goes_on_while_another_waits_for_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITING, str(tmp_path / "some.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("the lock\n", "")
