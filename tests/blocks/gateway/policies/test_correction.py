import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from blocks.gateway.errors import CallFailed, ContextTooLong, RequestRefused, ServerFailed, WrongSchema
from blocks.gateway.model import DecidedExample, ModelReply, Question
from blocks.gateway.policies.correction import Correcting, page_signal, shortened
from blocks.gateway.policies.retries import RetryBudget, Retrying
from blocks.gateway.prompts.tokens import estimate_request_tokens, estimate_tokens
from blocks.records import Page, PageImage
from tests.doubles.failing_models import BILL, REPLY, Scripted, a_question

FAR = 1e9
PROSE = "The parties agree that the terms below shall remain in force. " * 20
LONG = ("Cover sheet. " * 40, PROSE, "Total due 9.00 on " + PROSE, PROSE, PROSE, PROSE, PROSE, "The end. " * 40)


def wrong_schema() -> WrongSchema:
    error = WrongSchema("m", "fields.total: is missing")
    error.reply_text = '{"sum": 9}'
    return error


def first_fails(make: Callable[[], CallFailed], times: int = 1) -> Scripted:
    return Scripted(lambda at, _question: make() if at < times else REPLY)


def asked(model: Scripted, at: int) -> Question:
    return model.asked[at][1]


# --- the corrective turn


def test_a_wrong_schema_gets_one_turn_with_the_reply_and_the_problem() -> None:
    model = first_fails(wrong_schema)
    assert asyncio.run(Correcting(model).answer(a_question(FAR))) == REPLY
    assert asked(model, 0).correction is None
    correction = asked(model, 1).correction
    assert correction is not None
    assert (correction.reply, correction.problem) == ('{"sum": 9}', "fields.total: is missing")


def test_a_second_wrong_schema_is_the_end() -> None:
    model = first_fails(wrong_schema, times=9)
    with pytest.raises(WrongSchema):
        asyncio.run(Correcting(model).answer(a_question(FAR)))
    assert len(model.asked) == 2


@pytest.mark.parametrize("make", [lambda: RequestRefused("m", 400), lambda: ServerFailed("m", 500)])
def test_other_failures_are_not_corrected(make: Callable[[], CallFailed]) -> None:
    model = first_fails(make)
    with pytest.raises(CallFailed):
        asyncio.run(Correcting(model).answer(a_question(FAR)))
    assert len(model.asked) == 1


def test_only_the_beginning_of_a_long_reply_is_shown_again() -> None:
    def make() -> WrongSchema:
        error = wrong_schema()
        error.reply_text = "x" * 100_000
        return error

    model = first_fails(make)
    asyncio.run(Correcting(model).answer(a_question(FAR)))
    correction = asked(model, 1).correction
    assert correction is not None
    assert len(correction.reply) == 8_000


def test_attempts_are_numbered_through_retries_and_corrections() -> None:
    script: list[ModelReply | BaseException] = [ServerFailed("m", 500), wrong_schema(), ServerFailed("m", 500), REPLY]
    model = Scripted(lambda at, _question: script[at])

    async def no_sleep(_seconds: float) -> None: ...

    clock = iter(range(1_000_000))
    retrying = Retrying(model, RetryBudget(), clock=lambda: float(next(clock)), sleep=no_sleep)
    with pytest.raises(ServerFailed):  # the corrective turn was attempt 3: it is not tried again
        asyncio.run(Correcting(retrying).answer(a_question(FAR)))
    assert [question.attempt for _, question in model.asked] == [1, 2, 3]


# --- fewer pages


def test_what_does_not_fit_is_asked_once_more_with_fewer_pages_and_says_so() -> None:
    model = first_fails(lambda: ContextTooLong("m"))
    reply = asyncio.run(Correcting(model).answer(a_question(FAR, *LONG)))
    before, after = asked(model, 0).request, asked(model, 1).request
    assert [page.number for page in after.pages] == [1, 2, 3, 4, 8]
    tokens = [sum(estimate_tokens(page.text) for page in request.pages) for request in (before, after)]
    assert 0.4 * tokens[0] < tokens[1] <= 0.6 * tokens[0]
    note = "pages 5-7 of 8 left out: the document does not fit the context window of m"
    assert after.notes == (note,)
    assert reply.notes == (note,)
    assert asked(model, 1).attempt == 2


def test_decided_examples_are_left_out_before_pages_are_and_nobody_is_told() -> None:
    example = DecidedExample(document_id="e", text="Total due 7.00", fields={"total": None})
    question = a_question(FAR, *LONG)
    question = replace(question, request=question.request.model_copy(update={"examples": (example,)}), digest="key")
    model = first_fails(lambda: ContextTooLong("m"))
    assert asyncio.run(Correcting(model).answer(question)).notes == ()
    alone = asked(model, 1)
    assert (alone.request.examples, len(alone.request.pages), alone.digest) == ((), len(LONG), "key")
    model = first_fails(lambda: ContextTooLong("m"), times=9)
    with pytest.raises(ContextTooLong):
        asyncio.run(Correcting(model).answer(question))
    assert [len(asked(model, at).request.pages) for at in range(3)] == [8, 8, 5]
    assert len(model.asked) == 3


