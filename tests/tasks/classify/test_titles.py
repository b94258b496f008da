"""Papers laid out as an invoice that say by their title, or in a sentence, that they are another paper."""

import pytest

from blocks.document_types.loader import load_document_types
from blocks.settings import PROJECT_DIR
from tasks.classify.judge import TypeJudge

JUDGE = TypeJudge(load_document_types(PROJECT_DIR / "data" / "document_types"))
ACCEPT_AT = JUDGE.types["invoice"].review.accept_at

PAPER = """Larkfield Tools Ltd
7 Dyer Street, Leeds LS2 7QA
VAT No: GB 123 4567 82

{title}

Invoice number: LT-905
Invoice date: 14 March 2025
Due date: 13 April 2025
Bill to: Northgate Stores Ltd

Description      Qty    Amount
Bench vice         1    200.00

Subtotal         GBP 200.00
VAT 20%          GBP 40.00
Total            GBP 240.00
"""
LETTERHEAD = "\n".join(f"Branch {town}, 1 Market Place" for town in "ABCDEFGHIJKLMNOP")


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("RECEIPT", "titled receipt"),
        ("Receipt", "titled receipt"),
        ("Payment receipt", "titled payment receipt"),
        ("OFFICIAL RECEIPT No. 4711", "titled official receipt"),
        ("Quittung", "titled quittung"),
        ("Zahlungsbestätigung", "titled zahlungsbestätigung"),
        ("Reçu de paiement", "titled reçu de paiement"),
        ("INVOICE\nSTATEMENT OF ACCOUNT", "titled statement of account"),
        ("INVOICE\nStatement of account as of 31 March 2025", "titled statement of account"),
        ("RECHNUNG\nKontoauszug", "titled kontoauszug"),
        ("Facture\nRelevé de compte", "titled relevé de compte"),
        ("Invoice statement", "titled invoice statement"),
        ("PF Invoice", "titled pf invoice"),
        ("P/F INVOICE No. 12", "titled p f invoice"),
        ("INVOICE\n(pro forma)", "titled pro forma"),
        ("INVOICE\nFinal reminder", "titled final reminder"),
        ("Preliminary invoice", "marked preliminary invoice"),
        ("INVOICE\nThis statement shows your open invoices.", "says this statement shows"),
        (f"{LETTERHEAD}\nSTATEMENT OF ACCOUNT", "titled statement of account"),
        (f"{LETTERHEAD}\nINVOICE\nStatement of account", "titled statement of account"),
    ],
)
def test_a_paper_that_says_it_is_another_is_doubted_as_an_invoice(title: str, told: str) -> None:
    for found in (JUDGE.judge([PAPER.format(title=title)])[0], JUDGE.check_given(PAPER.format(title=title), "invoice")):
        assert found.document_type != "invoice" or found.confidence < ACCEPT_AT
        assert found.remark == told or found.document_type == "unknown"
    assert found.remark == told


@pytest.mark.parametrize(
    "title",
    [
        "INVOICE",
        "Tax invoice / Receipt",
        "Invoice and receipt",
        "INVOICE\nDelivery note LS-12",
        "INVOICE\nAccount summary",
        "Invoice\nYour statement of account follows by post.",
        "Invoice\nPro forma no.: PF-12",
        "Rechnung\nBeleg",
        "Invoice summary",
    ],
)
def test_an_invoice_that_names_other_papers_stays_one(title: str) -> None:
    found = JUDGE.judge([PAPER.format(title=title)])[0]
    assert found.document_type == "invoice"
    assert found.confidence >= ACCEPT_AT
    assert found.remark is None


def test_a_heading_of_a_statement_below_the_amounts_is_no_title() -> None:
    rows = "\n".join(f"Bolt M{size}   1   10.00" for size in range(12))
    found = JUDGE.judge([f"{PAPER.format(title='INVOICE')}{rows}\nSTATEMENT OF ACCOUNT\nOpen   240.00\n"])[0]
    assert (found.document_type, found.remark) == ("invoice", None)


def test_a_receipt_may_be_titled_invoice_and_a_resume_have_a_heading_statement() -> None:
    till = "CORNER STORE\n12 High Street\n{title}\nBread 1.20\nMilk 0.90\nTotal 2.10\nCash 5.00\nChange 2.90\n"
    assert JUDGE.check_given(till.format(title="TAX INVOICE"), "receipt").remark is None
    resume = "Ann Marsh\nCurriculum vitae\nStatement\nI build bridges.\nExperience\n2019-2024 Engineer, Moss Ltd\n"
    assert JUDGE.check_given(resume, "resume").remark is None
