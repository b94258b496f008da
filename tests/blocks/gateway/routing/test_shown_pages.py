"""What of a document a model is shown: all of its pages or some, with pictures or without, and who hears of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from blocks.document_types.schema import DocumentType, RouteStep, StepAcceptance
from blocks.errors import DocumentError
from blocks.gateway.errors import ContextTooLong
from blocks.gateway.model import ModelReply, Question
from blocks.gateway.policies.correction import Correcting
from blocks.gateway.routing.route import Routed
from blocks.records import Page, PageImage
from tests.doubles.routed_models import PAGES, TEXT, ScriptedGateway, bill, fails, model, reads, take

RIGHT: dict[str, Any] = {"day": "2024-05-01", "total": "9.00"}
LOCAL = RouteStep(model="local")
A, B = RouteStep(model="a"), RouteStep(model="b")
CHEAP = RouteStep(tier="cheap")
PROSE = "The parties agree that the terms below shall remain in force. " * 40
LONG = tuple(Page(number=at, method="parsed", text=TEXT if at == 1 else PROSE) for at in range(1, 7))
SMALL: dict[str, Any] = {"context_window": 2_600, "max_output_tokens": 600}
"""Room for some of the long document's pages."""
PICTURE = PageImage(page=1, media_type="image/png", content=b"png", width=10, height=10)


class _Behind:
    """A model of a gateway, as what stands around it sees it."""

    version = "v1"

    def __init__(self, name: str, ask: Callable[[str, Question], Awaitable[ModelReply]]) -> None:
        self.name, self._ask = name, ask

    async def answer(self, question: Question) -> ModelReply:
        return await self._ask(self.name, question)


class ShorteningGateway(ScriptedGateway):
    """A scripted gateway that shortens a document which the model's context window, by its row, has no room for."""

    async def answer(self, name: str, question: Question) -> ModelReply:
        one = self.registry().get(name)
        if one is None:
            return await super().answer(name, question)
        behind = _Behind(name, super().answer)
        return await Correcting(behind, one.context_window, one.max_output_tokens).answer(question)

    @property
    def shown(self) -> list[tuple[str, int]]:
        """Who was asked, and about how many pages, in order."""
        return [(name, len(question.request.pages)) for name, question in self.asked]


def walk(
    gateway: ScriptedGateway,
    document_type: DocumentType,
    pages: tuple[Page, ...] = LONG,
    draw: Callable[[], Sequence[PageImage]] | None = None,
) -> Routed:
    return take(gateway.assignment(document_type, pages, draw=draw), gateway)


def outcomes(routed: Routed) -> list[tuple[str, str, str]]:
    return [(trace.model, trace.outcome, trace.why) for trace in routed.steps]


# --- context windows


def test_a_document_is_shortened_for_a_model_without_room_for_it_and_the_answer_says_so() -> None:
    gateway = ShorteningGateway({"a": reads(**RIGHT)}, (model("a", **SMALL),))
    routed = walk(gateway, bill(A))
    assert gateway.shown == [("a", 3)]
    assert routed.answer.notes == ("pages 3-5 of 6 left out: the document does not fit the context window of a",)


def test_where_even_the_shortened_document_does_not_fit_the_next_model_is_asked_about_all_of_it() -> None:
    gateway = ShorteningGateway({"a": fails(ContextTooLong("a")), "b": reads(**RIGHT)})
    routed = walk(gateway, bill(A, B))
    assert [name for name, _ in gateway.shown] == ["a", "a", "b"]
    assert gateway.shown[1][1] < gateway.shown[0][1] == gateway.shown[2][1] == 6
    assert (routed.answer.model, routed.answer.notes, routed.failure) == ("b@v1", (), None)
    assert [(model, outcome) for model, outcome, _ in outcomes(routed)] == [
        ("a", "context_too_long"),
        ("b", "answered"),
    ]


def test_of_one_tier_a_model_with_room_for_the_whole_document_goes_before_one_without() -> None:
    models = (model("a", tier="cheap", position=1, **SMALL), model("b", tier="cheap", position=2))
    answers = {"a": reads(**RIGHT), "b": reads(**RIGHT)}
    gateway = ShorteningGateway(answers, models)
    assert walk(gateway, bill(CHEAP)).answer.model == "b@v1"
    assert gateway.shown == [("b", 6)]
    gateway = ShorteningGateway(answers, models)
    assert walk(gateway, bill(CHEAP), PAGES).answer.model == "a@v1", "a short document keeps the order"
    gateway = ShorteningGateway(answers | {"b": fails(ContextTooLong("b"))}, models)
    assert walk(gateway, bill(CHEAP)).answer.model == "a@v1", "one without room stays the fallback"


def test_an_answer_of_a_model_that_was_shown_less_is_not_enough_and_one_to_the_whole_document_is() -> None:
    checked = RouteStep(model="a", accept=StepAcceptance(confidence=0.5))
    gateway = ShorteningGateway({"a": reads(**RIGHT), "b": reads(**RIGHT)}, (model("a", **SMALL), model("b")))
    routed = walk(gateway, bill(checked, B))
    assert outcomes(routed) == [("a", "unsure", "read in part"), ("b", "answered", "")]
    assert (routed.answer.model, routed.answer.notes) == ("b@v1", ())


# --- pictures


@pytest.mark.parametrize("is_asked_for", [True, False])
@pytest.mark.parametrize("takes_images", [True, False])
def test_pictures_are_sent_where_the_step_asks_for_them_and_the_model_takes_them(
    *, is_asked_for: bool, takes_images: bool
) -> None:
    drawn: list[int] = []

    def draw() -> Sequence[PageImage]:
        drawn.append(1)
        return (PICTURE,)

    gateway = ShorteningGateway({"a": reads(**RIGHT)}, (model("a", images=takes_images),))
    routed = walk(gateway, bill(RouteStep(model="a", images=is_asked_for)), PAGES, draw)
    is_sent = is_asked_for and takes_images
    assert gateway.asked[0][1].request.images == ((PICTURE,) if is_sent else ())
    assert len(drawn) == is_sent, "drawing takes seconds: nothing is drawn that nobody looks at"
    assert (routed.answer.model, routed.answer.notes) == ("a@v1", ())


def test_pictures_are_drawn_once_for_all_models_that_take_them() -> None:
    drawn: list[int] = []

    def draw() -> Sequence[PageImage]:
        drawn.append(1)
        return (PICTURE,)

    models = (model("a", images=True), model("b", images=True))
    gateway = ShorteningGateway({"a": fails(ContextTooLong("a")), "b": reads(**RIGHT)}, models)
    walk(gateway, bill(RouteStep(model="a", images=True), RouteStep(model="b", images=True)), PAGES, draw)
    assert [question.request.images for _, question in gateway.asked] == [(PICTURE,), (PICTURE,)]
    assert len(drawn) == 1


def test_a_model_is_told_that_pictures_could_not_be_drawn_and_so_is_the_reader_of_its_answer() -> None:
    def draw() -> Sequence[PageImage]:
        raise DocumentError("torn")

    gateway = ShorteningGateway({"a": reads(**RIGHT)}, (model("a", images=True),))
    routed = walk(gateway, bill(RouteStep(model="a", images=True)), PAGES, draw)
    note = f"pictures of its pages could not be drawn ({DocumentError.kind})"
    request = gateway.asked[0][1].request
    assert (request.images, request.notes) == ((), (note,))
    assert (routed.answer.model, routed.answer.notes, routed.failure) == ("a@v1", (note,), None)
