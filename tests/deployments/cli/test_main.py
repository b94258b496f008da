"""The `winnow` command as a user types it: help, wrong usage, and the shapes that other things build on."""

from pathlib import Path

import pytest

from tests.winnow_command import winnow, winnow_process

COMMANDS = (
    "run", "extract", "results", "review list", "review next", "review show",
    "review claim", "review release", "review accept", "review correct", "review reject", "review reclassify",
    "review unreadable", "review escalate", "review return", "review verify", "review apply",
    "review undo", "review export", "review import", "failures", "types list", "types show", "types check",
    "models list", "models add", "models set", "models enable", "models disable", "models pause", "models resume",
    "models test", "models calls", "server status", "server stop", "doctor", "db upgrade", "db grant",
    "db revoke", "db current",
)  # fmt: skip


def test_the_version_is_told(tmp_path: Path) -> None:
    assert winnow_process("--version", cwd=tmp_path).stdout.startswith("0.1")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    done = winnow(*command.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.split("Usage:")[1].strip().splitlines()) > 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "give a source"),
        (["run", "nowhere"], "nowhere does not exist"),
        (["run", ".", "--from-database"], "not both"),
        (["run", ".", "--status", "failed"], "--from-database"),
        (["run", ".", "--type", "lettre"], "no document type is called 'lettre'"),
        (["run", ".", "--limit", "0"], "limit"),
        (["run", ".", "--rerun", "sometimes"], "'--rerun': 'sometimes' is not one of"),
        (["run", "nowhere/*.xyz"], "no file matches nowhere/*.xyz"),
        (["run", ".", "--budget", "nan"], "--budget is 'nan'"),
        (["types", "show", "lettre"], "no document type is called 'lettre'"),
        (["results", "--format", "xml"], "xml"),
        (["extract", "nowhere"], "nowhere does not exist"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    command = winnow_process if arguments == ["run"] else winnow
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_reading_commands_without_a_database_say_what_makes_one(tmp_path: Path) -> None:
    for command in (["results"], ["failures"], ["review", "list"], ["db", "current"]):
        done = winnow(*command, cwd=tmp_path)
        assert done.returncode == 1
        assert "winnow run" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / ".winnow").exists()


def test_results_of_an_unknown_type_are_wrong_usage(tmp_path: Path) -> None:
    assert winnow("db", "upgrade", cwd=tmp_path).returncode == 0
    done = winnow("results", "--type", "lettre", cwd=tmp_path)
    assert done.returncode == 2
    assert "no document type is called 'lettre'" in done.stderr
    known = winnow("results", "--type", "invoice", cwd=tmp_path)
    assert (known.returncode, "no results match" in known.stdout + known.stderr) == (0, True)


def test_extract_ends_with_1_if_nothing_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("hello")
    (tmp_path / "empty.txt").write_text("")
    assert winnow("extract", ".", cwd=tmp_path).returncode == 0
    done = winnow("extract", "empty.txt", cwd=tmp_path)
    assert (done.returncode, "failed: empty:" in done.stderr) == (1, True)


def test_a_path_without_types_is_told_to_be_corrected(tmp_path: Path) -> None:
    done = winnow("types", "check", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "nowhere:1: there is no such folder; correct the path\n")


def test_an_unreachable_database_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    url = "postgresql+psycopg://someone:hunter2@127.0.0.1:9/none"
    done = winnow("run", "a.txt", "--database", url, cwd=tmp_path, WINNOW_DATABASE_OUTAGE_WAIT_S="0")
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert "Prefect" not in done.stderr


def test_a_misspelt_setting_is_named_on_a_line_and_the_command_goes_on(tmp_path: Path) -> None:
    done = winnow("types", "check", cwd=tmp_path, WINNOW_CHUNKSIZE="5")
    assert done.returncode == 0
    assert done.stderr.count("did you mean WINNOW_CHUNK_SIZE?") == 1


