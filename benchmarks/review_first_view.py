"""Times of the first view of a page at the review page, each of a process that has just begun to answer.

python benchmarks/review_first_view.py [--starts 5] [--documents FOLDER of PDF files]

Two documents of the folder go through `winnow run`. Then `winnow review serve` starts anew for each row, without kept
pictures. A client with a session asks for an item and then for the picture of its first page: at once, or when the
process has been idle for a second. The second document of the process follows. CPU is that of the page with its drawing
processes, from the request to the picture: on a shared machine, the wall clock is more.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
from review import WINNOW, serving
from sqlalchemy import select

from blocks.database.engine import open_database
from blocks.database.review import users
from blocks.database.review.sessions import open_session
from blocks.database.review.tables import review
from blocks.review.records import Role
from deployments.review_app.call import SESSION_COOKIE

ROOT = Path(__file__).resolve().parents[1]
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
IDLE_S = 1.0


def main() -> None:
    """Print the median and the slowest of HTML, picture and both, in milliseconds, and the CPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=ROOT.parent / "shared" / "data" / "invoice2data")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    files = sorted(options.documents.rglob("*.pdf"))[:2]
    if len(files) < 2:
        print(f"skipped: {options.documents} has no two PDF files")
        return
    with tempfile.TemporaryDirectory() as temporary:
        measure(files, options.starts, Path(temporary))


def measure(files: list[Path], starts: int, work: Path) -> None:
    """Read the files, and view them."""
    url = f"sqlite:///{work / 'review.db'}"
    environment = os.environ | {"HOME": str(work), "PREFECT_HOME": str(work / "prefect"), "WINNOW_DATABASE_URL": url}
    try:
        subprocess.run([WINNOW, "run", *map(str, files)], env=environment, check=True)
    finally:
        subprocess.run([WINNOW, "server", "stop"], env=environment, check=False)
    database = open_database(url)
    users.add_user(database, "ann", Role.REVIEWER, None)
    with database.read() as connection:
        ids = connection.execute(select(review.c.review_id).order_by(review.c.review_id)).scalars().all()
    if len(ids) < 2:
        sys.exit("the documents do not wait for a person; give others")
    session = open_session(database, "ann")
    for when in ("at once", "when idle"):
        first, second = [], []
        for number in range(starts):
            cache = work / f"{when} {number}"
            serves = serving(environment | {"XDG_CACHE_HOME": str(cache)})
            with serves as address, httpx.Client(base_url=address, cookies={SESSION_COOKIE: session}) as client:
                client.timeout = httpx.Timeout(120)
                if when == "when idle":
                    wait_until_idle(environment)
                first.append(view(client, ids[0], environment))
                second.append(view(client, ids[1], environment))
        show(f"first view, {when}", first)
        show("  the next document", second)


def view(client: httpx.Client, review_id: int, environment: Mapping[str, str]) -> tuple[float, float, float]:
    """Seconds until the HTML, from there until the picture, and of CPU."""
    cpu_s, started = page_cpu_s(environment), time.perf_counter()
    client.get(f"/items/{review_id}").raise_for_status()
    read = time.perf_counter()
    client.get(f"/items/{review_id}/pages/1").raise_for_status()
    return read - started, time.perf_counter() - read, page_cpu_s(environment) - cpu_s


def wait_until_idle(environment: Mapping[str, str]) -> None:
    """Wait until the page has used no CPU for `IDLE_S`."""
    used_s, since = page_cpu_s(environment), time.monotonic()
    while time.monotonic() - since < IDLE_S:
        time.sleep(0.05)
        now_s = page_cpu_s(environment)
        if now_s > used_s + TICK_S:
            used_s, since = now_s, time.monotonic()


def page_cpu_s(environment: Mapping[str, str]) -> float:
    """CPU time of the processes with this database."""
    wanted = f"WINNOW_DATABASE_URL={environment['WINNOW_DATABASE_URL']}".encode()
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15]))  # of the process, and of its children that have ended
        except OSError:  # another user's, or gone
            continue
    return total * TICK_S


def show(name: str, views: list[tuple[float, float, float]]) -> None:
    """A line: wall clock and CPU."""
    html, picture, cpu = ([1000 * seconds for seconds in column] for column in zip(*views, strict=True))
    both = [one + other for one, other in zip(html, picture, strict=True)]
    print(
        f"{name}: HTML {statistics.median(html):.0f} ms, picture {statistics.median(picture):.0f} ms, "
        f"both {statistics.median(both):.0f} ms (slowest {max(both):.0f} ms); CPU {statistics.median(cpu):.0f} ms"
    )


if __name__ == "__main__":
    main()
