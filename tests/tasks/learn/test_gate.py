"""The gate measures documents of known issuers, and the same ones as if nothing of their issuer had been decided."""

from blocks.learning.memory import remember
from blocks.learning.memory_rows import MemoryRow
from tasks.learn.gate import FieldGate, Gate, measure
from tasks.learn.labelled import LabelledDocument
from tests.blocks.learning.documents import INVOICE, acme

WORSE = FieldGate(documents=9, right_before=9, right_after=2, better=0, worse=7, p_worse=0.0078)
SAME = FieldGate(documents=9, right_before=9, right_after=9, better=0, worse=0, p_worse=1.0)


def measured(*, named: bool) -> Gate:
    """The gate of nine bills of an issuer, whom people named or not."""
    documents = []
    for number in range(9):
        pages = acme(f"A-{number}", f"{number + 10} March 2026", f"{number}1.50", f"{number}9.00")
        values = {"total": f"{number}1.50", **({"seller": "Acme Trading"} if named else {})}
        documents.append(LabelledDocument(f"d{number}", pages, values))
    rows = [
        MemoryRow(
            each.document_id,
            "",
            each.text_digest,
            remember(each.document_id, INVOICE, each.pages, each.values).model_dump_json().encode(),
        )
        for each in documents
    ]
    return measure(INVOICE, rows, documents, lambda _: {})


def test_documents_of_a_known_issuer_are_measured_as_the_first_of_it_too() -> None:
    gate = measured(named=True)
    assert gate.fields["total"].right_before == 0
    assert gate.fields["total"].right_after >= 7
    assert gate.new_issuers["total"].right_after == 0
    assert gate.worse_fields == ()


def test_where_nobody_named_the_issuer_both_are_the_same() -> None:
    gate = measured(named=False)
    assert gate.new_issuers == gate.fields


def test_what_is_worse_for_new_issuers_alone_is_not_used() -> None:
    gate = Gate(documents=9, fields={"total": SAME}, new_issuers={"total": WORSE})
    assert gate.worse_fields == ("total of new issuers",)
    assert Gate(documents=9, fields={"total": WORSE}).worse_fields == ("total",)
