"""The cache pays once for the same question, and never answers another one."""

import asyncio
import json
import random
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.gateway.errors import DeadlinePassed, ReplyRefused, ServerFailed
from blocks.gateway.model import ModelReply, ModelRequest, Question, Usage
from blocks.gateway.policies.cache import Cached, request_key
from blocks.gateway.policies.reply_store import ReplyStore
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.spending.group_commit import Rounds
from blocks.records import FieldReading, Page, PageImage
from tests.blocks.gateway.questions import BILL, PAGES, ask, valid_reply, wire
from tests.blocks.gateway.replies.reply_shapes import BAD_SHAPES

REGISTERED = RegisteredModel(name="m", provider="openai", upstream="gpt", key="env:KEY")
REQUEST = ModelRequest(document_id="d1", document_type=BILL, pages=PAGES)


class KeptInMemory:
    """A store of replies that can be out of order."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, bytes]] = {}
        self.loads: list[list[str]] = []
        self.is_down = False

    def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        if self.is_down:
            raise OSError("the disk is gone: postgresql://user:hunter2@db/winnow")
        self.loads.append(list(keys))
        return {key: self.kept[key][1] for key in keys if key in self.kept}

    def keep(self, replies: Mapping[str, tuple[str, bytes]], *, replaces: bool) -> None:
        if self.is_down:
            raise OSError("the disk is gone: postgresql://user:hunter2@db/winnow")
        self.kept |= {key: reply for key, reply in replies.items() if replaces or key not in self.kept}

    def count_hits(self, keys: Collection[str]) -> None:
        if self.is_down:
            raise OSError("the disk is gone: postgresql://user:hunter2@db/winnow")


class Answering:
    """A model that counts its calls; each answer is of the request that was asked."""

    version = "openai:gpt"

    def __init__(self, answer: Callable[[Question], ModelReply] | None = None, name: str = "m", takes_s: float = 0.0):
        self.name = name
        self.calls: list[Question] = []
        self._answer = answer
        self._takes_s = takes_s

    async def answer(self, question: Question) -> ModelReply:
        self.calls.append(question)
        await asyncio.sleep(self._takes_s)
        if self._answer is not None:
            return self._answer(question)
        return self.plain(value=f"answer {len(self.calls)}")

    def plain(self, **changes: Any) -> ModelReply:
        value = changes.pop("value", "x")
        usage = Usage(input_tokens=100, output_tokens=10, cost_usd=Decimal("0.01"))
        fields = {"seller": FieldReading(value=value)}
        return ModelReply(**{"fields": fields, "usage": usage, "model": self.name, "latency_ms": 9} | changes)


class Held(Answering):
    """A model that answers when it is let; `began` is set once it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.let = asyncio.Event(), asyncio.Event()

    async def answer(self, question: Question) -> ModelReply:
        self.began.set()
        await self.let.wait()
        return await super().answer(question)


class Hits:
    def __init__(self) -> None:
        self.seen: list[tuple[Question, str]] = []

    async def __call__(self, question: Question, key: str) -> None:
        self.seen.append((question, key))


def on_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_the_same_question_is_paid_once_over_processes() -> None:
    store, hits, model = KeptInMemory(), Hits(), Answering()

    async def ask_once() -> ModelReply:
        reply_store = ReplyStore(store, Rounds())
        reply = await Cached(model, REGISTERED, reply_store, hits).answer(ask(REQUEST))
        await reply_store.close()
        return reply

    first, second = asyncio.run(ask_once()), asyncio.run(ask_once())
    assert len(model.calls) == 1
    assert not first.is_cached
    assert second.is_cached
    assert second.fields == first.fields
    assert second.usage == Usage()
    assert (second.latency_ms, second.model) == (0, "m")
    [(_, key)] = hits.seen
    assert key == request_key(REGISTERED, REQUEST)
    assert store.kept[key][0] == "m"
    assert b"0.01" not in store.kept[key][1]


