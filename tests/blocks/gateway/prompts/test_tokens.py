import pytest

from blocks.gateway.prompts.tokens import estimate_request_tokens, estimate_tokens, max_request_tokens
from blocks.records import PageImage
from tests.doubles.failing_models import a_question

COUNTED = [
    # text, tokens by OpenAI's cl100k_base and o200k_base
    (
        "The supplier shall deliver the goods within thirty days of the order, at the buyer's own risk and expense.",
        (22, 22),
    ),
    (
        "Invoice no. 2024-0517\nDate: 17 May 2024\n2 x Desk lamp  24.90  49.80\nShipping  4.50\nTotal due EUR 54.30",
        (48, 48),
    ),
    (
        (
            "Rechnung Nr. 4711 vom 03.06.2024\nNettobetrag 1.250,00 EUR\nUmsatzsteuer 19 % 237,50 EUR\n"
            "Zahlbar bis zum 17.06.2024 ohne Abzug."
        ),
        (60, 58),
    ),
    ("Le montant total de la facture, taxes comprises, s'élève à 1 032,40 €, payable à réception.", (30, 25)),
]


@pytest.mark.parametrize(("text", "counts"), COUNTED)
def test_latin_text_is_estimated_closely(text: str, counts: tuple[int, int]) -> None:
    assert 0.75 * min(counts) <= estimate_tokens(text) <= 1.3 * max(counts)


WIDE = [
    ("请在三十天内付款，否则将收取滞纳金。合计金额为人民币一千二百元整。", (37, 28)),
    ("お支払いは三十日以内にお願いいたします。合計金額は壱千弐百円です。", (37, 28)),
    ("삼십 일 이내에 지불해 주십시오. 합계 금액은 천이백 원입니다.", (36, 23)),
    ("Просим оплатить счёт в течение тридцати дней. Благодарим за сотрудничество.", (39, 21)),
    ("يرجى الدفع خلال ثلاثين يومًا. شكرًا لتعاملكم معنا.", (42, 19)),
]


@pytest.mark.parametrize(("text", "counts"), WIDE)
def test_other_scripts_are_estimated_safely(text: str, counts: tuple[int, int]) -> None:
    """Not far below what the thriftiest and the most wasteful tokenizer of the two takes."""
    assert max(counts) * 0.75 <= estimate_tokens(text)


def test_nothing_is_nothing_and_lone_surrogates_are_counted() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("\ud800 total") > 0


def test_a_request_counts_pages_pictures_and_questions() -> None:
    request = a_question(1.0, "Total due 9.00").request
    bare = estimate_request_tokens(request)
    assert bare > estimate_tokens("Total due 9.00")
    image = PageImage(page=1, media_type="image/png", content=b"", width=1_000, height=750)
    assert estimate_request_tokens(request.model_copy(update={"images": (image,)})) == bare + 1_000
    huge = image.model_copy(update={"width": 10_000, "height": 10_000})
    assert estimate_request_tokens(request.model_copy(update={"images": (huge,)})) == bare + 1_600
    one_field = request.model_copy(update={"fields": ("total",)})
    assert estimate_request_tokens(one_field) < bare
    long_prompt = request.model_copy(update={"prompt": "be exact " * 100})
    assert estimate_request_tokens(long_prompt) == bare + estimate_tokens("be exact " * 100)


@pytest.mark.parametrize("text", ["", "1", "111", "请" * 3, "?!" * 40, "Ж" * 7, *(text for text, _ in COUNTED + WIDE)])
def test_no_request_is_estimated_beyond_what_its_lengths_allow(text: str) -> None:
    request = a_question(1.0, text, text, text).request
    assert estimate_request_tokens(request) <= max_request_tokens(request)
