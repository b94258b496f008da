"""The failure that a provider's error means, by its status and its body.

One function serves all formats, because proxies pass on the messages of other providers in their own form. Sources are
the providers' pages on errors (OpenAI "Error codes", Azure OpenAI "Content filtering", Anthropic "Errors", Google
"Troubleshooting guide" and google.rpc.Status) and the code of vLLM, llama.cpp, LM Studio and Ollama.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from blocks.gateway import errors
from blocks.gateway.errors import CallFailed
from blocks.gateway.model import Usage
from blocks.gateway.providers.json_access import as_mapping
from blocks.gateway.providers.retry_after import retry_after_s
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.registry.shown_values import may_be_a_key

_MAX_REASON = 200
_QUOTE = re.compile(r"""(?<!\w)(['"`])((?:\\.|[^\\])*?)(?:\1(?!\w)|\Z)""", re.DOTALL)
"""A quote in an error. It may have escaped marks in it; where it does not end, it is cut off."""
_MAX_QUOTE = 24
"""A longer quote in an error repeats the request, which may hold the document."""
_REPEATED = frozenset(("input", "failed_generation"))
"""What errors repeat: FastAPI a part of the request, Groq what the model wrote. It must not decide what they mean."""

_NO_CREDIT = re.compile(
    r"insufficient_quota|insufficient[ _]balance|insufficient[ _]credits?|billing_hard_limit|billing_not_active"
    r"|billing_error|billing_disabled|credit balance is too low|credits are depleted|out of credits?"
    r"|exceeded your current quota|specified (?:workspace )?api usage limits|requires? (?:at least|more) .{0,40}credits"
    r"|budget_exceeded|budget has been exceeded"
    r"|payment[ _]required|billing account .{0,80}(?:disabled|not active|closed)|billing to be enabled"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|string_above_max_length|request_too_large|prompt is too long"
    r"|maximum context length|maximum (?:number of )?tokens allowed|exceeds? (?:the )?(?:available |model'?s? )?context"
    r"|context (?:size|window|length|limit)|input (?:is )?too long|too large for model|reduce the length"
    r"|request too large|keep the first \d+ tokens|input token (?:count|length)|maximum prompt length|token limit"
    r"|exceeds? max(?:imum)? length|range of input length|tokens`? must be <="
    r"|max_(?:completion_|new_|output_)?tokens\W.{0,40}(?:got |given:? |was |is |= ?|: ?)-\d"
)
"""vLLM states the room that the prompt has left as a negative bound of the reply."""
_MORE_THAN_A_MINUTE = re.compile(r"request too large")
"""A 429 that no wait ends: the request alone exceeds the tokens per minute (OpenAI, Groq)."""
_TOKENS = re.compile(
    r"(?:resulted in|requested|too long:|token count \(?|request \(|contains|keep the first|length of)"
    r"\s*(?:about )?(\d{3,9})"
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
    r"api_key_invalid|api key not valid|invalid_api_key|(?:incorrect|invalid|missing|malformed|no) api key"
    r"|api key expired|unauthori[sz]ed|unauthenticated|authentication[_ ]?error|auth_error"
    r"|no auth credentials|no_db_connection|no(?:t)? connected (?:to )?db"
    r"|virtual key expected|invalid proxy server token"
)
"""The last five are LiteLLM's: its proxy answers a wrong or a missing key with 400 or 500 in some versions."""
_NO_JSON_MADE = re.compile(
    r"json_validate_failed|failed_generation|output_parse_failed|failed to (?:generate|validate) json"
)
_OF_REQUEST = re.compile(
    r"no endpoints found that (?:support|can handle)"
    r"|(?:does not|doesn't|not) support .{0,30}(?:image|vision|tool|function|json|schema|response_format|modalit)"
)
"""A 404 of a router: it knows the model, and none of its servers takes this form of request."""
_NO_IMAGES = re.compile(r"support .{0,20}(?:image|vision)|image input|not a multimodal|image_url")
_NAMED_WAIT = re.compile(r"retryinfo|rate_limit_exceeded|per ?minute|retry in \d")
"""Every 429 of Google mentions plan and billing. It is a rate limit where it names a wait or a minute."""

_EMBEDDED = {
    "rate_limit": 429,
    "quota": 429,
    "billing": 402,
    "overloaded": 529,
    "authentication": 401,
    "permission": 403,
    "not_found": 404,
    "invalid": 400,
    "content": 400,
}
"""The statuses of errors in a reply with status 200, by a word of their kind."""

_PASSES_ON = re.compile(r"[^{]{0,160}(?:exception|error)\W*", re.IGNORECASE)
"""What a proxy writes before the error that it passes on."""

_MAX_READ = 64 * 1024
_IDENTIFIER = re.compile(r"[\w.:/@-]{2,96}")


_NO_CODES = frozenset({"None", "null"})
"""What proxies write as text where they have no code."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as its body states it.

    `message` is for people. `words` is searched: the message and whatever looks like a code, in lower case. Neither has
    long quotes, which may hold the document: it must not decide what the error means.
    """

    message: str
    code: str
    words: str

    @property
    def reason(self) -> str:
        """The reason for our messages: short, and on a single line."""
        text = "".join(char for char in " ".join(self.message.split()) if char.isprintable())
        cut = text if len(text) <= _MAX_REASON else text[: _MAX_REASON - 1] + "…"
        is_known = not self.code or self.code.isdigit() or self.code in _NO_CODES or self.code.lower() in cut.lower()
        return cut if is_known else f"{self.code}: {cut}"


def read_error(body: bytes) -> ErrorBody:
    """The error in a body of any form: a JSON object, a list of objects (Google, when streaming), text, a web page."""
    text = body[:_MAX_READ].decode("utf-8", "replace")
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        page = re.search(r"<title>([^<]{1,200})</title>", text, re.IGNORECASE)
        is_page = text.lstrip().startswith("<")
        message = _unquoted((page[1] if page else "a web page") if is_page else text)
        return ErrorBody(message, "", message.lower())
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    outer = parsed if isinstance(parsed, dict) else {"message": parsed}
    error = outer.get("error", outer)
    inner = error if isinstance(error, dict) else {"message": error}
    text = _text(inner.get("message")) or _text(outer.get("message")) or _details(outer.get("detail"))
    code = _text(inner.get("code")) or _text(inner.get("type"))
    code = _text(inner.get("status")) or code if code.isdigit() else code
    passed_on = _passed_on(text) or _passed_on(_text(as_mapping(inner.get("metadata")).get("raw")))
    message = _unquoted(text.partition("{")[0].rstrip(" -:") if passed_on is not None else text)
    found = (passed_on.words,) if passed_on is not None else ()
    if passed_on is not None:
        message = ": ".join(filter(None, (message, passed_on.message)))
    return ErrorBody(message, code, " ".join((message, *found, *_identifiers(outer))).lower())


def _passed_on(text: str) -> ErrorBody | None:
    """The provider's own error, which a proxy passes on as JSON at the end of its own; None where there is none.

    What an error quotes of a document may be JSON too: it follows other words.
    """
    before, brace, rest = text.partition("{")
    if not brace or (before.strip() and not _PASSES_ON.fullmatch(before)):
        return None
    try:
        is_error = as_mapping(as_mapping(json.loads(brace + rest)).get("error")).get("message") is not None
    except (ValueError, RecursionError):
        return None
    return read_error((brace + rest).encode()) if is_error else None


def _unquoted(text: str) -> str:
    return _QUOTE.sub(lambda quote: quote[0] if len(quote[2]) <= _MAX_QUOTE else "…", text[:2_000].strip())


def _identifiers(value: object, depth: int = 0) -> Iterator[str]:
    """Codes, kinds and reasons anywhere in an error, and the keys that name them."""
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        yield value
    elif depth < 8 and isinstance(value, list):
        for item in value[:50]:
            yield from _identifiers(item, depth + 1)
    elif depth < 8 and isinstance(value, dict):
        for name, item in list(value.items())[:50]:
            yield name
            yield from _identifiers(None if name in _REPEATED else item, depth + 1)


def failure_of(model: RegisteredModel, status: int, headers: Mapping[str, str], body: bytes) -> CallFailed:
    """The failure of an HTTP error, with `retry_after_s` where the reply states it.

    Its `usage` is 0 where nothing is billed, as for a refused request. Nobody knows how much work a failed server did,
    nor what a model wrote before its server refused that.
    """
    error = read_error(body)
    failed = _failure(model, status, error)
    if failed.is_transient:
        failed.retry_after_s = retry_after_s(headers, body, time.time())
        if isinstance(failed, errors.RateLimited):
            failed = errors.RateLimited(model.name, failed.retry_after_s)
    if (status < 500 or status in (503, 529)) and not isinstance(failed, errors.ReplyUnformed | errors.TruncatedReply):
        failed.usage = Usage()
    return failed


def embedded_failure(model: RegisteredModel, body: Mapping[str, object], usage: Usage | None = None) -> CallFailed:
    """The failure in the body of a reply with status 200. Its code serves as the status.

    Without a code the server failed: proxies send such replies when the server behind them breaks off.
    """
    error = as_mapping(body.get("error", body))
    code = _text(error.get("code"))
    kind = _text(error.get("type")) or code
    status = next((status for word, status in _EMBEDDED.items() if word in kind), 502)
    if re.fullmatch(r"[45]\d\d", code):
        status = int(code)
    failed = failure_of(model, status, {}, json.dumps(body).encode())
    failed.usage = usage
    return failed


def _failure(model: RegisteredModel, status: int, error: ErrorBody) -> CallFailed:
    meant = _meant(model.name, status, error)
    if meant is not None:
        return meant
    is_unknown = status in (400, 403) and bool(_NO_MODEL.search(error.words))  # 403: the key is for other models
    is_bad_key = status in (400, 500) and bool(_BAD_KEY.search(error.words))
    if status == 401 or (status == 403 and not is_unknown) or is_bad_key:
        return errors.KeyRefused(model.name, status, "" if may_be_a_key(error.reason) else error.reason)
    refused = errors.RequestRefused(model.name, status, error.reason, _remedy(model, error.words))
    if status == 404 and _OF_REQUEST.search(error.words):
        return refused
    if is_unknown or status in (404, 405, 410) or status < 400:
        return errors.UpstreamMissing(model.name, model.upstream, _at_address(model, status, error), error.reason)
    if status >= 500 or status in (408, 409, 425):
        return errors.ServerFailed(model.name, status, error.reason)
    return refused


def _remedy(model: RegisteredModel, words: str) -> str:
    """What to do about a refused request: set the model's extra field aside, or its pictures."""
    for name in model.extra_body:
        if re.search(rf"(?<!\w){re.escape(name.lower())}(?!\w)", words):
            return f"winnow models set {model.name} body.{name}= removes this field"
    return f"winnow models set {model.name} images=false sends none" if _NO_IMAGES.search(words) else "see its limits"


def _at_address(model: RegisteredModel, status: int, error: ErrorBody) -> str:
    """What is at the address of an error that names no model; empty where the error names one."""
    if status < 400:
        return f"it redirects elsewhere, with status {status}, which is not followed"
    names_model = any(word in error.words for word in ("model", "deployment", model.upstream.lower()))
    return "" if names_model or not model.endpoint else f"status {status}, and no word of a model"


def _meant(name: str, status: int, error: ErrorBody) -> CallFailed | None:
    """The failure that the words mean, whichever of several statuses they come with."""
    if _is_out_of_credit(status, error.words):
        return errors.OutOfCredit(name, error.reason)
    if status in (400, 422) and _NO_JSON_MADE.search(error.words):
        is_cut = "max completion tokens reached" in error.words
        return errors.TruncatedReply(name) if is_cut else errors.ReplyUnformed(name, error.reason)
    too_long = _MORE_THAN_A_MINUTE if status == 429 else _TOO_LONG
    if status in (400, 413, 422, 429, 500) and too_long.search(error.words):
        tokens = _TOKENS.search(error.words)
        return errors.ContextTooLong(name, int(tokens[1]) if tokens else None)
    if status in (400, 403, 422, 451) and _FILTERED.search(error.words):
        return errors.ContentFiltered(name)
    return errors.RateLimited(name) if status in (429, 498) else None


def _is_out_of_credit(status: int, words: str) -> bool:
    if status == 402:
        return True
    if status not in (400, 403, 429) or not _NO_CREDIT.search(words):
        return False
    is_google = "resource_exhausted" in words or "exceeded your current quota" in words
    return not (status == 429 and is_google and _NAMED_WAIT.search(words))


def _text(value: object) -> str:
    if isinstance(value, dict):  # an error wrapped twice, as proxies do
        return _text(value.get("message"))
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _details(detail: object) -> str:
    """FastAPI's list of problems, without the request that it repeats."""
    if isinstance(detail, list):
        return "; ".join(_text(problem.get("msg")) for problem in detail if isinstance(problem, dict))
    return _text(detail)
