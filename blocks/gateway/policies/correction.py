"""Asks a model once more in another way: with its mistake shown to it, without decided examples, or with fewer pages.

Each happens at most once per question, so that with `retries.MAX_ATTEMPTS` it is sent six times at most. The notes of
the request, and of its reply, name the pages that are left out, so that reviewers see it.
"""

from collections.abc import Sequence
from dataclasses import replace

from blocks.document_types.schema import DocumentField
from blocks.gateway.errors import CallFailed, ContextTooLong, WrongSchema
from blocks.gateway.model import Correction, Model, ModelReply, ModelRequest, Question
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.prompts.tokens import estimate_request_tokens, estimate_tokens, max_request_tokens
from blocks.records import Page

SHORTENED_TO = 0.6
"""The share of the pages' tokens that the second try keeps, where the context window is not known."""
MAX_SHOWN_CHARACTERS = 8_000
"""How much of its reply a model is shown again: the mistake is named, and the document is in the prompt already."""

ALIAS_WEIGHT, MAX_DIGITS = 20, 200


class Correcting(Wrapper):
    """Asks the model once more where its reply has the wrong schema, or the document did not fit.

    `context_window` is the model's, in tokens, None where it is not known; `max_output_tokens` is kept free in it.
    """

    def __init__(self, model: Model, context_window: int | None = None, max_output_tokens: int = 0) -> None:
        super().__init__(model)
        self._room = None if context_window is None else context_window - max_output_tokens

    async def answer(self, question: Question) -> ModelReply:
        """Ask, and once more where that may help. Raises what the last attempt raised.

        Raises `ContextTooLong` without asking where even the shortened document is estimated not to fit.
        """
        before = question.request.notes
        question = self._fitting(question)
        reply: ModelReply | None = None
        while reply is None:
            try:
                reply = await self._corrected(question)
            except ContextTooLong as error:
                if not question.request.examples and question.request.notes != before:
                    raise  # it was shortened already
                question = self._smaller(question, error)
        missing = tuple(note for note in question.request.notes if note not in reply.notes)
        return reply.model_copy(update={"notes": (*missing, *reply.notes)}) if missing else reply

    def _smaller(self, question: Question, error: ContextTooLong) -> Question:
        """The question without its examples, or else with fewer pages. Raises the error where it has one page."""
        if question.request.examples:
            alone = question.request.model_copy(update={"examples": ()})
            return replace(question, request=alone, attempt=error.attempt + 1)
        keep = int(sum(estimate_tokens(page.text) for page in question.request.pages) * SHORTENED_TO)
        shorter = shortened(question.request, keep, self.name)
        if shorter is None:
            raise error
        return replace(question, request=shorter, digest="", attempt=error.attempt + 1)

    async def _corrected(self, question: Question) -> ModelReply:
        try:
            return await self._model.answer(question)
        except WrongSchema as error:
            if question.correction is not None:
                raise
            correction = Correction(error.reply_text[:MAX_SHOWN_CHARACTERS], error.problem)
            wrong, again = error, replace(question, correction=correction, attempt=error.attempt + 1)
        try:
            return await self._model.answer(again)
        except ContextTooLong:  # the document fits, and its correction does not
            raise wrong from None

    def _fitting(self, question: Question) -> Question:
        """The question, shortened where it is known not to fit."""
        if self._room is None or max_request_tokens(question.request) <= self._room:
            return question
        tokens = estimate_request_tokens(question.request)
        if tokens <= self._room:
            return question
        pages = sum(estimate_tokens(page.text) for page in question.request.pages)
        shorter = shortened(question.request, self._room - (tokens - pages), self.name)
        if shorter is None:
            raise _not_sent(ContextTooLong(self.name, tokens))
        return replace(question, request=shorter, digest="")


def shortened(request: ModelRequest, tokens: int, model: str) -> ModelRequest | None:
    """The request with so many tokens of pages at most, and a note of what was left out; None where it cannot be.

    The first and the last page stay; of the others those with the least signal go first, the later one of two equals.
    """
    sizes = [estimate_tokens(page.text) for page in request.pages]
    total = sum(sizes)
    aliases = tuple(_aliases([request.document_type.fields[name] for name in request.asked]))
    inner = sorted(range(1, len(sizes) - 1), key=lambda at: (page_signal(request.pages[at], aliases), -at))
    left_out: set[int] = set()
    for at in inner:
        if total <= tokens:
            break
        left_out.add(at)
        total -= sizes[at]
    if total > tokens or not left_out:
        return None
    kept = tuple(page for at, page in enumerate(request.pages) if at not in left_out)
    numbers = {page.number for page in kept}
    gone = [page.number for at, page in enumerate(request.pages) if at in left_out]
    note = f"{_named(gone)} of {len(request.pages)} left out: the document does not fit the context window of {model}"
    return request.model_copy(
        update={
            "pages": kept,
            "images": tuple(image for image in request.images if image.page in numbers),
            "notes": (*request.notes, note),
        }
    )


def page_signal(page: Page, aliases: Sequence[str]) -> int:
    """How much a page is likely to say of the fields: their labels on it, and its digits, which values are made of.

    A label weighs as much as 20 digits; beyond 200 digits a page is a table or a list of numbers, and says no more.
    """
    text = page.text.casefold()
    labels = sum(1 for alias in aliases if alias in text)
    return labels * ALIAS_WEIGHT + min(sum(map(str.isdigit, text)), MAX_DIGITS)


def _aliases(fields: Sequence[DocumentField]) -> set[str]:
    names = {alias.casefold() for field in fields for alias in field.aliases}
    for field in fields:
        names |= _aliases(tuple(field.columns.values()))
    return names


def _named(numbers: Sequence[int]) -> str:
    """Page numbers in words: ``page 4``, ``pages 2, 5-7``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    listed = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
    return f"page{'s' if len(numbers) > 1 else ''} {listed}"


def _not_sent(error: CallFailed) -> CallFailed:
    error.was_sent = False
    return error
