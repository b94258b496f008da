"""A second document of an issuer whose first one was corrected is read right."""

from blocks.learning.memory import Decided, Memory, remember
from blocks.reader.reading import read
from tests.blocks.learning.documents import INVOICE, acme, other

FIRST = acme("A-17", "03.04.2025", "10.00", "9.00")
RIGHT = {"seller": "Acme Trading Company", "number": "A-17", "issued": "2025-04-03", "total": "10.00", "area": "travel"}
SECOND = acme("A-23", "11.05.2025", "31.50", "28.00")


def decided() -> list[Decided]:
    fish = {"seller": "North Sea Fish Ltd", "number": "55", "issued": "2025-02-01", "total": "7.00", "area": "office"}
    return [
        remember("first", INVOICE, FIRST, RIGHT),
        remember("fish", INVOICE, other("55", "01.02.2025", "7.00"), fish),
    ]


def test_the_second_document_of_an_issuer_is_read_right() -> None:
    before, after = read(INVOICE, SECOND), read(INVOICE, SECOND, Memory(decided()).recall(SECOND))
    assert before.fields["total"].value == "28.00"
    assert after.fields["total"].value == "31.50"
    assert "number" not in before.fields
    assert after.fields["number"].value == "A-23"
    assert after.fields["number"].evidence[0].quote == "A-23"


def test_a_name_is_read_as_people_write_it_and_quoted_as_it_is_printed() -> None:
    seller = read(INVOICE, SECOND, Memory(decided()).recall(SECOND)).fields["seller"]
    assert (seller.value, seller.printed) == ("Acme Trading Company", "ACME TRADING")
    assert seller.evidence[0].quote == "ACME TRADING"


def test_a_document_of_the_issuer_comes_first_and_the_document_itself_never() -> None:
    memory = Memory(decided())
    assert memory.recall(SECOND)[0].is_same_issuer
    assert not any(found.is_same_issuer for found in memory.recall(FIRST, but={"first"}))
    assert Memory([]).recall(SECOND) == ()


def test_a_decided_document_is_small_and_survives_json() -> None:
    for document in decided():
        written = document.model_dump_json(exclude_defaults=True)
        assert len(written) < 2_000
        assert Decided.model_validate_json(written) == document


def test_a_key_of_many_issuers_identifies_none() -> None:
    """Both issuers print the recipient's phone; after both are decided, it no longer joins them."""
    line = "\nCustomer Tel: 0800 5550000"
    with_customer = tuple(page.model_copy(update={"text": page.text + line}) for page in FIRST)
    fish = tuple(page.model_copy(update={"text": page.text + line}) for page in other("55", "01.02.2025", "7.00"))
    memory = Memory(
        [
            remember("first", INVOICE, with_customer, {"seller": "Acme Trading Company"}),
            remember("fish", INVOICE, fish, {"seller": "North Sea Fish Ltd"}),
        ]
    )
    new = tuple(page.model_copy(update={"text": "BLUE DOOR PAINTS\nRoller" + line}) for page in FIRST)
    assert not any(found.is_same_issuer for found in memory.recall(new))
