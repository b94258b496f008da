"""Who is queued: the random audit, failures that a person may cure, and four eyes where the type wants them."""

from datetime import UTC, datetime, time, timedelta
from math import sqrt
from typing import Any

import pytest
from sqlalchemy import select, update

from blocks.database.engine import Database
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.failures import FailedDocument, list_failures
from blocks.database.results.results import NewResult, list_results
from blocks.database.review.decide import decide
from blocks.database.review.failure_needs import needs_of_failures, sync_discovered
from blocks.database.review.item_content import read_item
from blocks.database.review.queue import list_items
from blocks.database.review.tables import review, review_events
from blocks.database.review.verify import verify_trail
from blocks.database.tables import documents
from blocks.document_types.review_rules import BusinessHours, ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.records import Classification, Failure, Rerun, Retry, Stage, Status, Validation
from blocks.review.chain import Head
from blocks.review.due_times import business_minutes
from blocks.review.records import Action, Correction, Decision, Door, Item, ItemKind, Person
from tasks.store.needs import needs_of_results
from tests.doubles.scripted_stages import failing, found, id_of
from tests.tasks.store.test_store import ACCEPTED, IN_REVIEW, Script, process, rows, verdict

ANN = Person(name="ann")


def receipts(**rules: Any) -> dict[str, DocumentType]:
    fields = {"total": DocumentField(type=FieldType.MONEY)}
    type_ = DocumentType(name="receipt", title="Receipt", fields=fields, review=ReviewRules.model_validate(rules))
    return {"receipt": type_}


def new(number: int, validation: Validation = ACCEPTED, fingerprint: str = "f", **content: Any) -> NewResult:
    return NewResult(f"document {number}", fingerprint, validation, provisional=False, **content)


def drawn(share: str | float, count: int = 4_000, salt: str = "salt", fingerprint: str = "f") -> set[str]:
    needs, settled = needs_of_results(
        [new(number, fingerprint=fingerprint) for number in range(count)], receipts(audit=share), salt
    )
    assert len(needs) + len(settled) == count
    return {need.document_id for need in needs}


def items(database: Database) -> list[Item]:
    """Every item, open or not, by id."""
    with database.read() as connection:
        ids = connection.execute(select(review.c.review_id).order_by(review.c.review_id)).scalars().all()
    return [read_item(database, review_id) for review_id in ids]


def events(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(review_events.c.event).order_by(review_events.c.event_id)).scalars())


def decide_on(database: Database, action: Action, **content: Any) -> None:
    [item] = [item for item in items(database) if item.status == "open"]
    decision = Decision(
        review_id=item.review_id, version=item.version, action=action, by="ann", door=Door.COMMAND, **content
    )
    decide(database, decision, ANN, receipts() | {"invoice": receipts()["receipt"]})


@pytest.mark.parametrize("share", ["2%", "25%", 0.5])
def test_the_audit_draws_the_share_that_the_type_sets(share: str | float) -> None:
    rate = ReviewRules.model_validate({"audit": share}).audit
    tolerance = 4 * sqrt(rate * (1 - rate) / 4_000)
    assert abs(len(drawn(share)) / 4_000 - rate) < tolerance
    assert drawn(0.0) == set()
    assert len(drawn("100%")) == 4_000


def test_a_draw_is_of_the_document_however_often_it_is_read() -> None:
    assert drawn("25%") == drawn("25%", fingerprint="another result")
    assert drawn("25%") < drawn("50%"), "a greater share draws more documents, and the same ones"
    independent = 0.25 * 0.25 * 4_000
    another = drawn("25%", salt="another database")
    assert abs(len(drawn("25%") & another) - independent) < 4 * sqrt(independent)


def test_accepted_and_unsure_results_are_drawn_alike() -> None:
    drawn_by_status = []
    for status in (ACCEPTED, IN_REVIEW):
        needs, _ = needs_of_results([new(number, status) for number in range(500)], receipts(audit="25%"), "salt")
        drawn_by_status.append({need.document_id for need in needs if need.drawn_with == 0.25})
    accepted, unsure = drawn_by_status
    assert accepted == unsure, "chance does not look at the verdict"
    assert 0 < len(accepted) < 500


def test_only_accepted_current_results_become_audits() -> None:
    results = [
        new(1, ACCEPTED),
        new(2, IN_REVIEW),
        new(3, verdict(Status.REJECTED, "rejected:total")),
        new(4, ACCEPTED.model_copy(update={"document_type": "unknown"})),
    ]
    needs, settled = needs_of_results(results, receipts(audit="100%", blind=True), "salt")
    assert [(need.document_id, need.kind, need.drawn_with) for need in needs] == [
        ("document 1", ItemKind.AUDIT, 1.0),
        ("document 2", ItemKind.VERDICT, 1.0),
    ]
    assert settled == ["document 3", "document 4"]