def test_equal_questions_at_once_are_paid_once() -> None:
    store, hits, model = KeptInMemory(), Hits(), Answering(takes_s=0.02)

    async def work() -> None:
        cached = Cached(model, REGISTERED, ReplyStore(store, Rounds()), hits)
        replies = await asyncio.gather(*(cached.answer(ask(REQUEST)) for _ in range(50)))
        assert len(model.calls) == 1
        assert sum(not reply.is_cached for reply in replies) == 1
        assert len(hits.seen) == 49
        assert {reply.fields["seller"].value for reply in replies} == {"answer 1"}
        assert sum((reply.usage.cost_usd for reply in replies), Decimal(0)) == Decimal("0.01")

    on_loop(work)


def test_where_the_one_that_asks_fails_the_next_one_asks() -> None:
    def fail_twice(question: Question) -> ModelReply:
        if len(model.calls) <= 2:
            raise ServerFailed("m", 503)
        return model.plain()

    model = Answering(fail_twice, takes_s=0.01)

    async def work() -> None:
        cached = Cached(model, REGISTERED, ReplyStore(KeptInMemory(), Rounds()), Hits())
        replies = await asyncio.gather(*(cached.answer(ask(REQUEST)) for _ in range(10)), return_exceptions=True)
        assert [type(one) for one in replies].count(ServerFailed) == 2
        assert len(model.calls) == 3

    on_loop(work)


def test_where_the_one_that_asks_is_cancelled_the_others_go_on() -> None:
    model = Held()

    async def work() -> None:
        cached = Cached(model, REGISTERED, ReplyStore(KeptInMemory(), Rounds()), Hits())
        tasks = [asyncio.create_task(cached.answer(ask(REQUEST))) for _ in range(3)]
        await model.began.wait()
        model.began.clear()
        tasks[0].cancel()
        await model.began.wait()  # by one of the others
        model.let.set()
        replies = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(replies[0], asyncio.CancelledError)
        assert all(isinstance(one, ModelReply) for one in replies[1:])
        assert len(model.calls) == 1

    on_loop(work)


def test_who_waits_for_another_keeps_to_its_own_deadline() -> None:
    model = Held()

    async def work() -> None:
        cached = Cached(model, REGISTERED, ReplyStore(KeptInMemory(), Rounds()), Hits())
        patient = asyncio.create_task(cached.answer(ask(REQUEST)))
        await model.began.wait()
        with pytest.raises(DeadlinePassed) as raised:
            await cached.answer(replace(ask(REQUEST, seconds=0.05), timeout_s=0.05))
        assert not raised.value.was_sent
        assert str(raised.value) == "m was not asked within 0.05 s: an equal question under way was slow; run again"
        model.let.set()
        assert (await patient).fields

    on_loop(work)


def test_lookups_at_once_are_one_lookup() -> None:
    store, model = KeptInMemory(), Answering()

    async def work() -> None:
        cached = Cached(model, REGISTERED, ReplyStore(store, Rounds()), Hits())
        requests = [REQUEST.model_copy(update={"written": {"answer": str(n)}}) for n in range(40)]
        await asyncio.gather(*(cached.answer(ask(request)) for request in requests))
        assert [len(keys) for keys in store.loads] == [40]

    on_loop(work)


def test_without_the_cache_nothing_is_read_and_replies_are_kept() -> None:
    store, hits, model = KeptInMemory(), Hits(), Answering()

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds())
        cached = Cached(model, REGISTERED, reply_store, hits, is_read=False)
        for _ in range(3):
            assert not (await cached.answer(ask(REQUEST))).is_cached
        await reply_store.close()
        assert (len(model.calls), store.loads, hits.seen, len(store.kept)) == (3, [], [], 1)

    on_loop(work)


