"""Invoices of made-up issuers, as text, for the tests of what is learnt."""

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.records import Page

INVOICE = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "seller": DocumentField(
            type=FieldType.TEXT, required=True, hints=FieldHints(kind="organisation", position="top")
        ),
        "number": DocumentField(
            type=FieldType.TEXT, required=True, aliases=("bill no",), hints=FieldHints(kind="identifier")
        ),
        "issued": DocumentField(type=FieldType.DATE, required=True, aliases=("date",)),
        "total": DocumentField(type=FieldType.MONEY, required=True, aliases=("total",), hints=FieldHints(pick="last")),
        "area": DocumentField(type=FieldType.ENUM, enum=("office", "travel")),
    },
)


def page(text: str) -> tuple[Page, ...]:
    return (Page(number=1, method="parsed", text=text),)


def acme(number: str, day: str, sum_due: str, before: str) -> tuple[Page, ...]:
    """A bill whose right total stands behind a label that the type does not know, above a total of something else."""
    return page(
        f"""ACME TRADING
VAT reg no 111 222 333
Tel: 030 1234567
Our sign {number}
{day}
Pens and paper
Sum due {sum_due}
Total {before}
Thank you"""
    )


def other(number: str, day: str, total: str) -> tuple[Page, ...]:
    return page(
        f"""NORTH SEA FISH LTD
VAT reg no 999 888 777
Tel: 040 7654321
Bill no {number}
Date {day}
Herring and cod
Total {total}
See you again"""
    )
