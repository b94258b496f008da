"""What becomes of the field cases: small inputs after public bug reports, each folder of them a kind of fault.

All folders run through the real `winnow` command into a fresh SQLite database. field_cases.yaml says what is right, per
folder and file; the table counts the documents per folder that are

- right: accepted with every value that is stated, or failed where that is right
- review: in review, with their reasons, whose truth a person must judge
- WRONG: accepted with another value, or where nothing may be accepted; or read without a text that is on the page
- lost: an expected document for which there is no row
- not judged: nothing is stated about them

    python benchmarks/field_cases.py                      # all folders
    python benchmarks/field_cases.py --only '0*' -v       # some folders, each document with its values
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from digest import ROOT, SETS, Winnow, laid_out
from digest_rows import without_folder
from ruamel.yaml import YAML
from sqlalchemy import create_engine, text

from blocks.database.payloads import unpack
from blocks.records import Extraction
from blocks.values.typed_values import fold

EXPECTED = Path(__file__).with_suffix(".yaml")
NAME = "field_cases"
RIGHT, REVIEW, WRONG, LOST, FAILED, NOT_JUDGED = "right", "review", "WRONG", "lost", "failed", "not judged"
DOCUMENTS = """
SELECT s.document_id, MIN(s.uri) AS uri, r.document_type, r.status, r.confidence, r.reasons, r.fields, f.kind, e.payload
FROM sources s
LEFT JOIN results r ON r.document_id = s.document_id AND r.is_current
LEFT JOIN failures f ON f.document_id = s.document_id
LEFT JOIN stage_outputs e ON e.document_id = s.document_id AND e.stage = 'extract' AND e.is_current
GROUP BY s.document_id ORDER BY uri
"""


@dataclass(frozen=True)
class Expected:
    """What is right for a file: the values of its documents, and texts that they show, or must not show.

    Without `values`, `accepted` says whether any document of the file may be accepted.
    """

    values: tuple[Mapping[str, Any], ...] = ()
    accepted: bool = True
    failure: str = ""
    text: tuple[str, ...] = ()
    not_text: tuple[str, ...] = ()


@dataclass
class Found:
    """A document as the run left it."""

    name: str
    document_type: str | None
    status: str
    confidence: float | None
    reasons: list[str]
    fields: dict[str, Any]
    text: str
    verdict: str = NOT_JUDGED
    wrong: list[str] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, str]:
        """Its folder, and the file in it."""
        folder, _, rest = self.name.partition("/")
        return folder, rest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="whose .venv/bin/winnow runs")
    parser.add_argument("--only", default="*", help="folders, as a pattern")
    parser.add_argument("-v", "--verbose", action="store_true", help="each document with its values")
    parser.add_argument("--json", type=Path, help="write what was found here as well")
    options = parser.parse_args()
    if not (options.data / NAME).is_dir():
        print(f"skipped: {options.data / NAME} is not there")
        return
    found = run(options.checkout.resolve(), options.data, options.only)
    rules = YAML(typ="safe").load(EXPECTED.read_text(encoding="utf-8"))
    lost = list(judge(found, rules))
    show(found, lost, verbose=options.verbose)
    if options.json:
        rows = [{key: value for key, value in vars(document).items() if key != "text"} for document in found]
        options.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.exit(1 if lost or any(document.verdict == WRONG for document in found) else 0)


def run(checkout: Path, data: Path, only: str) -> list[Found]:
    """Every document of the folders whose names match `only`, after a run over them."""
    with tempfile.TemporaryDirectory(prefix="winnow-field-") as scratch:
        home = Path(scratch)
        winnow, source = Winnow(checkout / ".venv" / "bin" / "winnow", home), laid_out(data, NAME, home / "documents")
        for folder in (source / NAME).iterdir():
            if not fnmatch(folder.name, only):
                shutil.rmtree(folder)
        url = f"sqlite:///{home / NAME}.db"
        try:
            winnow(url, "run", str(source), "--json", variables=SETS[NAME].variables)
        finally:
            winnow("", "server", "stop")
        return list(_documents(url, home))


def _documents(url: str, home: Path) -> Iterator[Found]:
    engine = create_engine(url)
    with engine.connect() as connection:
        for row in connection.execute(text(DOCUMENTS)).mappings():
            payload = row["payload"]
            shown = Extraction.model_validate_json(unpack(payload)).visible_text if payload else ""
            yield Found(
                name=without_folder(row["uri"], home).removeprefix("file://").removeprefix(f"{NAME}/"),
                document_type=row["document_type"],
                status=f"{FAILED} {row['kind']}" if row["kind"] else row["status"] or "no row",
                confidence=row["confidence"],
                reasons=json.loads(row["reasons"] or "[]"),
                fields=json.loads(row["fields"] or "{}"),
                text=shown,
            )
    engine.dispose()


def judge(found: Sequence[Found], rules: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Give each document its verdict; yields the expected documents that are not there."""
    by_file: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for document in found:
        folder, rest = document.place
        for pattern, rule in rules.get(folder, {}).items():
            if fnmatch(rest, pattern) or fnmatch(rest, f"{pattern}#*") or fnmatch(rest, f"{pattern}/*"):
                _judge(document, _expected(rule))
                by_file[folder, pattern].append(document)
                break
    folders = {document.place[0] for document in found}
    for folder in folders & rules.keys():
        for pattern, rule in rules[folder].items():
            for values in _expected(rule).values:
                if "*" not in pattern and not _is_accounted_for(by_file[folder, pattern], values):
                    yield f"{folder}/{pattern}: no document with {dict(values)}"


