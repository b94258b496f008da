"""What a lying reader and a truthful one get accepted, on the bills among the samples.

A change by which replies are believed more, or less, fails here first; benchmarks/trust.py measures it on many more
documents.
"""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

import pytest
from readers import LIES, Case, Lie, lying_reply, truthful_reply
from trust_paths import READER, is_answerable, judge, walk

from blocks.document_types.loader import load_document_types
from blocks.reader.reading import read
from blocks.settings import Settings
from tasks.extract.extract import extract_bytes

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
SETTINGS = Settings()
RECEIPTS = {
    "X00016469612.txt": ("BOOK TA .K (TAMAN DAYA) SDN BHD", "2018-12-25", "9.00"),
    "X51005447861.txt": ("POPULAR BOOK CO. (M) SDN BHD", "2018-03-01", "49.40"),
    "X51005763940.txt": ("ELITETRAX MARKETING SDN BHD", "2018-02-11", "60.00"),
    "X51006619496.txt": ("99 SPEED MART S/B", "2016-12-14", "61.65"),
    "X51007339111.txt": ("SANYU STATIONERY SHOP", "2017-08-12", "3.00"),
    "X51008142033.txt": ("ONE ONE THREE SEAFOOD RESTAURANT SDN BHD", "2018-05-19", "42.40"),
    "bakery.txt": ("KRUMM & SONS BAKERY", "2025-02-14", "12.50"),
    "hardware.txt": ("BAYSIDE HARDWARE INC.", "2025-03-21", "19.55"),
}
"""By file the company, the date and the total."""
INVOICES = {
    "azure_en.pdf": (
        "INV/2023/03/0008",
        "2023-03-20",
        "Azure Interior",
        "YourCompany, Mitchell Admin",
        "USD",
        "279.84",
    ),
    "boutique_fr.pdf": ("FA-2017-0010", "2017-11-13", "Au bon moulin", "Ma jolie boutique", "EUR", "671.15"),
    "flour_en.pdf": ("2025-0117", "2025-02-28", "Millbrook Flour Ltd", "Krumm & Sons Bakery", "GBP", "383.76"),
    "hosting_de.pdf": ("30064443", "2014-05-07", "QualityHosting AG", "iViveLabs Ltd.", "EUR", "34.73"),
    "kunst_de.pdf": ("RE-20171118/506", "2017-11-18", "Bei Spiel GmbH", "Theodor Est", "EUR", "571.04"),
    "lieferant_de.pdf": ("471102", "2013-03-05", "Lieferant GmbH", "Kunden AG Mitte", "EUR", "235.62"),
    "mustang_de.pdf": ("RE-20151008/504", "2015-10-08", "Bei Spiel GmbH", "Theodor Est", "EUR", "571.04"),
    "repairs_en.pdf": ("invoice_number_1", "2022-01-01", "Sammy Maystone", "Taylor Riddel", "USD", "127.50"),
}
"""By file the number, the date, the seller, the buyer, the currency and the total."""
TRUTHS: Mapping[str, tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]] = {
    "receipt": (("company", "date", "total"), RECEIPTS),
    "invoice": (
        ("invoice_number", "issue_date", "seller_name", "buyer_name", "currency", "grand_total"),
        INVOICES,
    ),
}


@cache
def cases(name: str) -> tuple[Case, ...]:
    document_type = load_document_types(SETTINGS.document_types_dir)[name]
    fields, truths = TRUTHS[name]
    found = []
    for file, values in truths.items():
        path = SAMPLES / name / file
        extraction, failure = extract_bytes(path.read_bytes(), path.as_uri(), SETTINGS)
        assert extraction is not None, failure
        found.append(Case(file, document_type, extraction, dict(zip(fields, values, strict=True))))
    return tuple(found)


@pytest.mark.parametrize("name", TRUTHS)
def test_a_truthful_reader_gets_every_bill_accepted(name: str) -> None:
    asked = cases(name)
    assert all(is_answerable(case) for case in asked)
    alone = walk(asked, truthful_reply, (READER,))
    assert {
        case.name: one.validation.reasons for case, one in zip(asked, alone, strict=True) if not one.is_accepted
    } == {}
    on_route = walk(asked, truthful_reply)
    assert all(one.is_accepted for one in on_route)
    assert any(one.from_reader for one in on_route), "the built-in reader needs it for some"


@pytest.mark.parametrize("name", TRUTHS)
@pytest.mark.parametrize("lie", LIES)
def test_a_reader_that_lies_gets_nothing_accepted(name: str, lie: Lie) -> None:
    asked = cases(name)
    lying = partial(lying_reply, lie=lie)
    alone = walk(asked, lying, (READER,))
    assert [case.name for case, one in zip(asked, alone, strict=True) if one.is_accepted] == []
    on_route = walk(asked, lying)
    believed = [case.name for case, one in zip(asked, on_route, strict=True) if one.is_accepted and one.from_reader]
    assert believed == []
    assert any(one.is_accepted for one in on_route), "what the built-in model is sure of needs no reader"


@pytest.mark.parametrize("name", TRUTHS)
def test_one_lie_among_truths_gets_nothing_accepted(name: str) -> None:
    asked, fields = cases(name), TRUTHS[name][0]
    seen = {case.name: read(case.document_type, case.extraction.pages) for case in asked}
    told = [(case, lie, field, lying_reply(case, lie, field)) for lie in LIES for field in fields for case in asked]
    verdicts = judge([(case, reply) for case, _, _, reply in told], seen)
    believed = [one[1:3] for one, verdict in zip(told, verdicts, strict=True) if verdict.is_accepted]
    assert believed == []