def test_a_call_that_tests_a_model_is_a_real_one() -> None:
    store, model = KeptInMemory(), Answering()

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds())
        cached = Cached(model, REGISTERED, reply_store, Hits())
        await cached.answer(ask(REQUEST))
        await cached.answer(ask(REQUEST, lane="test"))
        await reply_store.close()
        assert len(model.calls) == 2

    on_loop(work)


@pytest.mark.parametrize(
    "changes",
    [{"notes": ("pages 3 to 9 were left out",)}, {"model": "fallback"}],
    ids=["shortened", "answered by another model"],
)
def test_what_answers_another_request_or_comes_from_another_model_is_not_kept(changes: dict[str, Any]) -> None:
    store = KeptInMemory()
    model = Answering(lambda _: model.plain(**changes))

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds())
        await Cached(model, REGISTERED, reply_store, Hits()).answer(ask(REQUEST))
        await reply_store.close()
        assert store.kept == {}

    on_loop(work)


def test_the_notes_of_the_request_do_not_keep_its_reply_from_the_cache() -> None:
    store = KeptInMemory()
    model = Answering(lambda question: model.plain(notes=question.request.notes))

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds())
        noted = REQUEST.model_copy(update={"notes": ("two pages were left out",)})
        await Cached(model, REGISTERED, reply_store, Hits()).answer(ask(noted))
        await reply_store.close()
        assert len(store.kept) == 1

    on_loop(work)


def test_who_reads_nothing_from_the_cache_replaces_what_it_has() -> None:
    store, said = KeptInMemory(), iter("abc")
    model = Answering(lambda _: ModelReply(fields={"total": FieldReading(value=next(said))}, model="m"))

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds(0))
        values = []
        for is_read in (True, True, False, True):
            reply = await Cached(model, REGISTERED, reply_store, Hits(), is_read=is_read).answer(ask(REQUEST))
            values.append((reply.fields["total"].value, reply.is_cached))
            await reply_store.close()
        assert values == [("a", False), ("a", True), ("b", False), ("b", True)]

    on_loop(work)


@pytest.mark.parametrize("shape", BAD_SHAPES)
def test_no_bad_reply_is_kept(shape: str) -> None:
    store, hits = KeptInMemory(), Hits()
    model = Answering(lambda question: read_reply(question, "m", BAD_SHAPES[shape][0]))

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds(0))
        cached = Cached(model, REGISTERED, reply_store, hits)
        for _ in range(2):
            with pytest.raises(ReplyRefused):
                await cached.answer(ask(REQUEST))
        await reply_store.close()
        assert (len(model.calls), store.kept, hits.seen) == (2, {}, [])
        assert reply_store.flights == {}

    on_loop(work)


def test_a_store_that_is_down_costs_money_and_no_document(caplog: pytest.LogCaptureFixture) -> None:
    store, model = KeptInMemory(), Answering()
    store.is_down = True

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds())
        cached = Cached(model, REGISTERED, reply_store, Hits())
        for _ in range(3):
            assert (await cached.answer(ask(REQUEST))).fields
            await reply_store.close()
        assert len(model.calls) == 3
        store.is_down = False
        await cached.answer(ask(REQUEST))
        await reply_store.close()
        assert (await cached.answer(ask(REQUEST))).is_cached

    on_loop(work)
    assert len(caplog.records) == 1
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"{}", b'{"fields": 1}', b"\xff", json.dumps({"model": "m"}).encode()],
)
def test_a_kept_reply_that_cannot_be_read_is_asked_anew(content: bytes) -> None:
    store, model = KeptInMemory(), Answering()
    store.kept[request_key(REGISTERED, REQUEST)] = ("m", content)

    async def work() -> None:
        reply = await Cached(model, REGISTERED, ReplyStore(store, Rounds()), Hits()).answer(ask(REQUEST))
        assert not reply.is_cached

    on_loop(work)