def test_a_note_that_the_reply_has_is_not_doubled() -> None:
    def script(at: int, question: Question) -> ModelReply | BaseException:
        return REPLY.model_copy(update={"notes": ("mended", *question.request.notes)}) if at else ContextTooLong("m")

    reply = asyncio.run(Correcting(Scripted(script)).answer(a_question(FAR, *LONG)))
    assert len(reply.notes) == 2
    assert reply.notes[0] == "mended"


def test_the_second_time_it_does_not_fit_is_the_end() -> None:
    model = first_fails(lambda: ContextTooLong("m"), times=9)
    with pytest.raises(ContextTooLong):
        asyncio.run(Correcting(model).answer(a_question(FAR, *LONG)))
    assert len(model.asked) == 2


@pytest.mark.parametrize("texts", [(PROSE * 30,), (PROSE * 30, PROSE * 30), (PROSE * 30, "9.00", PROSE * 30)])
def test_first_and_last_pages_are_never_left_out(texts: tuple[str, ...]) -> None:
    model = first_fails(lambda: ContextTooLong("m"))
    with pytest.raises(ContextTooLong):
        asyncio.run(Correcting(model).answer(a_question(FAR, *texts)))
    assert len(model.asked) == 1


def test_a_shortened_request_may_still_be_corrected() -> None:
    script: list[ModelReply | BaseException] = [ContextTooLong("m"), wrong_schema(), REPLY]
    model = Scripted(lambda at, _question: script[at])
    reply = asyncio.run(Correcting(model).answer(a_question(FAR, *LONG)))
    assert reply.notes
    assert len(asked(model, 2).request.pages) == 5
    assert asked(model, 2).correction is not None


def test_a_known_window_is_kept_to_before_anything_is_sent() -> None:
    model = Scripted()
    question = a_question(FAR, *LONG)
    window = estimate_request_tokens(question.request) - 500
    reply = asyncio.run(Correcting(model, context_window=window + 200, max_output_tokens=200).answer(question))
    assert len(model.asked) == 1
    assert estimate_request_tokens(asked(model, 0).request) <= window
    assert reply.notes == asked(model, 0).request.notes != ()


def test_what_can_never_fit_is_refused_unsent() -> None:
    model = Scripted()
    question = a_question(FAR, PROSE * 30)
    tokens = estimate_request_tokens(question.request)
    with pytest.raises(ContextTooLong, match=rf"\({tokens:,} tokens\) exceeds the context window of m") as raised:
        asyncio.run(Correcting(model, context_window=1_000).answer(question))
    assert (raised.value.was_sent, model.asked) == (False, [])


def test_what_fits_is_sent_as_it_is() -> None:
    model = Scripted()
    question = a_question(FAR, *LONG)
    window = estimate_request_tokens(question.request)
    reply = asyncio.run(Correcting(model, context_window=window).answer(question))
    assert asked(model, 0) is question
    assert reply.notes == ()


def test_pages_with_labels_and_figures_say_more() -> None:
    aliases = ("total due", "invoice date")

    def signal(text: str) -> int:
        return page_signal(Page(number=1, method="parsed", text=text), aliases)

    assert signal("TOTAL DUE") > signal("a page of prose, 12 of them") > signal("prose alone")
    assert signal("Invoice date, Total due") > signal("Total due Total due Total due")
    assert signal("1" * 5_000) == signal("1" * 200)


def test_pages_that_stay_are_those_with_the_most_signal_in_their_order_with_their_images() -> None:
    chance = random.Random(3)
    for _ in range(50):
        digits = [chance.randrange(150) for _ in range(12)]
        texts = [PROSE + "7" * count for count in digits]
        request = a_question(FAR, *texts).request
        images = tuple(
            PageImage(page=at, media_type="image/png", content=b"", width=1, height=1) for at in range(1, 13)
        )
        request = request.model_copy(update={"images": images})
        shorter = shortened(request, sum(estimate_tokens(text) for text in texts) * 6 // 10, "m")
        assert shorter is not None
        kept = [page.number for page in shorter.pages]
        assert kept == sorted(kept)
        assert {1, 12} <= set(kept)
        gone = [at for at in range(2, 12) if at not in kept]
        inner = [at for at in kept if at not in {1, 12}]
        assert max(digits[at - 1] for at in gone) <= min(digits[at - 1] for at in inner)
        assert [image.page for image in shorter.images] == kept


def test_an_earlier_note_does_not_keep_a_request_from_being_shortened() -> None:
    question = a_question(FAR, *LONG)
    noted = replace(question, request=question.request.model_copy(update={"notes": ("asked in part",)}))
    model = first_fails(lambda: ContextTooLong("m"))
    reply = asyncio.run(Correcting(model).answer(noted))
    assert reply.notes[0] == "asked in part"
    assert len(reply.notes) == 2


def test_a_type_without_aliases_is_shortened_too() -> None:
    bare = BILL.model_copy(
        update={"fields": {name: field.model_copy(update={"aliases": ()}) for name, field in BILL.fields.items()}}
    )
    request = a_question(FAR, *LONG).request.model_copy(update={"document_type": bare})
    assert shortened(request, 900, "m") is not None
