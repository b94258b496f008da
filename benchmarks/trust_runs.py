"""What `winnow run` accepts when its only model reads truthfully, and when it lies: counted in the run's own database.

The real command, over HTTP, against the provider double with the readers of readers.py as its model, on the receipts
and the e-invoices (without their embedded XML), each with its type given: on the shipped route, and with `--model`.
`by it` counts accepted documents in which a value is the model's; the others the built-in reader read by itself.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from accuracy_fields import without_attachments
from readers import DATA, einvoices, receipts
from trust_paths import is_answerable

ROOT = Path(__file__).resolve().parents[1]
WINNOW = str(Path(sys.executable).parent / "winnow")
SETS = {"receipts": ("receipt", receipts), "einvoices": ("invoice", einvoices)}
WAYS: dict[str, tuple[str, ...]] = {"shipped route": (), "one model": ("--model", "reader")}
CURRENT = """
SELECT (SELECT min(uri) FROM sources WHERE sources.document_id = r.document_id), r.status, r.reasons, s.payload
FROM results r JOIN stage_outputs s ON s.document_id = r.document_id AND s.stage = 'score' AND s.is_current
WHERE r.is_current
"""


def main() -> None:
    sys.path.append(str(ROOT))
    from tests.doubles.model_provider.handle import ModelProviderDouble

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--set", choices=list(SETS), action="append", help="only this set; may be repeated")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, ModelProviderDouble() as provider:
        for name in options.set or SETS:
            document_type, cases = SETS[name]
            known = list(cases(options.data))
            answerable = {case.name for case in known if is_answerable(case)}
            source = _laid_out(options.data, name, {case.name for case in known}, Path(folder) / name)
            for way, arguments in WAYS.items():
                for reader in ("truthful", "lying"):
                    provider.script(hook=f"benchmarks.readers:{reader}")
                    home = Path(folder) / f"{name}-{way}-{reader}".replace(" ", "-")
                    found = _run(home, provider.url, source, document_type, arguments)
                    figures.append({"set": name, "way": way, "reader": reader, **_counts(found, answerable)})
                    print(json.dumps(figures[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _laid_out(data: Path, name: str, names: set[str], folder: Path) -> Path:
    """The documents of a set in a folder of their own."""
    folder.mkdir()
    if name == "receipts":
        for stem in names:
            (folder / f"{stem}.txt").write_bytes((data / "sroie_text" / "text" / f"{stem}.txt").read_bytes())
    else:
        for stem in names:
            content = (data / "einvoices" / "pdf" / f"{stem}.pdf").read_bytes()
            (folder / f"{stem}.pdf").write_bytes(without_attachments(content))
    return folder


def _run(home: Path, url: str, source: Path, document_type: str, arguments: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """A run in a folder of its own; the rows of `CURRENT`."""
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "READER_KEY": "sk-double", "COLUMNS": "200"}
    options = ("--provider", "openai", "--model", "up-reader", "--endpoint", f"{url}/v1", "--key-env", "READER_KEY")
    free = ("--input-price", "0.1", "--output-price", "0.4", "--tier", "cheap", "--in-flight", "8")
    for command in (
        ("models", "add", "reader", *options, *free),
        ("run", str(source), "--type", document_type, *arguments, "--json"),
        ("server", "stop"),
    ):
        done = subprocess.run(
            [WINNOW, *command], cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode:
            raise SystemExit(f"winnow {' '.join(command)}: {done.stdout}{done.stderr}")
    with sqlite3.connect(home / ".winnow" / "winnow.db") as connection:
        return connection.execute(CURRENT).fetchall()


def _counts(rows: list[tuple[Any, ...]], answerable: set[str]) -> dict[str, Any]:
    accepted = by_it = answered = 0
    reasons: Counter[str] = Counter()
    for uri, status, why, payload in rows:
        if status != "accepted":
            reasons.update(json.loads(why))
            continue
        scoring = json.loads(payload if payload.startswith(b"{") else zlib.decompress(payload))
        accepted += 1
        answered += Path(uri).stem in answerable
        by_it += any(field.get("signals") for field in scoring["fields"].values())
    return {
        "documents": len(rows),
        "accepted": accepted,
        "by it": by_it,
        "answerable": f"{answered} of {len(answerable)}",
        "reasons": dict(reasons.most_common(6)),
    }


if __name__ == "__main__":
    main()