def test_a_kept_reply_of_another_model_or_to_other_fields_is_not_believed() -> None:
    async def work() -> None:
        for change in ({"model": "other"}, {"fields": {"secret": {"value": "x"}}}):
            store, model = KeptInMemory(), Answering()
            reply_store = ReplyStore(store, Rounds())
            cached = Cached(model, REGISTERED, reply_store, Hits())
            await cached.answer(ask(REQUEST))
            await reply_store.close()
            [(key, (name, content))] = store.kept.items()
            store.kept[key] = (name, json.dumps(json.loads(content) | change).encode())
            assert not (await cached.answer(ask(REQUEST))).is_cached

    on_loop(work)


def test_no_key_stands_in_the_cache() -> None:
    canary = "sk-canary-0123456789"
    registered = REGISTERED.model_copy(update={"headers": {"x-api-key": canary}})
    store = KeptInMemory()

    async def work() -> None:
        reply_store = ReplyStore(store, Rounds())
        model = Answering(lambda question: read_reply(question, "m", wire(valid_reply())))
        await Cached(model, registered, reply_store, Hits()).answer(ask(REQUEST))
        await reply_store.close()

    on_loop(work)
    assert store.kept
    assert canary not in repr(store.kept)


# --- promise 18: whatever of a question changes, the answer to another one is never given


def _page(pages: tuple[Page, ...], rng: random.Random) -> tuple[Page, ...]:
    at = rng.randrange(len(pages))
    text = pages[at].text
    spot = rng.randrange(len(text))
    letter = rng.choice("abc019 .,-€\u200b")
    changed = text[:spot] + letter + text[spot + rng.randrange(2) :]
    return (*pages[:at], pages[at].model_copy(update={"text": changed}), *pages[at + 1 :])


def _typed(request: ModelRequest, rng: random.Random) -> DocumentType:
    """The type with something changed that a model is told, or that its reply is judged by."""
    said = f"{rng.random()}"
    name = rng.choice(request.asked)
    field = request.document_type.fields[name]
    changes: dict[str, Any] = rng.choice(
        [
            {"description": said},
            {"type": rng.choice([one for one in FieldType if one is not field.type]), "enum": (said,)},
            {"required": not field.required, "description": said},
            {"enum": (said, *field.enum)},
            {"columns": {said: DocumentField(type=FieldType.TEXT)}},
            {"written": not field.written},
        ]
    )
    fields = {**request.document_type.fields, name: field.model_copy(update=changes)}
    if rng.random() < 0.2:
        fields |= {f"new_{said[2:]}": DocumentField(type=FieldType.TEXT)}
    rubric = request.document_type.rubric
    assert rubric is not None
    graded = rubric.model_copy(update={"criteria": (rubric.criteria[0].model_copy(update={"description": said}),)})
    turned = dict(reversed(fields.items()))
    parts: list[dict[str, Any]] = [{"fields": fields}, {"fields": turned}, {"rubric": graded}]
    if not request.prompt:
        parts.append({"title": said})  # which the template of types without one tells
    part = rng.choice(parts)
    return DocumentType.model_validate(request.document_type.model_copy(update=part).model_dump())


def _mutated(request: ModelRequest, rng: random.Random) -> ModelRequest:
    image = PageImage(page=1, media_type="image/png", content=rng.randbytes(8), width=1, height=1)
    changes: dict[str, Any] = rng.choice(
        [
            {"pages": _page(request.pages, rng)},
            {"pages": _page(request.pages, rng)},
            {"pages": (*request.pages, Page(number=3, method="parsed", text=f"{rng.random()}"))},
            {"pages": tuple(page.model_copy(update={"number": page.number + rng.randint(1, 99)}) for page in PAGES)},
            {"pages": request.pages[:1], "notes": (f"{rng.random()} was left out",)},
            {"prompt": f"{{{{ document }}}} {rng.random()}"},
            {"images": (image,)},
            {"images": (image.model_copy(update={"page": 2}), image)},
            {"fields": tuple(rng.sample(request.asked, max(1, len(request.asked) - 1)))},
            {"written": {"answer": f"{rng.random()}"}},
            {"notes": (f"{rng.random()}",)},
            {"document_type": _typed(request, rng)},
            {"document_type": _typed(request, rng)},
        ]
    )
    return request.model_copy(update=changes)


