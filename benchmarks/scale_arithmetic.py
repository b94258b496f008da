"""The arithmetic from measured figures to 100 million documents, as the tables of docs/scale.md.

Nothing is measured here: each constant has the benchmark that it is from. Other loads are options. Costs of calls are
left out: they depend on models, and `winnow backfill plan` has them from the ledger.
"""

import argparse
from collections.abc import Sequence

GB = 1e9
BYTES_A_ROW = {
    "stage_outputs": (630.3, 225.6, 4),
    "results": (723.1, 198.1, 1),
    "documents": (216.4, 109.2, 1),
    "sources": (125.6, 142.1, 1),
    "run_documents": (115.1, 261.9, 1),
}
"""Bytes of rows, bytes of indexes, and rows per document. `stage_outputs`: scale_partitions.py, on PostgreSQL. Others:
pages of SQLite (dbstat): 30,000 receipts of backfill_plan.py; `run_documents`: 20,000 documents of scale_cost.py."""
WORKER_CPU_MS = 11.4
"""Text documents with the built-in reader: benchmarks.md, "The flow's overhead"."""
CPU_US_A_ROW = {"random ids": 21.1, "ids that grow with time": 10.4}
WAL_BYTES_A_ROW = {"random ids": 2_746, "ids that grow with time": 1_458}
"""Inserts into `stage_outputs` at five million rows: scale_partitions.py."""
DELETED_WAL_BYTES_A_ROW = 1_746
TASK_RUNS_A_CHUNK = 5
DAY_S = 86_400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--days", type=int, default=365, help="in which the documents arrive (365)")
    parser.add_argument("--chunk", type=int, default=100, help="documents in a chunk (100)")
    arguments = parser.parse_args()
    sizes = sorted(arguments.documents)
    daily = [number / arguments.days for number in sizes]
    show("", [f"{number:,} documents" for number in sizes])
    show("---", ["---"] * len(sizes))
    for table, (rows, indexes, number) in BYTES_A_ROW.items():
        parts = [(rows * number * size / GB, indexes * number * size / GB) for size in sizes]
        show(f"`{table}`, rows + indexes", [f"{of_rows:,.1f} + {of_indexes:,.1f} GB" for of_rows, of_indexes in parts])
    a_document = sum((rows + indexes) * number for rows, indexes, number in BYTES_A_ROW.values())
    show(f"all, {a_document:,.0f} bytes a document", [f"{a_document * size / GB:,.0f} GB" for size in sizes])
    show("documents a day", [f"{number:,.0f}" for number in daily])
    show("cores that are busy all day, text", [f"{number * WORKER_CPU_MS / 1_000 / DAY_S:,.2f}" for number in daily])
    for order, bytes_ in WAL_BYTES_A_ROW.items():
        show(f"WAL of outputs a day, {order}", [f"{4 * number * bytes_ / GB:,.2f} GB" for number in daily])
    for order, microseconds in CPU_US_A_ROW.items():
        seconds = [4 * number * microseconds / 1e6 for number in daily]
        show(f"CPU of the server for outputs a day, {order}", [f"{each:,.1f} s" for each in seconds])
    deleted = [30 * 4 * number * DELETED_WAL_BYTES_A_ROW / GB for number in daily]
    show("WAL to forget 30 days of outputs by DELETE", [f"{each:,.1f} GB" for each in deleted])
    show("task runs in Prefect a day", [f"{number / arguments.chunk * TASK_RUNS_A_CHUNK:,.0f}" for number in daily])


def show(name: str, cells: Sequence[str]) -> None:
    print(f"| {name} | {' | '.join(cells)} |" if name != "---" else f"|{'---|' * (len(cells) + 1)}")


if __name__ == "__main__":
    main()
