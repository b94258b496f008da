"""Expectations about the whole, computed in real databases by a connection that can only read."""

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from blocks.database.engine import Database
from blocks.database.results.views import create_views, view_name
from blocks.document_types.expectations import VIEW_COLUMNS
from blocks.document_types.schema import DocumentField, DocumentType, Expectation, FieldType
from tasks.validate import type_expectations
from tasks.validate.type_expectations import TypeFinding, check_results

VIEW = "results_bill"


def expectation(name: str, type_: str, severity: str = "warn", **kwargs: object) -> Expectation:
    return Expectation.model_validate({"name": name, "type": type_, "severity": severity, "kwargs": kwargs})


def bill(*expectations: Expectation) -> DocumentType:
    return DocumentType(
        name="bill",
        title="Bill",
        fields={
            "number": DocumentField(type=FieldType.TEXT),
            "total": DocumentField(type=FieldType.MONEY),
            "issued": DocumentField(type=FieldType.DATE),
            "Größe X": DocumentField(type=FieldType.TEXT),
        },
        expectations=expectations,
    )


BILL = bill(
    expectation("no_duplicates", "ExpectColumnValuesToBeUnique", "fail", column="number"),
    expectation("mostly_sized", "ExpectColumnValuesToNotBeNull", column="Größe X", mostly=0.5),
    expectation("row_level", "ExpectColumnValuesToNotBeNull", column="total"),
    expectation("not_from_the_future", "ExpectColumnMaxToBeBetween", column="issued", max_value="2030-01-01"),
    expectation("not_too_old", "ExpectColumnValuesToBeBetween", column="issued", min_value="2020-01-02", mostly=0.9),
    expectation("mean", "ExpectColumnMeanToBeBetween", column="total", max_value=5),
    expectation("numbered", "ExpectColumnValuesToMatchLikePattern", column="number", like_pattern="R%"),
    expectation("dear", "UnexpectedRowsExpectation", unexpected_rows_query="SELECT * FROM {batch} WHERE total > 8"),
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def results_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with a view of ten bills, two of which share a number."""
    if request.param == "sqlite":
        folder = tmp_path / "a folder, größer"
        folder.mkdir()
        url = f"sqlite:///{folder / 'winnow.db'}"
    else:
        url = request.getfixturevalue("postgres_database").url.get_secret_value()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text('CREATE TABLE bills (number text, total numeric, issued date, "Größe X" text)'))
        rows = [
            {"number": f"R{max(place, 1)}", "total": place, "issued": f"2020-01-{place + 1:02d}", "size": None}
            for place in range(10)
        ]
        rows[3]["size"] = "XL"
        connection.execute(
            sa.text("INSERT INTO bills VALUES (:number, :total, CAST(:issued AS date), :size)")
            if request.param == "postgresql"
            else sa.text("INSERT INTO bills VALUES (:number, :total, :issued, :size)"),
            rows,
        )
        connection.execute(sa.text(f"CREATE VIEW {VIEW} AS SELECT * FROM bills"))
    yield url
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP VIEW {VIEW}"))
        connection.execute(sa.text("DROP TABLE bills"))
    engine.dispose()


def by_name(findings: tuple[TypeFinding, ...]) -> dict[str, tuple[bool, str]]:
    return {finding.name: (finding.success, finding.observed) for finding in findings}


def test_findings_say_what_was_seen(
    results_url: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    findings = check_results(results_url, VIEW, BILL)
    assert by_name(findings) == {
        "no_duplicates": (False, "2 of 10 rows break it (20.0 %)"),
        "mostly_sized": (False, "9 of 10 rows break it (90.0 %)"),
        "not_from_the_future": (True, "observed 2020-01-10"),
        "not_too_old": (True, "1 of 10 rows break it (10.0 %)"),
        "mean": (True, "observed 4.5"),
        "numbered": (True, "0 of 10 rows break it (0.0 %)"),
        "dear": (False, "observed 1"),
    }
    assert [finding.name for finding in findings if finding.severity == "fail"] == ["no_duplicates"]
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert [str(warning.message) for warning in recwarn] == []


def test_what_cannot_be_checked_is_a_finding_and_the_others_are_checked(results_url: str) -> None:
    document_type = bill(
        expectation("misspelt", "ExpectColumnValuesToBeUniqe", column="number"),
        expectation("no_column", "ExpectColumnMaxToBeBetween", column="totl", max_value=1),
        expectation("not_in_view", "ExpectColumnMaxToBeBetween", column="score", max_value=1),
        expectation("not_in_sql", "ExpectColumnValuesToBeIncreasing", column="total"),
        expectation("no_duplicates", "ExpectColumnValuesToBeUnique", column="number"),
    )
    found = by_name(check_results(results_url, VIEW, document_type))
    assert [success for success, _ in found.values()] == [False] * 5
    assert "did you mean 'ExpectColumnValuesToBeUnique'" in found["misspelt"][1]
    assert "did you mean 'total'" in found["no_column"][1]
    assert "score" in found["not_in_view"][1]
    assert "no way to compute it in a database" in found["not_in_sql"][1]
    assert found["no_duplicates"][1] == "2 of 10 rows break it (20.0 %)"


def test_a_query_cannot_write(results_url: str) -> None:
    query = "SELECT * FROM {batch}) AS a; DELETE FROM bills; COMMIT; --"
    evil = expectation("evil", "UnexpectedRowsExpectation", unexpected_rows_query=query)
    check_results(results_url, VIEW, bill(evil))
    engine = sa.create_engine(results_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM bills")).scalar() == 10
    engine.dispose()


def test_a_missing_view_is_a_finding_for_each_expectation(results_url: str, caplog: pytest.LogCaptureFixture) -> None:
    found = by_name(check_results(results_url, "results_nothing", BILL))
    assert len(found) == 7
    assert all(not success and "could not be checked" in observed for success, observed in found.values())
    assert [record.levelname for record in caplog.records if record.name == type_expectations.__name__] == ["ERROR"]
    assert "Traceback" in caplog.text
    assert "results_nothing" in caplog.text


def test_a_database_that_is_down_is_a_finding_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    url = "postgresql+psycopg://reader:s%40cr$et@127.0.0.1:9/nowhere?connect_timeout=2"
    found = check_results(url, VIEW, bill(BILL.expectations[0]))
    assert len(found) == 1
    assert "could not be checked" in found[0].observed
    assert "Traceback" in caplog.text
    for secret in ("s%40cr$et", "s@cr$et", "s%40cr%24et"):
        assert secret not in found[0].observed + caplog.text


def test_neither_log_nor_finding_has_a_password_that_an_error_quotes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(connection_url: str, *_: object) -> NoReturn:
        raise ValueError(f"bad address {connection_url}, s@cr$et or {type_expectations._read_only(connection_url)}")

    monkeypatch.setattr(type_expectations, "_run", fail)
    (found,) = check_results("postgresql+psycopg://reader:s%40cr$et@db/nowhere", VIEW, bill(BILL.expectations[0]))
    for text in (found.observed, caplog.text):
        assert "bad address postgresql+psycopg://reader:***@db/nowhere, *** or" in text
        assert "cr$et" not in text
        assert "cr%24et" not in text


def test_the_view_of_a_type_has_every_column_that_may_be_named(database: Database) -> None:
    document_type = DocumentType(
        name="post",
        title="Post",
        fields={name: DocumentField(type=FieldType.LIST) for name in ("Reasons", "prénom", "tags")},
        expectations=tuple(
            expectation(f"{column}_{place}", "ExpectColumnValuesToNotBeNull", column=column, mostly=0.5)
            for place, column in enumerate((*VIEW_COLUMNS, "Reasons", "prénom", "tags"))
        ),
    )
    create_views(database, {"post": document_type})
    found = check_results(database.url.get_secret_value(), view_name("post"), document_type)
    assert len(found) == len(document_type.expectations)
    assert {finding.observed for finding in found} == {"0 of 0 rows break it (0.0 %)"}


def test_a_type_that_expects_nothing_needs_no_database() -> None:
    assert check_results("sqlite:////no/such/file.db", VIEW, bill()) == ()