def _other_model(rng: random.Random) -> RegisteredModel:
    said = f"{rng.random()}"
    changes: dict[str, Any] = rng.choice(
        [
            {"name": said},
            {"upstream": said},
            {"endpoint": f"https://{said}"},
            {"provider": rng.choice(["anthropic", "gemini", "openai-responses"]), "name": said},
            {"headers": {"x-variant": said}},
            {"max_output_tokens": rng.randint(5_000, 10**9)},
            {"logprobs": not REGISTERED.logprobs},
        ]
    )
    return REGISTERED.model_copy(update=changes)


def asked_as(model: RegisteredModel, request: ModelRequest) -> str:
    """All that the answer may depend on: what is asked, in the type's order, and everything that is said beside it."""
    told = request.model_dump_json(exclude={"document_id", "images", "document_type", "fields"})
    images = [(one.page, one.content) for one in request.images]
    kind = request.document_type
    fields = [(name, kind.fields[name]) for name in request.asked]
    said = f"{kind.title}|{kind.description}|{fields}|{request.asked_criteria}"
    return f"{model.model_dump_json()}|{told}|{images}|{said}"


def count_wrong_hits(rounds: int, seed: int) -> tuple[int, int]:
    """Asks `rounds` mutated questions, some of them twice, through one cache: hits, and wrong ones among them."""
    rng = random.Random(seed)
    store, hits, wrong = KeptInMemory(), 0, 0

    async def work() -> None:
        nonlocal hits, wrong
        reply_store = ReplyStore(store, Rounds(0))
        asked: list[tuple[RegisteredModel, ModelRequest]] = [(REGISTERED, REQUEST)]
        for _ in range(rounds):
            model, request = rng.choice(asked[-20:])
            kind = rng.random()
            if kind < 0.7:
                request = _mutated(rng.choice([request, REQUEST]), rng)
            elif kind < 0.8:
                model = _other_model(rng)
            asked.append((model, request))
            truth = asked_as(model, request)
            answering = Answering(_echo(model.name, truth), model.name)
            reply = await Cached(answering, model, reply_store, Hits()).answer(ask(request))
            hits += reply.is_cached
            said = reply.fields[request.asked[0]].value
            wrong += said != truth

    asyncio.run(work())
    return hits, wrong


def _echo(name: str, truth: str) -> Callable[[Question], ModelReply]:
    def answer(question: Question) -> ModelReply:
        return ModelReply(fields={question.request.asked[0]: FieldReading(value=truth)}, model=name)

    return answer


def test_a_changed_question_is_never_given_another_ones_answer() -> None:
    hits, wrong = count_wrong_hits(1_000, seed=1)
    assert wrong == 0
    assert hits > 100


@pytest.mark.long
def test_no_wrong_hit_in_ten_thousand() -> None:
    hits, wrong = count_wrong_hits(10_000, seed=2)
    assert (wrong, hits > 1_000) == (0, True)


def test_prices_limits_and_switches_make_nothing_anew() -> None:
    changed = REGISTERED.model_copy(
        update={
            "input_price": Decimal(9),
            "rpm": 3,
            "in_flight": 2,
            "timeout_s": 5.0,
            "tier": "strong",
            "is_enabled": False,
            "position": 4,
            "key": "env:OTHER",
        }
    )
    assert request_key(changed, REQUEST) == request_key(REGISTERED, REQUEST)


def test_the_same_text_in_another_file_is_the_same_question() -> None:
    other = REQUEST.model_copy(update={"document_id": "d2"})
    assert request_key(REGISTERED, other) == request_key(REGISTERED, REQUEST)