def test_only_failures_of_every_run_need_a_person() -> None:
    failures = {retry: Failure(stage=Stage.EXTRACT, kind=f"kind_{retry}", message="", retry=retry) for retry in Retry}
    failed = [FailedDocument(retry, failure) for retry, failure in failures.items()]
    [need] = needs_of_failures(failed, {"never": "receipt"})
    assert (need.document_id, need.kind, need.fingerprint) == ("never", ItemKind.FAILURE, "extract:kind_never")
    assert (need.validation.reasons, need.validation.document_type) == (("failed:kind_never",), "receipt")
    assert need.validation.due_minutes == 24 * 60


def test_an_audit_item_says_with_which_probability_it_was_drawn(database: Database) -> None:
    process(database, "run", "a", {Stage.VALIDATE: {"a": ACCEPTED}}, types=receipts(audit="100%", blind=True))
    [item] = items(database)
    assert (item.kind, item.drawn_with, item.is_blind, item.priority) == (ItemKind.AUDIT, 1.0, True, 5)
    assert (item.due_at, item.reasons) == (None, ()), "nobody waits for it"
    assert [result["status"] for result in list_results(database)] == ["accepted"]


def test_an_item_of_the_queue_is_never_blind(database: Database) -> None:
    process(database, "run", "a", {Stage.VALIDATE: {"a": IN_REVIEW}}, types=receipts(audit="100%", blind=True))
    assert [(item.kind, item.is_blind, item.drawn_with) for item in items(database)] == [(ItemKind.VERDICT, False, 1.0)]


@pytest.mark.parametrize("rerun", [Rerun.STALE, Rerun.ALL])
def test_a_document_that_is_stored_again_unchanged_keeps_its_audit_item(database: Database, rerun: Rerun) -> None:
    script: Script = {Stage.VALIDATE: {"a": ACCEPTED}}
    process(database, "first", "a", script, types=receipts(audit="100%"))
    before = items(database)
    process(database, "second", "a", script, types=receipts(audit="100%"), rerun=rerun)
    assert items(database) == before
    assert events(database) == ["opened"]


def test_a_later_accepted_result_that_is_not_drawn_closes_the_audit_item(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": ACCEPTED}}, types=receipts(audit="100%"))
    process(database, "second", "a", {Stage.VALIDATE: {"a": ACCEPTED}}, types=receipts(), version="2")
    assert [item.status for item in items(database)] == ["superseded"]
    assert events(database) == ["opened", "superseded"]


def test_a_later_unsure_result_makes_of_the_audit_item_one_of_the_queue(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": ACCEPTED}}, types=receipts(audit="100%"))
    process(database, "second", "a", {Stage.VALIDATE: {"a": IN_REVIEW}}, types=receipts(audit="100%"), version="2")
    [item] = items(database)
    assert (item.kind, item.version, item.drawn_with, item.status) == (ItemKind.VERDICT, 2, 1.0, "open")


def test_no_audit_is_drawn_where_a_decision_stands(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}}, types=receipts(audit="100%"))
    decide_on(database, Action.ACCEPT)
    script: Script = {Stage.VALIDATE: {"a": ACCEPTED}}
    process(database, "second", "a", script, types=receipts(audit="100%"), rerun=Rerun.ALL, version="2")
    process(database, "third", "a", script, types=receipts(audit="100%"), rerun=Rerun.ALL, version="2")
    assert [item.status for item in items(database)] == ["decided"]


def test_a_failure_is_queued_once_and_closed_when_its_document_is_read(database: Database) -> None:
    encrypted: Script = {Stage.EXTRACT: {"f": failing(Stage.EXTRACT, Retry.NEVER, "encrypted")}}
    process(database, "first", "f", encrypted)
    for run, rerun in (("second", Rerun.STALE), ("third", Rerun.FAILED), ("fourth", Rerun.ALL)):
        process(database, run, "f", encrypted, rerun=rerun)
        assert [(item.kind, item.version, item.status) for item in items(database)] == [("failure", 1, "open")]
    process(database, "fifth", "f", {Stage.VALIDATE: {"f": ACCEPTED}}, rerun=Rerun.FAILED)
    assert [item.status for item in items(database)] == ["superseded"]
    assert (list_failures(database), rows(database, "fifth")) == ([], {id_of("f"): "accepted"})


