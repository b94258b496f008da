"""The parts of a request that every wire format has: instructions, document, pictures, and the corrective turn."""

import base64

from blocks.gateway.model import Question
from blocks.gateway.prompts.prompts import render_prompt, visible
from blocks.gateway.registry.registry import JsonMode
from blocks.gateway.replies.reply_schema import reply_schema_text
from blocks.records import PageImage

SEED = 20_231
"""Any number, as long as it is the same: where an API takes a seed, equal questions get equal answers more often."""

_MAX_REPLY = 20_000
_MAX_PROBLEM = 1_000


def instructions(question: Question, mode: JsonMode) -> tuple[str, str]:
    """The system text, and the document. The system text has the schema where the server does not enforce it."""
    prompt = render_prompt(question.request)
    if mode in (JsonMode.OBJECT, JsonMode.PROMPT):
        schema = reply_schema_text(question.request)
        return f"{prompt.system}\n\nThe JSON object is of this JSON schema:\n{schema}", prompt.user
    return prompt.system, prompt.user


def first_reply(question: Question) -> str:
    """The reply that is to be corrected, as the model's own turn; never empty, since no API takes an empty turn."""
    assert question.correction is not None
    return visible(question.correction.reply)[:_MAX_REPLY].strip() or "(nothing)"


def objection(question: Question) -> str:
    """The problem of that reply."""
    assert question.correction is not None
    problem = visible(question.correction.problem)[:_MAX_PROBLEM]
    return f"This does not fit: {problem}\nAnswer again, with the whole JSON object and nothing else."


def label(image: PageImage) -> str:
    """The text before a picture, so that evidence can name its page."""
    return f"Picture of page {image.page}:"


def encoded(image: PageImage) -> str:
    """The picture's bytes in base64."""
    return base64.b64encode(image.content).decode("ascii")
