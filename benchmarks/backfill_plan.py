"""How long `winnow backfill plan` takes after an edit of a type, by the number of documents.

Receipts are read once by the real stages and copied under other ids, with their outputs and results, in SQLite.
Fingerprints hold a document's id in extract alone, so the copies have other ones there. Then the bands of the type are
edited, and the command is measured in a process of its own, imports included.
"""

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    figures = []
    for number in arguments.documents:
        with tempfile.TemporaryDirectory() as scratch:
            figures.append(measure(Path(scratch), number))
            print(figures[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(scratch: Path, number: int) -> dict[str, float]:
    """Seconds and CPU seconds of the command, and how many documents it planned."""
    shutil.copytree(ROOT / "data" / "document_types", scratch / "types")
    names = {"DATABASE_URL": f"sqlite:///{scratch / 'winnow.db'}", "DOCUMENT_TYPES_DIR": str(scratch / "types")}
    environment = os.environ | {f"WINNOW_{name}": value for name, value in names.items()} | {"HOME": str(scratch)}
    subprocess.run([sys.executable, __file__, "--fill", str(scratch), str(number)], env=environment, check=True)
    file = scratch / "types" / "receipt" / "type.yaml"
    text = file.read_text()
    file.write_text(text.replace("min_ocr_confidence: 0.6", "min_ocr_confidence: 0.5"))
    assert file.read_text() != text
    command = [str(Path(sys.executable).parent / "winnow"), "backfill", "plan", "--json"]
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    wall_s, after = time.perf_counter() - started, os.times()
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    planned = json.loads(done.stdout)["documents"]
    return {"documents": planned, "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2)}


def fill(scratch: Path, number: int) -> None:
    """Read receipts by the real stages, and copy them until there are `number`."""
    from blocks.database.engine import close_database
    from blocks.records import Batch, Document, Stage
    from tasks.backfill.plain import without_prefect
    from tasks.discover.batch import record_sources
    from tasks.runs.chunk import RunContext
    from tasks.runs.pipeline import process_chunks
    from tasks.runs.prepare import handed_over, load_types, prepare_run
    from tasks.runs.run import open_run
    from tasks.stages import PIPELINE

    folder = scratch / "in"
    folder.mkdir()
    for index in range(READ):
        (folder / f"{index}.txt").write_text(
            f"CORNER SHOP {index} SDN BHD\n12 MAIN STREET\nTAX INVOICE\nDATE: {1 + index % 28:02}/03/2018 10:15\n"
            f"BREAD 1 x 2.50\nTOTAL RM {index + 2}.50\nCASH 100.00\nTHANK YOU\n"
        )
    batch = Batch(sources=(str(folder),), document_type="receipt")
    prepared = prepare_run(load_types("receipt"), (), with_blocks=False)
    with handed_over(prepared), open_run(RunContext(run_id="first"), batch, without_prefect(PIPELINE)) as run:
        record_sources(run, batch)
        process_chunks(run)
        extract = run.works[Stage.EXTRACT]
        close_database(run.database)

    with sqlite3.connect(scratch / "winnow.db") as database:
        template = Document("", "", "text/plain", 0)
        ids = [row[0] for row in database.execute("select document_id from documents")]

        def copies() -> Iterator[tuple[str, str, str]]:
            for index in range(number - len(ids)):
                of = ids[index % len(ids)]
                id_ = hashlib.sha256(f"{of} {index}".encode()).hexdigest()
                yield of, id_, extract.fingerprint(replace(template, document_id=id_))

        database.execute("create temp table copies (of_id text, id text, extract text)")
        database.executemany("insert into copies values (?, ?, ?)", copies())
        changed = {
            "document_id": "copies.id",
            "fingerprint": "case stage when 'extract' then copies.extract else fingerprint end",
        }
        for table in ("documents", "sources", "stage_outputs", "results"):
            columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
            replaced = changed if table == "stage_outputs" else {"document_id": "copies.id"}
            values = ", ".join(replaced.get(column, f"t.{column}") for column in columns)
            database.execute(
                f"insert into {table} select {values} from {table} t join copies on copies.of_id = t.document_id "
                "order by copies.id"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fill"]:
        fill(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