def test_a_failed_document_that_is_read_and_unsure_is_the_same_item_with_values(database: Database) -> None:
    process(database, "first", "f", {Stage.EXTRACT: {"f": failing(Stage.EXTRACT, Retry.NEVER, "encrypted")}})
    process(database, "second", "f", {Stage.VALIDATE: {"f": IN_REVIEW}}, rerun=Rerun.FAILED, types=receipts())
    [item] = items(database)
    assert (item.kind, item.version, item.fields) == (ItemKind.VERDICT, 2, {"total": "9.00"})


@pytest.mark.parametrize("rerun", [Rerun.STALE, Rerun.FAILED, Rerun.ALL])
def test_a_decided_failure_stays_decided(database: Database, rerun: Rerun) -> None:
    encrypted: Script = {Stage.EXTRACT: {"f": failing(Stage.EXTRACT, Retry.NEVER, "encrypted")}}
    process(database, "first", "f", encrypted)
    decide_on(database, Action.REJECT, reason="no document of ours")
    for run, version in (("second", "1"), ("third", "2")):
        process(database, run, "f", encrypted, rerun=rerun, version=version)
        assert rows(database, run) == {id_of("f"): "skipped"}
    assert [item.status for item in items(database)] == ["decided"]
    assert list_failures(database) == []
    [result] = list_results(database)
    assert (result["status"], result["reasons"]) == ("rejected", ["rejected_by_person:no document of ours"])


def test_a_type_may_want_two_persons_and_due_times_of_business_hours(database: Database) -> None:
    hours = BusinessHours(opens=time(9), closes=time(10), timezone="Europe/Berlin")
    types = receipts(decisions=2, hours=hours)
    process(database, "run", "a", {Stage.VALIDATE: {"a": IN_REVIEW}}, types=types)
    [item] = items(database)
    assert item.decisions_needed == 2
    assert item.due_at is not None
    assert abs(business_minutes(item.created_at, item.due_at, hours) - 60) < 1e-6
    assert list_items(database)[0]["due_at"] == item.due_at.astimezone(UTC).isoformat(timespec="seconds")
    assert timedelta() < item.due_at - datetime.now(UTC) < timedelta(days=5)


@pytest.mark.parametrize("again", [IN_REVIEW, ACCEPTED], ids=["unsure", "sure"])
def test_a_reopened_document_shows_the_runs_result_to_a_person_again(database: Database, again: Validation) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    decide_on(database, Action.CORRECT, corrections={"total": Correction(value="10.00")})
    [before] = items(database)
    process(database, "second", "a", {Stage.VALIDATE: {"a": again}}, version="2", rerun=Rerun.ALL, reopen=True)
    [item] = items(database)
    assert (item.review_id, item.status, item.version) == (before.review_id, "open", 2)
    assert item.reasons == (*again.reasons, "reopened")
    assert (item.decided_by, item.decided_at, item.fields) == (None, None, {"total": "9.00"})
    assert item.created_at > before.created_at, "its age and its due time count from the reopening"
    assert item.due_at == item.created_at + timedelta(hours=1)
    [result] = list_results(database)
    assert (result["status"], result["fields"]) == ("in_review", {"total": "9.00"})
    assert rows(database, "second") == {id_of("a"): "in_review"}
    assert events(database) == ["opened", "decided", "reopened"]
    assert isinstance(verify_trail(database), Head)


@pytest.mark.parametrize(("rerun", "version"), [(Rerun.STALE, "1"), (Rerun.ALL, "1"), (Rerun.STALE, "2")])
def test_a_reopened_document_stays_in_review_until_a_person_decides(
    database: Database, rerun: Rerun, version: str
) -> None:
    script: Script = {Stage.VALIDATE: {"a": ACCEPTED}}
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    decide_on(database, Action.ACCEPT)
    process(database, "second", "a", script, rerun=Rerun.ALL, reopen=True)
    process(database, "third", "a", script, rerun=rerun, version=version)
    assert [item.status for item in items(database)] == ["open"]
    decide_on(database, Action.ACCEPT)
    process(database, "fourth", "a", script, rerun=Rerun.ALL, version=version)
    assert [item.status for item in items(database)] == ["decided"]
    assert list_results(database)[0]["status"] == "accepted"


def test_a_reopened_failure_waits_again(database: Database) -> None:
    encrypted: Script = {Stage.EXTRACT: {"f": failing(Stage.EXTRACT, Retry.NEVER, "encrypted")}}
    process(database, "first", "f", encrypted)
    decide_on(database, Action.REJECT, reason="no document of ours")
    process(database, "second", "f", encrypted, rerun=Rerun.ALL, reopen=True)
    assert [(item.kind, item.status, item.version) for item in items(database)] == [("failure", "open", 2)]
    assert list_results(database) == []
    assert [failure["kind"] for failure in list_failures(database)] == ["encrypted"]
    assert rows(database, "second") == {id_of("f"): "failed"}


