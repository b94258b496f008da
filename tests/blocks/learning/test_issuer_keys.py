"""What identifies an issuer, and how keys that agree are weighed against keys that contradict."""

from blocks.learning.issuer_keys import SAME_FROM, agreement, issuer_keys
from tests.blocks.learning.documents import acme, other, page


def test_two_documents_of_an_issuer_agree_and_those_of_two_issuers_contradict() -> None:
    first, second = (
        issuer_keys(acme("A-1", "03.04.2025", "10.00", "9.00")),
        issuer_keys(acme("A-2", "05.04.2025", "20.00", "19.00"), ["Acme Trading"]),
    )
    assert agreement(first, second) >= SAME_FROM
    assert agreement(issuer_keys(other("7", "03.04.2025", "10.00")), second) < SAME_FROM


def test_the_keys_are_digests() -> None:
    keys = issuer_keys(page("ACME LTD\nIBAN DE89 3704 0044 0532 0130 00\nmail@acme.example\nwww.acme.example"))
    assert set(keys) == {"iban", "domain", "name"}
    assert len(keys["domain"]) == 1
    assert not any("acme" in key or "3704" in key for found in keys.values() for key in found)


def test_an_iban_is_the_same_with_and_without_blanks() -> None:
    with_blanks = issuer_keys(page("IBAN DE89 3704 0044 0532 0130 00"))
    assert with_blanks["iban"] == issuer_keys(page("IBAN: DE89370400440532013000"))["iban"]


def test_a_phone_number_is_the_same_with_its_countrys_code() -> None:
    assert issuer_keys(page("Tel +49 30 1234567"))["phone"] == issuer_keys(page("Tel. 030/1234567"))["phone"]


def test_a_shared_recipient_makes_no_same_issuer() -> None:
    """The recipient's VAT id stands on bills of both issuers, and their accounts differ."""
    first = issuer_keys(
        page("VAT DE111111111\nYour VAT DE999999999\nIBAN DE89370400440532013000\nTel 030 1111111"), ["One"]
    )
    second = issuer_keys(
        page("VAT DE222222222\nYour VAT DE999999999\nIBAN DE02120300000000202051\nTel 030 2222222"), ["Two"]
    )
    assert agreement(first, second) < SAME_FROM


def test_the_domain_of_a_mail_service_identifies_nobody() -> None:
    assert "domain" not in issuer_keys(page("shop.one@gmail.com"))
