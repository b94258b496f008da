"""The rows of digest.py: read from a database, kept in a file, compared.

Left out, because two equal runs differ in them: `run_id`, `review_id` and all times. Of times, what matters is kept:
`resolved_at` becomes `is_resolved`, and `due_at` and `notice_at` become the seconds from the opening of the item. Left
out as well: `fingerprint`, a digest of the types, settings and stage versions, which may change although the outcome
does not. The folder of the run is cut out of messages, and so are seconds and the addresses in memory that python-docx
gives. Rows are ordered by their own text, and objects in JSON columns by key.
"""

import base64
import hashlib
import json
import re
import subprocess
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

TABLES = ("results", "review", "failures")
LEFT_OUT = {"run_id", "review_id", "fingerprint", "created_at", "decided_at", "first_at", "last_at"}
CHANGING = re.compile(r"0x[0-9a-f]{6,}|\d+(\.\d+)?(?= s\b)")
"""Addresses in memory and seconds, in messages."""

Row = dict[str, Any]
Rows = dict[str, list[Row]]


@dataclass(frozen=True)
class Stored:
    """The rows of a database by table, the names of its documents, and how long its runs took."""

    rows: Rows
    names: Mapping[str, str]
    seconds: float


def read(url: str, home: Path, seconds: float) -> Stored:
    """The rows of a database as they are compared, and the names of the documents."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {
            table: sorted(
                (canonical(dict(row), home) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()),
                key=written,
            )
            for table in TABLES
        }
        sources = connection.execute(text("SELECT document_id, MIN(uri) FROM sources GROUP BY document_id")).all()
    engine.dispose()
    names = {id_: without_folder(uri, home) for id_, uri in sources}
    return Stored(rows, names, round(seconds, 1))


def canonical(row: Row, home: Path) -> Row:
    """A row without what differs between equal runs, the same from SQLite and PostgreSQL."""
    if "resolved_at" in row:
        row["is_resolved"] = row.pop("resolved_at") is not None
    for name in {"due_at", "notice_at"} & row.keys():
        then, opened = moment(row.pop(name)), moment(row["created_at"])
        row[name.replace("_at", "_after_s")] = (then - opened).total_seconds() if then and opened else None
    kept = {name: value for name, value in row.items() if name not in LEFT_OUT}
    return {name: plain(value, home) for name, value in kept.items()}


def moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def plain(value: Any, home: Path) -> Any:
    """A value of a column: JSON that SQLite gives as text becomes objects, a truth value 0 or 1."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        value = json.loads(value)
    if isinstance(value, str):
        value = CHANGING.sub("?", without_folder(value, home))
    return int(value) if isinstance(value, bool) else value


def without_folder(value: str, home: Path) -> str:
    return value.replace(f"{home}/documents/", "")


def written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def digest(rows: Any) -> str:
    return hashlib.sha256(written(rows).encode()).hexdigest()


# --- files and comparison


def show(key: str, stored: Stored) -> None:
    counts = "  ".join(f"{table} {len(stored.rows[table]):4}" for table in TABLES)
    print(f"{key:26} {counts}  {digest(stored.rows)}  {stored.seconds:6.1f} s", flush=True)


def save(out: Path, checkout: Path, found: Mapping[str, Stored]) -> None:
    """Write the digests, of each document as well, and the rows, compressed."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=False)
    sets = {
        key: {
            "sha256": digest(stored.rows),
            "counts": {table: len(rows) for table, rows in stored.rows.items()},
            "seconds": stored.seconds,
            "documents": {
                f"{name} {id_[:8]}": {table: digest(rows)[:16] for table, rows in by_document(stored.rows)[id_].items()}
                for id_, name in sorted(stored.names.items(), key=lambda pair: pair[1])
            },
            "rows": base64.b64encode(zlib.compress(written([stored.rows, stored.names]).encode(), 9)).decode(),
        }
        for key, stored in found.items()
    }
    out.write_text(json.dumps({"commit": commit.stdout.strip(), "sets": sets}, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> dict[str, Stored]:
    found = {}
    for key, kept in json.loads(path.read_text(encoding="utf-8"))["sets"].items():
        rows, names = json.loads(zlib.decompress(base64.b64decode(kept["rows"])))
        found[key] = Stored(rows, names, kept["seconds"])
    return found


def by_document(rows: Rows) -> dict[str, Rows]:
    """For each document its rows by table."""
    found: dict[str, Rows] = defaultdict(lambda: {table: [] for table in TABLES})
    for table, listed in rows.items():
        for row in listed:
            found[row["document_id"]][table].append(row)
    return found


def compare_databases(found: Mapping[str, Stored], without: frozenset[str]) -> int:
    """Print what differs between the two databases of each set; gives how many documents and columns do."""
    sqlite = {key: stored for key, stored in found.items() if key.endswith("/sqlite")}
    pairs = [(key, stored, found.get(key.replace("/sqlite", "/postgresql"))) for key, stored in sqlite.items()]
    return sum(compare(f"{key} and postgresql", stored, other, without) for key, stored, other in pairs if other)


def compare(title: str, first: Stored, second: Stored, without: frozenset[str]) -> int:
    """Print each document, table and column that differs; gives how many do."""
    names = {**second.names, **first.names}
    before, after = by_document(first.rows), by_document(second.rows)
    counts: Counter[str] = Counter()
    for id_ in sorted({*before, *after}, key=lambda document_id: (names.get(document_id, ""), document_id)):
        for table in TABLES:
            for place, old, new in differences_of(table, before[id_][table], after[id_][table]):
                column = ".".join(place.split(".")[:2])
                if column not in without:
                    counts[column] += 1
                    print(f"  {title}: {names.get(id_, '')} {id_[:8]}: {place}: {short(old)} -> {short(new)}")
    print(f"{title}: {', '.join(f'{column} differs in {n}' for column, n in counts.items()) or 'equal'}", flush=True)
    return counts.total()


def differences_of(table: str, before: list[Row], after: list[Row]) -> Iterator[tuple[str, Any, Any]]:
    """``table.column``, or ``table.column.key`` of an object, with both values, where rows of a document differ."""
    if len(before) != len(after):
        yield f"{table}.rows", len(before), len(after)
        return
    for old, new in zip(before, after, strict=True):
        for column in sorted({*old, *new}):
            first, second = old.get(column, "no such column"), new.get(column, "no such column")
            if isinstance(first, dict) and isinstance(second, dict):
                for key in sorted({*first, *second}):
                    if written(first.get(key)) != written(second.get(key)):
                        yield f"{table}.{column}.{key}", first.get(key), second.get(key)
            elif written(first) != written(second):
                yield f"{table}.{column}", first, second


def short(value: Any) -> str:
    line = written(value)
    return line if len(line) <= 160 else f"{line[:157]}..."
