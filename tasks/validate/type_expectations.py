"""Expectations about all results of a type (uniqueness, shares, aggregates), checked once, at the end of a run.

Great Expectations' SQL engine computes them in the database, over the type's view, by a connection that can only read.
An error becomes a finding with its message: it must not fail the run.
"""

import itertools
import logging
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from blocks.document_types.expectations import (
    COLUMN_ARGUMENTS,
    check_expectation,
    column_in_view,
    is_row_level,
    resolve,
)
from blocks.document_types.schema import DocumentType, Expectation
from blocks.errors import ExpectationInvalid
from blocks.records import Record
from tasks.validate.library import LOCK, NAME_KEY, context, exception_of, name_of

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult

RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}

log = logging.getLogger(__name__)
_source_numbers = itertools.count(1)


class TypeFinding(Record):
    """The result of an expectation about all results of a type, at the end of a run.

    `observed` says what was found, or why the expectation could not be checked (`success` is then False).
    """

    document_type: str
    name: str
    success: bool
    observed: str
    severity: Literal["warn", "fail"] = "warn"


def check_results(connection_url: str, view_name: str, document_type: DocumentType) -> tuple[TypeFinding, ...]:
    """A finding for each of the type's expectations about all results, in their order, over the view `view_name`.

    `connection_url` is a SQLAlchemy address of SQLite or PostgreSQL, with the password. An expectation that cannot be
    used or computed is a finding without success; its `observed` says why.
    """
    if not document_type.expectations:
        return ()
    findings: dict[str, TypeFinding] = {}
    usable: list[Expectation] = []
    for expectation in document_type.expectations:
        try:
            check_expectation(expectation, document_type)
            if not is_row_level(expectation):
                usable.append(_in_view(expectation, document_type))
        except ExpectationInvalid as error:
            findings[expectation.name] = _finding(document_type, expectation, False, str(error))
    for finding in _compute(connection_url, view_name, document_type, usable):
        findings[finding.name] = finding
    return tuple(findings[e.name] for e in document_type.expectations if e.name in findings)


def _compute(
    connection_url: str, view_name: str, document_type: DocumentType, expectations: Sequence[Expectation]
) -> Iterator[TypeFinding]:
    if not expectations:
        return
    by_name = {expectation.name: expectation for expectation in expectations}
    try:
        results = _run(connection_url, view_name, expectations)
    except Exception as error:  # noqa: BLE001 - logged with its stack, and a finding
        why = _readable(f"{type(error).__name__}: {error}", connection_url)
        # exc_info would log the password, which an error of the driver may quote.
        stack = _without_password("".join(traceback.format_exception(error)), connection_url)
        log.error("the expectations over %s could not be checked:\n%s", view_name, stack)
        yield from (_finding(document_type, e, False, f"could not be checked: {why}") for e in expectations)
        return
    for result in results:
        failure = exception_of(result)
        if failure is not None:
            observed = _readable(f"could not be checked: {failure}", connection_url)
            name = name_of(result)
            log.warning("document type %s: expectation %s %s", document_type.name, name, observed)
            yield _finding(document_type, by_name[name], False, observed)
        else:
            yield _finding(document_type, by_name[name_of(result)], bool(result.success), _observed(result))


def _run(
    connection_url: str, view_name: str, expectations: Sequence[Expectation]
) -> "list[ExpectationValidationResult]":
    import great_expectations

    named = [
        expectation.model_copy(update={"kwargs": {**expectation.kwargs, "meta": {NAME_KEY: expectation.name}}})
        for expectation in expectations
    ]
    suite = great_expectations.ExpectationSuite(name="type", expectations=[resolve(copy) for copy in named])
    with LOCK:
        sources = context().data_sources
        name = f"results-{next(_source_numbers)}"
        add: Any = sources.add_sqlite if connection_url.startswith("sqlite") else sources.add_postgres
        source = add(name, connection_string=_read_only(connection_url))
        try:
            definition = source.add_table_asset("view", table_name=view_name).add_batch_definition_whole_table("all")
            return list(definition.get_batch().validate(suite, result_format=RESULT_FORMAT).results)
        finally:
            source.get_engine().dispose()
            sources.delete(name)


def _in_view(expectation: Expectation, document_type: DocumentType) -> Expectation:
    """The expectation with the view's column names."""
    renamed = {name: column_in_view(name) for name in document_type.fields}
    kwargs = dict(expectation.kwargs)
    for argument in COLUMN_ARGUMENTS:
        value = kwargs.get(argument)
        if isinstance(value, str):
            kwargs[argument] = renamed.get(value, value)
        elif isinstance(value, list):
            kwargs[argument] = [renamed.get(name, name) if isinstance(name, str) else name for name in value]
    return expectation.model_copy(update={"kwargs": kwargs})


def _read_only(connection_url: str) -> str:
    """An address of the same database that cannot write.

    See https://sqlite.org/uri.html and PostgreSQL's default_transaction_read_only. The library takes $NAME in an
    address for a variable of its own, so a dollar is percent-encoded. It needs a host, so the address of a socket,
    whose path in the query takes precedence, gets one.
    """
    if connection_url.startswith("sqlite"):
        path = connection_url.split("///", 1)[1].split("?", 1)[0]
        return f"sqlite:///file:{quote(path)}?mode=ro&uri=true"
    parts = urlsplit(connection_url.replace("$", "%24"))
    query = parse_qsl(parts.query)
    options = " ".join([*(value for key, value in query if key == "options"), "-c default_transaction_read_only=on"])
    others = [(key, value) for key, value in query if key != "options"]
    netloc = parts.netloc if parts.hostname else f"{parts.netloc}localhost"
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode([*others, ("options", options)], quote_via=quote)))


def _observed(result: "ExpectationValidationResult") -> str:
    """The result in words, without any value of a document: people who may see no documents see findings."""
    seen = result.result
    if "element_count" in seen:
        share = seen.get("unexpected_percent_total", seen.get("unexpected_percent")) or 0.0
        return f"{seen['unexpected_count'] or 0} of {seen['element_count']} rows break it ({share:.1f} %)"
    value = seen.get("observed_value")
    if value is None:
        return "holds" if result.success else "there are no values"
    return f"observed {len(value)} values" if isinstance(value, list | dict) else f"observed {value}"


def _finding(document_type: DocumentType, expectation: Expectation, success: bool, observed: str) -> TypeFinding:
    return TypeFinding(
        document_type=document_type.name,
        name=expectation.name,
        success=success,
        observed=" ".join(observed.split()),
        severity=expectation.severity,
    )


def _readable(message: str, connection_url: str) -> str:
    """The library's message, without the password and without links for its developers."""
    message = message.split("(Background on this error", 1)[0].strip()
    if "No provider found" in message:
        return "could not be checked: Great Expectations has no way to compute it in a database"
    return _without_password(message, connection_url)


def _without_password(text: str, connection_url: str) -> str:
    """The text without the address's password in any of its spellings, `_read_only`'s included."""
    password = urlsplit(connection_url).password
    for secret in (password, unquote(password), password.replace("$", "%24")) if password else ():
        text = text.replace(secret, "***")
    return text
