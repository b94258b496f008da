"""The parts of a request that every wire format has: instructions, document, images, and the corrective turn."""

import base64
from collections.abc import Iterator

from blocks.gateway.model import ModelRequest, Question
from blocks.gateway.prompts.prompts import render_prompt, visible
from blocks.gateway.registry.registry import JsonMode
from blocks.gateway.replies.reply_schema import reply_schema_text

SEED = 20_231
"""Any fixed number: where an API takes a seed, equal questions get equal answers more often."""

_MAX_PROBLEM = 1_000


def instructions(question: Question, mode: JsonMode) -> tuple[str, str]:
    """The system text, and the document. The system text has the schema where the server does not enforce it."""
    prompt = render_prompt(question.request)
    if mode in (JsonMode.OBJECT, JsonMode.PROMPT):
        schema = reply_schema_text(question.request)
        return f"{prompt.system}\n\nThe JSON object is of this JSON schema:\n{schema}", prompt.user
    return prompt.system, prompt.user


def images(request: ModelRequest) -> Iterator[tuple[str, str, str]]:
    """Each image: a text before it, so that evidence can name its page; its media type; its bytes in base64."""
    for image in request.images:
        yield f"Picture of page {image.page}:", image.media_type, base64.b64encode(image.content).decode("ascii")


def corrective_turn(question: Question) -> tuple[str, str] | None:
    """The reply to correct, as the model's turn, and its problem, as the user's; None where nothing is to correct.

    No API takes an empty turn.
    """
    if question.correction is None:
        return None
    reply = visible(question.correction.reply).strip() or "(nothing)"
    problem = visible(question.correction.problem)[:_MAX_PROBLEM]
    return reply, f"This does not fit: {problem}\nAnswer again, with the whole JSON object and nothing else."
