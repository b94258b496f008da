"""Types that a user has just written, without weights and examples: their documents are found, others left alone.

The types and documents are those of benchmarks/new_types.py.
"""

from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.records import UNKNOWN_TYPE, Classification
from blocks.settings import PROJECT_DIR
from tasks.classify.judge import DOUBTED, TypeJudge

FOLDER = PROJECT_DIR / "tests" / "resources" / "new_types"
SHIPPED = load_document_types(PROJECT_DIR / "data" / "document_types")
NEW = load_document_types(FOLDER / "types")
SURE = 0.8


def judged(types: dict[str, DocumentType], folder: str) -> dict[str, Classification]:
    files = sorted((FOLDER / "documents" / folder).glob("*.txt"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    return {file.stem: found for file, found in zip(files, TypeJudge(types).judge(texts), strict=True)}


@pytest.mark.parametrize("name", sorted(NEW))
def test_documents_of_a_new_type_are_found_beside_all_others(name: str) -> None:
    found = judged({**SHIPPED, **NEW}, name)
    assert {document: one.document_type for document, one in found.items()} == dict.fromkeys(found, name)


def test_invoices_that_name_other_papers_stay_invoices() -> None:
    for types in (SHIPPED, {**SHIPPED, **NEW}):
        found = judged(types, "invoice")
        assert {name: one.document_type for name, one in found.items()} == dict.fromkeys(found, "invoice")
        assert min(one.confidence for one in found.values()) >= SURE


def test_papers_that_are_no_invoice_have_no_type_or_a_doubtful_one() -> None:
    found = judged(SHIPPED, "no_invoice")
    kept = {name: one for name, one in found.items() if one.document_type != UNKNOWN_TYPE}
    assert {name: one.remark for name, one in kept.items()} == {
        "void_de": "marked storniert",
        "void_en": "marked void",
        "void_fr": "marked annulé",
        "later_void_it": "marked annullata",
        "later_cancelled_footer": "marked voided",
    }
    assert {one.confidence for one in kept.values()} == {DOUBTED}
    assert found["remittance_en"].remark == "titled remittance advice"


def test_ordinary_texts_are_of_no_new_type_for_sure() -> None:
    found = judged({**SHIPPED, **NEW}, "no_type")
    assert not [name for name, one in found.items() if one.document_type != UNKNOWN_TYPE and one.confidence >= SURE]


def test_new_types_take_no_confidence_from_a_document_that_is_none_of_theirs() -> None:
    text = (PROJECT_DIR / "data" / "samples" / "support_ticket" / "charged_twice.txt").read_text(encoding="utf-8")
    alone, beside = TypeJudge(SHIPPED).judge([text])[0], TypeJudge({**SHIPPED, **NEW}).judge([text])[0]
    assert beside.document_type == "support_ticket"
    assert beside.confidence == pytest.approx(alone.confidence, abs=0.01)


def test_a_types_own_title_is_its_alone_beside_a_type_of_the_same_kind(tmp_path: Path) -> None:
    (tmp_path / "credit_note").mkdir()
    (tmp_path / "credit_note" / "type.yaml").write_text(
        "title: Credit note\nfields:\n  number: {type: text, required: true, aliases: [credit note no]}\n",
        encoding="utf-8",
    )
    judge = TypeJudge({**SHIPPED, **load_document_types(tmp_path)})
    texts = [(FOLDER / "documents" / "invoice" / f"{name}.txt").read_text() for name in ("credit_note_en", "plain_es")]
    assert [found.document_type for found in judge.judge(texts)] == ["credit_note", "invoice"]
    assert TypeJudge(SHIPPED).judge(texts)[0].document_type == "invoice"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("certificate", "Dale Sailing School\n\nThis is to certify that Una Reed can handle a dinghy.\n"),
        (
            "complaint_letter",
            "Hello,\nI am writing to complain about the noise from your yard. Nobody answers.\nU. Reed",
        ),
        ("order", "Hello,\nplease supply two pallets of bricks by Monday, delivery by lorry.\nU. Reed"),
    ],
)
def test_a_paper_without_a_title_is_known_by_what_it_states(name: str, text: str) -> None:
    (found,) = TypeJudge({**SHIPPED, **NEW}).judge([text])
    assert found.document_type == name


def test_a_type_of_no_known_kind_is_found_by_its_labels(tmp_path: Path) -> None:
    (tmp_path / "yard_pass").mkdir()
    (tmp_path / "yard_pass" / "type.yaml").write_text(
        "title: Yard pass\nfields:\n"
        "  plate: {type: text, required: true, aliases: [number plate]}\n"
        "  leaves_on: {type: date, required: true, aliases: [leaves on]}\n",
        encoding="utf-8",
    )
    judge = TypeJudge({**SHIPPED, **load_document_types(tmp_path)})
    found, other = judge.judge(
        ["Depot 4\nNumber plate: KX19 ZRB\nLeaves on: 3 May 2025\n", "Depot 4\nDate: 3 May 2025\nName: J. Roe\n"]
    )
    assert (found.document_type, other.document_type) == ("yard_pass", UNKNOWN_TYPE)
