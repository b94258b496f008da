"""What an error of a provider means, by its status and its body, whichever provider sent it.

One function serves all formats, because bodies travel: proxies hand on the words of whom they asked in a form of
their own. Sources are the providers' pages on errors (OpenAI "Error codes", Azure OpenAI "Content filtering",
Anthropic "Errors", Google "Troubleshooting guide" and google.rpc.Status) and the servers' own code for vLLM,
llama.cpp, LM Studio and Ollama.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from blocks.gateway import errors
from blocks.gateway.errors import CallFailed
from blocks.gateway.model import Usage
from blocks.gateway.registry import RegisteredModel
from blocks.gateway.retry_after import retry_after_s

_MOST_SAID = 200
_LONG_QUOTE = re.compile(r"""(['"`])(?:(?!\1).){24,}\1""", re.DOTALL)
"""What an error quotes at length is what was sent: it may be the document."""

_NO_CREDIT = re.compile(
    r"insufficient_quota|insufficient[ _]balance|insufficient[ _]credits?|billing_hard_limit|billing_not_active"
    r"|billing_error|billing_disabled|credit balance is too low|credits are depleted|out of credits?"
    r"|exceeded your current quota|specified (?:workspace )?api usage limits|requires? (?:at least|more) .{0,40}credits"
    r"|payment[ _]required|billing account .{0,80}(?:disabled|not active|closed)|billing to be enabled"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|string_above_max_length|request_too_large|prompt is too long"
    r"|maximum context length|maximum (?:number of )?tokens allowed|exceeds? (?:the )?(?:available |model'?s? )?context"
    r"|context (?:size|window|length|limit)|input (?:is )?too long|too large for model|reduce the length"
    r"|request too large for|keep the first \d+ tokens|input token count"
)
_TOKENS = re.compile(
    r"(?:resulted in|requested|too long:|token count \(?|request \(|contains|keep the first|length of)\s*(?:about )?(\d{3,9})"
)
_FILTERED = re.compile(
    r"content_filter|responsibleaipolicyviolation|content management policy|content_policy_violation"
    r"|content policy|input was flagged|prohibited_content|blocked by .{0,30}(?:safety|content) (?:filter|policy)"
    r"|data_inspection_failed|blockreason"
)
_NO_MODEL = re.compile(
    r"model_not_found|deploymentnotfound|model .{0,80}(?:does not exist|not found|is not available|has been deprecated)"
    r"|invalid model(?: name)?|unknown model|not a valid model"
)
_BAD_KEY = re.compile(
    r"api_key_invalid|api key not valid|invalid_api_key|incorrect api key|api key expired|authentication_error"
)
_NAMED_WAIT = re.compile(r"retryinfo|quotafailure|rate_limit_exceeded|per ?minute|retry in \d")
"""A 429 of Google says "check your plan and billing" of every limit; where it names the limit, or the wait, it is one."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as its body tells it. `message` is for people, `words` all of the body in lower case, to search in."""

    message: str
    code: str
    words: str

    @property
    def said(self) -> str:
        """What may stand in a message of ours: short, on one line, without what was quoted at length."""
        text = " ".join(_LONG_QUOTE.sub("…", self.message).split())
        text = "".join(char for char in text if char.isprintable())
        cut = text if len(text) <= _MOST_SAID else text[: _MOST_SAID - 1] + "…"
        return f"{self.code}: {cut}" if self.code and self.code.lower() not in cut.lower() else cut


def read_error(body: bytes) -> ErrorBody:
    """The error in a body of any form: a JSON object, a list of one (Google, when streaming), text or a page."""
    text = body[: 64 * 1024].decode("utf-8", "replace")
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        page = re.search(r"<title>([^<]{1,200})</title>", text, re.IGNORECASE)
        is_page = text.lstrip().startswith("<")
        return ErrorBody((page[1] if page else "a web page") if is_page else text.strip(), "", text.lower())
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    outer = parsed if isinstance(parsed, dict) else {"message": parsed}
    error = outer.get("error", outer)
    inner = error if isinstance(error, dict) else {"message": error}
    message = _text(inner.get("message")) or _text(outer.get("message")) or _details(outer.get("detail"))
    code = _text(inner.get("code")) or _text(inner.get("type")) or _text(inner.get("status"))
    code = _text(inner.get("status")) or code if code.isdigit() else code
    return ErrorBody(message, code, text.lower())


def failure_of(model: RegisteredModel, status: int, headers: Mapping[str, str], body: bytes) -> CallFailed:
    """The failure that an HTTP error is. `retry_after_s` is set where the reply says so, `usage` where nothing is owed.

    A request that was refused as such costs nothing. Of a server that failed nobody knows how far it came.
    """
    error = read_error(body)
    failed = _failure(model, status, error)
    if failed.is_transient:
        failed.retry_after_s = retry_after_s(headers, body, time.time())
        if isinstance(failed, errors.RateLimited):
            failed = errors.RateLimited(model.name, failed.retry_after_s)
    if status < 500 or status in (503, 529):
        failed.usage = Usage()
    return failed


def _failure(model: RegisteredModel, status: int, error: ErrorBody) -> CallFailed:
    words, name = error.words, model.name
    if _is_out_of_credit(status, words):
        return errors.OutOfCredit(name, error.said)
    if status < 500 and status not in (401, 404) and _TOO_LONG.search(words):
        tokens = _TOKENS.search(words)
        return errors.ContextTooLong(name, int(tokens[1]) if tokens else None)
    if status in (400, 403, 422, 451) and _FILTERED.search(words):
        return errors.ContentFiltered(name)
    if status in (429, 498):
        return errors.RateLimited(name)
    if status in (401, 403, 407) or (status == 400 and _BAD_KEY.search(words)):
        return errors.KeyRefused(name, status)
    if status in (404, 405, 410) or 300 <= status < 400 or (status == 400 and _NO_MODEL.search(words)):
        return errors.UpstreamMissing(name, model.upstream)
    if status >= 500 or status in (408, 409, 425):
        return errors.ServerFailed(name, status, error.said)
    return errors.RequestRefused(name, status, error.said)


def _is_out_of_credit(status: int, words: str) -> bool:
    if status == 402:
        return True
    if status not in (400, 403, 429):
        return False
    said = _NO_CREDIT.search(words)
    if not said:
        return False
    is_google = "resource_exhausted" in words or "exceeded your current quota" in words
    return not (status == 429 and is_google and _NAMED_WAIT.search(words))


def _text(value: object) -> str:
    if isinstance(value, dict):  # an error wrapped twice, as proxies do
        return _text(value.get("message"))
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _details(detail: object) -> str:
    """FastAPI's list of what is wrong, without what was sent."""
    if isinstance(detail, list):
        return "; ".join(_text(one.get("msg")) for one in detail if isinstance(one, dict))
    return _text(detail)
