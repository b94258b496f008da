"""Walks a document type's route: its steps' models in order, until one answers.

The local model is the floor of every route: it serves the steps that name it, and a type whose steps name no model
that is here. Every attempt gives a row for the ledger.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from blocks.document_types import DocumentType, RouteStep
from blocks.gateway.ledger import ModelCall
from blocks.gateway.model import Model, ModelReply, ModelRequest
from blocks.gateway.providers.local.model import LocalModel
from blocks.records import Page

LOCAL_STEP = RouteStep()


@dataclass(frozen=True, slots=True)
class RouteReply:
    """The answer of the first step that gave one, whose it is, and the attempts that led to it."""

    reply: ModelReply
    model: str
    model_version: str
    calls: tuple[ModelCall, ...]


def default_models() -> dict[str, Model]:
    """The models that need no registration."""
    return {"local": LocalModel()}


def steps_of(document_type: DocumentType, models: Mapping[str, Model]) -> tuple[tuple[int, RouteStep], ...]:
    """The steps of a route whose models are here, with their places in it; the local model where there are none."""
    known = tuple((at, step) for at, step in enumerate(document_type.route) if step.model in models)
    return known or ((len(document_type.route), LOCAL_STEP),)


def route_digest(document_type: DocumentType, models: Mapping[str, Model]) -> str:
    """Digest of what the route makes of a type: its models' names and versions, and what score reads of the type."""
    versions = [
        f"{step.model}:{models[step.model].version}:{step.prompt}" for _, step in steps_of(document_type, models)
    ]
    return hashlib.sha256("\n".join((document_type.score_digest, *versions)).encode()).hexdigest()


def ask_route(
    document_id: str, document_type: DocumentType, pages: tuple[Page, ...], models: Mapping[str, Model]
) -> RouteReply:
    """Ask the first model of the route. Raises the `WinnowError` of the model where it gives no answer."""
    at, step = steps_of(document_type, models)[0]
    model = models[step.model]
    request = ModelRequest(
        document_id=document_id,
        document_type=document_type,
        pages=pages,
        prompt=document_type.prompts.get(step.prompt, ""),
    )
    started = time.perf_counter()
    reply = model.answer(request)
    call = ModelCall(
        document_id=document_id,
        model=model.name,
        model_version=model.version,
        step=at,
        request_digest=_request_digest(request),
        input_characters=reply.usage.input_characters,
        output_characters=reply.usage.output_characters,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost_usd=reply.usage.cost_usd,
        latency_ms=round((time.perf_counter() - started) * 1000),
    )
    return RouteReply(reply, model.name, model.version, (call,))


def _request_digest(request: ModelRequest) -> str:
    parts = (request.document_id, request.document_type.score_digest, request.prompt)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