def test_an_unreachable_prefect_api_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    done = winnow_process("run", "a.txt", cwd=tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 1
    assert "http://127.0.0.1:9/api does not answer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"), [("WINNOW_CHUNK_SIZE", "abc"), ("WINNOW_OCR_ENGINE", "foo"), ("WINNOW_MAX_PAGES", "-1")]
)
def test_a_setting_that_cannot_be_is_wrong_usage(variable: str, value: str, tmp_path: Path) -> None:
    done = winnow("doctor", cwd=tmp_path, **{variable: value})
    assert done.returncode == 2
    assert f"{variable} is '{value}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_says_that_a_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / ".winnow").mkdir()
    (tmp_path / ".winnow" / "winnow.db").write_bytes(b"no database at all, " * 100)
    done = winnow("doctor", cwd=tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 1
    assert "cannot be used" in done.stdout


def test_types_list_and_show(tmp_path: Path) -> None:
    listed = winnow("types", "list", cwd=tmp_path)
    assert listed.returncode == 0
    for name in ("receipt", "invoice", "resume", "support_ticket", "moderation_item"):
        assert name in listed.stdout
    shown = winnow("types", "show", "receipt", cwd=tmp_path)
    for field in ("company", "date", "total", "currency", "address"):
        assert field in shown.stdout


def test_types_check_names_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "types" / "letter"
    folder.mkdir(parents=True)
    (folder / "type.yaml").write_text("name: letter\ntitle: Letter\nfields:\n  sender: {tipe: text}\n")
    done = winnow("types", "check", "types", cwd=tmp_path)
    assert done.returncode == 1
    assert "type.yaml:4" in done.stderr
    assert "tipe" in done.stderr


def test_types_check_names_a_default_that_its_field_cannot_have(tmp_path: Path) -> None:
    folder = tmp_path / "types" / "letter"
    folder.mkdir(parents=True)
    (folder / "type.yaml").write_text("title: Letter\nfields:\n  weight: {type: number, default: heavy}\n")
    done = winnow("types", "check", "types", cwd=tmp_path)
    assert done.returncode == 1
    assert "type.yaml:3: 'heavy' is no number" in done.stderr


def test_server_status_without_a_server(tmp_path: Path) -> None:
    done = winnow("server", "status", cwd=tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 0
    assert "no local Prefect server" in done.stdout


def test_doctor_names_what_is_there(tmp_path: Path) -> None:
    done = winnow_process("doctor", cwd=tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 0, done.stdout + done.stderr
    for what in ("winnow", "OCR", "database", "Prefect API", "document types"):
        assert what in done.stdout


TYPE = "name: note\ntitle: Note\nfields:\n  day:\n    type: date\n    default: '{default}'\n"


@pytest.mark.parametrize(("default", "mistakes"), [("2026-01-31", 0), ("no day at all", 1)])
def test_doctor_reads_defaults_and_leaves_expectations_to_types_check(
    tmp_path: Path, default: str, mistakes: int
) -> None:
    note = tmp_path / "types" / "note"
    note.mkdir(parents=True)
    (note / "type.yaml").write_text(TYPE.format(default=default))
    done = winnow(
        "doctor",
        cwd=tmp_path,
        XDG_STATE_HOME=str(tmp_path / "state"),
        WINNOW_DOCUMENT_TYPES_DIR=str(tmp_path / "types"),
    )
    assert done.returncode == (1 if mistakes else 0), done.stdout + done.stderr
    assert ("1 mistake in" if mistakes else "also tries their expectations") in " ".join(done.stdout.split())


def test_an_argument_that_is_no_text_is_wrong_usage(tmp_path: Path) -> None:
    assert winnow("db", "upgrade", cwd=tmp_path).returncode == 0
    done = winnow("results", "--after", "caf\udce9", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: caf\\xe9 is not UTF-8; only paths of files may be so\n")