def _expected(rule: Mapping[str, Any]) -> Expected:
    listed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in rule.items()}
    return Expected(**listed)


def _judge(document: Found, expected: Expected) -> None:
    """Set the verdict of a document, and what is wrong with it."""
    document.wrong = [f"no {part!r}" for part in expected.text if fold(part) not in fold(document.text)]
    document.wrong += [f"has {part!r}" for part in expected.not_text if fold(part) in fold(document.text)]
    if document.status.startswith(FAILED):
        document.verdict = RIGHT if expected.failure and expected.failure in document.status else FAILED
        return
    if document.status == "accepted":
        differences = [list(_differences(document, values)) for values in expected.values]
        closest: list[str] = min(differences, key=len, default=[])
        document.wrong += closest
        if not expected.accepted:
            document.wrong.append("accepted")
    is_read = bool(expected.text or expected.not_text) and not expected.values
    document.verdict = WRONG if document.wrong else REVIEW if document.status != "accepted" and not is_read else RIGHT


def _differences(document: Found, values: Mapping[str, Any]) -> Iterator[str]:
    for name, wanted in values.items():
        value = document.document_type if name == "document_type" else document.fields.get(name)
        if not _is_same(value, wanted):
            yield f"{name} {value!r}, not {wanted!r}"


def _is_same(value: Any, wanted: Any) -> bool:
    """Whether a value is the wanted one; of a list of rows each must have what is wanted of it."""
    if isinstance(wanted, list):
        rows = value if isinstance(value, list) else []
        return len(rows) == len(wanted) and all(map(_is_same, rows, wanted))
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(_is_same(value.get(key), part) for key, part in wanted.items())
    return (None if value is None else fold(str(value))) == (None if wanted is None else fold(str(wanted)))


def _is_accounted_for(documents: Sequence[Found], values: Mapping[str, Any]) -> bool:
    """Whether a document has the values, or one is in review or failed, where a person sees it."""
    return any(document.status != "accepted" or not any(_differences(document, values)) for document in documents)


def show(found: Sequence[Found], lost: Sequence[str], *, verbose: bool) -> None:
    """Print the table of folders, and what is wrong."""
    folders: dict[str, list[Found]] = defaultdict(list)
    for document in found:
        folders[document.place[0]].append(document)
    print("| kind | right | review | failed | wrong | not judged | reasons |\n|---|---|---|---|---|---|---|")
    for folder, documents in sorted(folders.items()):
        counts = Counter(document.verdict for document in documents)
        reasons = Counter(reason for document in documents if document.verdict == REVIEW for reason in document.reasons)
        cells = [str(counts[verdict] or "") for verdict in (RIGHT, REVIEW, FAILED, WRONG, NOT_JUDGED)]
        print(f"| {folder} | {' | '.join(cells)} | {', '.join(reasons)} |")
    total = Counter(document.verdict for document in found)
    print(f"\n{', '.join(f'{verdict} {count}' for verdict, count in sorted(total.items()))}, {LOST} {len(lost)}")
    for document in found:
        if document.wrong or verbose:
            sure = "" if document.confidence is None else f" {document.confidence:.2f}"
            print(f"{document.verdict}: {document.name}: {document.document_type} {document.status}{sure}")
            print("".join(f"    {line}\n" for line in (*document.wrong, *document.reasons)), end="")
        if verbose:
            print(f"    {json.dumps(document.fields, ensure_ascii=False)}")
    for line in lost:
        print(f"{LOST}: {line}")


if __name__ == "__main__":
    main()