def test_a_failure_that_may_pass_replaces_no_decision(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    decide_on(database, Action.ACCEPT)
    passing: Script = {Stage.SCORE: {"a": failing(Stage.SCORE, Retry.NEXT_RUN, "no_model")}}
    process(database, "second", "a", passing, rerun=Rerun.ALL, reopen=True)
    assert [item.status for item in items(database)] == ["decided"]
    assert list_results(database)[0]["status"] == "accepted"


def test_a_reopened_document_that_fails_for_good_is_a_failure_to_decide_on(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    decide_on(database, Action.ACCEPT)
    broken: Script = {Stage.EXTRACT: {"a": failing(Stage.EXTRACT, Retry.NEVER, "corrupt")}}
    process(database, "second", "a", broken, rerun=Rerun.ALL, reopen=True)
    assert [(item.kind, item.status, item.reasons) for item in items(database)] == [
        ("failure", "open", ("failed:corrupt",))
    ]


def test_a_reopened_item_keeps_its_values_when_a_later_run_fails(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    decide_on(database, Action.ACCEPT)
    process(database, "second", "a", {Stage.VALIDATE: {"a": IN_REVIEW}}, rerun=Rerun.ALL, reopen=True)
    [reopened] = items(database)
    assert (reopened.kind, reopened.status, reopened.version) == (ItemKind.VERDICT, "open", 2)
    broken: Script = {Stage.EXTRACT: {"a": failing(Stage.EXTRACT, Retry.NEVER, "corrupt")}}
    process(database, "third", "a", broken, rerun=Rerun.ALL)
    assert items(database) == [reopened]
    assert [failure["kind"] for failure in list_failures(database)] == ["corrupt"]
    decide_on(database, Action.ACCEPT)
    assert list_results(database)[0]["status"] == "accepted"
    assert isinstance(verify_trail(database), Head)


def test_a_reclassified_document_comes_back_only_if_it_is_unsure(database: Database) -> None:
    unsure = IN_REVIEW.model_copy(update={"document_type": "invoice"})
    for name, verdict_as_given in (("a", ACCEPTED), ("b", unsure)):
        process(database, f"first {name}", name, {Stage.VALIDATE: {name: IN_REVIEW}})
        decide_on(database, Action.RECLASSIFY, document_type="invoice")
        process(database, f"second {name}", name, {Stage.VALIDATE: {name: verdict_as_given}}, version="2")
    assert [(item.document_id, item.document_type, item.status) for item in items(database)] == [
        (id_of("a"), "receipt", "decided"),
        (id_of("b"), "receipt", "decided"),
        (id_of("b"), "invoice", "open"),
    ]


def test_the_item_of_a_failed_document_has_the_type_that_it_was_given_or_classified_as(database: Database) -> None:
    process(database, "run", "ab", {Stage.EXTRACT: {"a": failing(Stage.EXTRACT, Retry.NEVER)}}, store=False)
    with database.write() as connection:
        connection.execute(update(documents).values(given_type="receipt"))
    process(database, "run 2", "a", {Stage.EXTRACT: {"a": failing(Stage.EXTRACT, Retry.NEVER)}}, rerun=Rerun.ALL)
    assert [item.document_type for item in items(database)] == ["receipt"]
    classified = Classification(document_type="invoice", confidence=0.9, method="signals")
    broken = failing(Stage.SCORE, Retry.NEVER)
    process(database, "run 3", "c", {Stage.CLASSIFY: {"c": classified}, Stage.SCORE: {"c": broken}})
    assert [item.document_type for item in items(database)] == ["receipt", "invoice"]


def test_what_fails_at_discover_waits_for_a_person_once_and_until_it_can_be_opened(database: Database) -> None:
    def discovered(run_id: str, failure: Failure | None) -> None:
        archive = found("z", failure=failure, is_member=failure is not None)
        record_batch(
            database, run_id, [archive], given_type="receipt", rerun=Rerun.STALE, pipeline_digest="p", chunk_size=2
        )
        sync_discovered(database, run_id, [archive])

    encrypted = failing(Stage.DISCOVER, Retry.NEVER, "encrypted")
    discovered("run 1", encrypted)
    discovered("run 2", encrypted)
    [item] = items(database)
    assert (item.kind, item.document_type, item.reasons) == (ItemKind.FAILURE, "receipt", ("failed:encrypted",))
    assert events(database) == ["opened"]
    discovered("run 3", None)
    assert [item.status for item in items(database)] == ["superseded"]
    discovered("run 4", encrypted)
    decide_on(database, Action.REJECT, reason="no document")
    discovered("run 5", encrypted)
    assert [item.status for item in items(database)] == ["superseded", "decided"]
