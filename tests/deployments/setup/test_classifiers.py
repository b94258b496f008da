"""Set-up trains the classifiers that a run needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODULE = ("-m", "deployments.setup.classifiers")

USE = """
import sys
from blocks.document_types.loader import load_document_types
from blocks.reader.enums import read_enum
from blocks.records import Page
from blocks.settings import load_settings
from tasks.classify.judge import TypeJudge

types = load_document_types(load_settings().document_types_dir)
post = types["moderation_item"]
(verdict,) = TypeJudge(types).judge(["what a lovely day at the lake this was"])
page = Page(number=1, method="parsed", text="what a lovely day")
print(verdict.method, verdict.scores, read_enum("label", post.fields["label"], post, (page,)), "sklearn" in sys.modules)
"""


def python(*arguments: str, cache: Path, types: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "WINNOW_DOCUMENT_TYPES_DIR": str(types)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_after_set_up_nothing_is_trained_and_without_a_cache_the_same_is_trained_each_time(tmp_path: Path) -> None:
    types, cache, no_folder = tmp_path / "types", tmp_path / "cache", tmp_path / "file"
    shutil.copytree(ROOT / "data" / "document_types" / "moderation_item", types / "moderation_item")
    for examples in types.rglob("*.jsonl"):  # a third of them is enough to train from, and takes less time
        examples.write_text("".join(examples.read_text().splitlines(keepends=True)[::3]))
    no_folder.write_text("a file where the cache's folder would have to be")
    done = python(*MODULE, cache=cache, types=types)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    warned = python(*MODULE, cache=no_folder / "cache", types=types)
    assert (warned.returncode, warned.stdout) == (0, "")
    assert warned.stderr.startswith("trained classifiers cannot be kept in ")
    assert warned.stderr.count("\n") == 1
    kept = python("-c", USE, cache=cache, types=types)
    trained = python("-c", USE, cache=no_folder / "cache", types=types)
    assert (kept.stderr, trained.stderr) == ("", warned.stderr)
    assert kept.stdout == trained.stdout.replace("True", "False") != trained.stdout


def test_types_with_mistakes_do_not_stop_set_up(tmp_path: Path) -> None:
    (tmp_path / "types" / "bill").mkdir(parents=True)
    (tmp_path / "types" / "bill" / "type.yaml").write_text("fields: 3\n")
    done = python(*MODULE, cache=tmp_path / "cache", types=tmp_path / "types")
    assert done.returncode == 0
    assert done.stderr.startswith("classifiers are not trained: ")
