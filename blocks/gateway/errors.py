"""How a call of a model fails: the endpoint first, then the reply, then money and switches.

Each leaf is an outcome in the ledger, under its `kind`. A failure that leaves the gateway is final for this run:
`retry` is `next_run`, and Prefect does not try again.
"""

from typing import TYPE_CHECKING, ClassVar

from blocks.errors import DocumentError
from blocks.records import Retry

if TYPE_CHECKING:
    from blocks.gateway.model import Usage


NO_REASON = "no reason given"


class CallFailed(DocumentError):
    """An attempt at a model gave nothing to use.

    `is_transient`: another attempt within the call may succeed. `is_endpoint_fault`: the endpoint is in trouble, not
    only this request; the circuit counts it. `is_outage`: an endpoint, a limit, a switch or money was in the way, not
    the document, so another run may succeed. `needs_person`: the model fails until a person puts something right.
    `usage` is what the provider reports as consumed, None where it reports nothing. `was_sent`: the request left this
    machine and may be billed although nothing came back. `retry_after_s` is the minimum wait that the provider asks
    for. `served_by` is the model that the reply names. `attempt` counts the question's attempts from 1. `sent_text`
    is the request's text, for ledgers that keep it.
    """

    kind = "model_call_failed"
    retry = Retry.NEXT_RUN
    is_transient: ClassVar[bool] = False
    is_endpoint_fault: ClassVar[bool] = False
    is_outage: ClassVar[bool] = False
    needs_person: ClassVar[bool] = False

    usage: "Usage | None" = None
    was_sent: bool = True
    retry_after_s: float | None = None
    served_by: str = ""
    latency_ms: int = 0
    first_byte_ms: int = 0
    output_characters: int = 0
    attempt: int = 1
    sent_text: str | None = None


class RateLimited(CallFailed):
    """The provider says that too much is asked of it."""

    kind = "rate_limited"
    is_outage = True
    is_transient = True

    def __init__(self, model: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        wait = f" for {retry_after_s:g} s" if retry_after_s else ""
        super().__init__(f"the rate limit of {model} is used up{wait}; lower rpm or tpm (winnow models set {model} …)")


class ServerFailed(CallFailed):
    """The provider's server failed (HTTP 5xx, 408, 409, 425, or an error event in place of a reply)."""

    kind = "server_failed"
    is_transient = True
    is_endpoint_fault = True
    is_outage = True

    def __init__(self, model: str, status: int, reason: str = "", retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"the server of {model} failed with status {status}: {reason or NO_REASON}; run again later")


class ConnectionFailed(CallFailed):
    """The connection could not be made, or broke before the reply was whole."""

    kind = "connection_failed"
    is_transient = True
    is_endpoint_fault = True
    is_outage = True

    def __init__(self, model: str, cause: str, *, was_sent: bool, check: str = "its endpoint") -> None:
        self.was_sent = was_sent
        super().__init__(f"the connection to {model} failed: {cause}; check {check}, then run again")


class ProxyUnusable(CallFailed):
    """The proxy that the environment names cannot be one, or asks for credentials. Nothing was sent."""

    kind = "proxy_unusable"
    is_outage = True
    needs_person = True

    def __init__(self, model: str, cause: str) -> None:
        self.was_sent = False
        super().__init__(f"{model} cannot be asked: {cause}; correct the variable, or except its host by NO_PROXY")


class DeadlinePassed(CallFailed):
    """The reply was not whole when the call's time was over. The connection was closed.

    `slow` names what took the time where nothing was sent.
    """

    kind = "deadline_passed"
    is_endpoint_fault = True
    is_outage = True

    def __init__(self, model: str, timeout_s: float, slow: str = "") -> None:
        self.was_sent = not slow
        super().__init__(
            f"{model} was not asked within {timeout_s:g} s: {slow} was slow; run again"
            if slow
            else f"{model} did not answer within {timeout_s:g} s; raise timeout_s (winnow models set)"
        )


class KeyRefused(CallFailed):
    """The provider does not take the key (401, 403; proxies also 400, 500), or misses one."""

    kind = "key_refused"
    is_endpoint_fault = True
    is_outage = True
    needs_person = True

    def __init__(self, model: str, status: int, reason: str = "") -> None:
        stated = f" ({reason})" if reason else ""
        super().__init__(
            f"{model} refuses the key with status {status}{stated}; check the key that it names, then run again"
        )


class OutOfCredit(CallFailed):
    """The account with the provider is empty (402, or the 400, 403 and 429 that mean it)."""

    kind = "out_of_credit"
    is_endpoint_fault = True
    is_outage = True
    needs_person = True

    def __init__(self, model: str, reason: str = "") -> None:
        super().__init__(f"the account behind {model} has no credit ({reason or NO_REASON}); pay in, then run again")


class UpstreamMissing(CallFailed):
    """The provider knows no such model, or none for this key, or has nothing at this address (3xx, 404, 410, some 403).

    `at_address` describes what is there in place of models, where the address is in doubt and not the model; `reason`
    has the provider's words.
    """

    kind = "upstream_missing"
    is_endpoint_fault = True
    is_outage = True
    needs_person = True

    def __init__(self, model: str, upstream: str, at_address: str = "", reason: str = "") -> None:
        stated = f" ({reason})" if reason else ""
        super().__init__(
            f"no model answers at the address of {model}: {at_address}{stated}; "
            f"check its endpoint (winnow models set {model} endpoint=https://…/v1)"
            if at_address
            else f"the endpoint of {model} knows no model {upstream!r}{stated}; "
            f"correct it (winnow models set {model} upstream=…), or give its key access to it"
        )


class RequestRefused(CallFailed):
    """The provider does not take this one request (400, 413, 422, some 404)."""

    kind = "request_refused"

    def __init__(self, model: str, status: int, reason: str = "", remedy: str = "see its limits") -> None:
        super().__init__(f"{model} refuses the request with status {status}: {reason or NO_REASON}; {remedy}")


class ContextTooLong(CallFailed):
    """The request does not fit the model's context window."""

    kind = "context_too_long"

    def __init__(self, model: str, tokens: int | None = None) -> None:
        size = f" ({tokens:,} tokens)" if tokens else ""
        super().__init__(
            f"the document{size} exceeds the context window of {model}; route it to a model with a larger one"
        )


class CircuitOpen(CallFailed):
    """The model's circuit breaker is open: too many of its last calls failed.

    `again_in_s` is when a call may be let through. `waits_for_person`: a person must put something right first. `why`
    ends with the kind of the last failure: workers share no more of it.
    """

    kind = "breaker_open"  # rows hold it, so it keeps this name
    is_outage = True
    was_sent = False

    def __init__(self, model: str, why: str, again_in_s: float) -> None:
        self.again_in_s = again_in_s
        last_kind = why.rpartition(" ")[2]
        self.waits_for_person = any(
            error.needs_person and error.kind == last_kind for error in CallFailed.__subclasses__()
        )
        super().__init__(f"circuit of {model} open for {again_in_s:.0f} s: {why}; see `winnow models list`")


class LimitsReached(CallFailed):
    """The model's limits left no room for the call before its deadline.
    Or calls under way held the rest of a budget until then: the message says so.
    """

    kind = "limits_reached"
    is_outage = True
    was_sent = False

    def __init__(self, model: str) -> None:
        super().__init__(f"the limits of {model} left no room in time; raise them (winnow models set) or run again")


class BudgetHeld(LimitsReached):
    """Calls under way held the rest of a budget until the call's deadline.

    `scope` is document, run or day. Where they cost less than they hold, the call may still fit, so the document waits
    as it does for a limit, and the kind is the same.
    """

    def __init__(self, scope: str) -> None:
        CallFailed.__init__(
            self,
            f"calls under way hold the rest of the {scope} budget; run again, or raise it "
            "(winnow run --budget, WINNOW_BUDGET_PER_DAY_USD, budget_usd of the type)",
        )


class PromptFailed(CallFailed):
    """The prompt's template cannot be rendered for this document. Nothing was sent."""

    kind = "prompt_failed"

    was_sent = False

    def __init__(self, document_type: str, variant: str, cause: str) -> None:
        super().__init__(
            f"the prompt of {document_type!r} cannot be rendered ({cause}); correct prompts/{variant}.md, see "
            "`winnow types check`"
        )


class ReplyRefused(CallFailed):
    """A reply came and is not believed. `reply_text` is its text."""

    kind = "reply_refused"
    reply_text: str = ""


class EmptyReply(ReplyRefused):
    """The reply has no content."""

    kind = "empty_reply"
    is_transient = True

    def __init__(self, model: str, what: str) -> None:
        super().__init__(f"{model} answered with nothing: {what}; run again, or route to another model")


class TruncatedReply(ReplyRefused):
    """The reply was cut off. It is never mended: what is missing cannot be known."""

    kind = "truncated_reply"

    def __init__(self, model: str) -> None:
        super().__init__(f"the reply of {model} was cut off; ask for fewer fields, or raise max_output_tokens")


class ModelRefusal(ReplyRefused):
    """The model declines to answer, as a status, in prose, or in JSON."""

    kind = "model_refusal"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} declines: {reason[:200]!r}; route such documents to another model, or review them")


class ContentFiltered(ReplyRefused):
    """The provider's content filter stopped the request or the reply."""

    kind = "content_filtered"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model}'s content filter stopped it; route such documents elsewhere, or review them")


NO_JSON = "its body is no JSON"
"""The problem of a reply that comes from no model: the address of a web page answers so, with status 200."""


class MalformedReply(ReplyRefused):
    """The reply is no JSON object that can be read in one way only. `shape` names what is wrong."""

    kind = "malformed_reply"

    def __init__(self, model: str, shape: str) -> None:
        super().__init__(
            f"the reply of {model} cannot be read ({shape}); check its endpoint (https://…/v1?)"
            if shape.startswith(NO_JSON)
            else f"the reply of {model} cannot be read ({shape}); run again, or route to another model"
        )


class ReplyUnformed(MalformedReply):
    """The server refused what the model wrote, since it is no JSON. Another try may succeed."""

    is_transient = True


class WrongSchema(ReplyRefused):
    """The reply is JSON, and not of the schema that was asked for. `problem` goes back to the model, once."""

    kind = "wrong_schema"

    def __init__(self, model: str, problem: str) -> None:
        self.problem = problem
        super().__init__(f"the reply of {model} does not fit the schema: {problem}; route to another model")


class ReplyTooLarge(ReplyRefused):
    """The reply is larger than any answer can be."""

    kind = "reply_too_large"

    def __init__(self, model: str, limit_bytes: int) -> None:
        super().__init__(f"the reply of {model} has more than {limit_bytes:,} bytes; check its endpoint")


class BudgetExhausted(CallFailed):
    """No call fits what is left of a budget. `scope` is document, run, backfill or day."""

    kind = "budget_exhausted"
    is_outage = True
    was_sent = False

    def __init__(self, scope: str, cap_usd: str, spent_usd: str) -> None:
        super().__init__(
            f"the budget of the {scope} is {cap_usd} USD, of which {spent_usd} are spent: no call fits the rest; "
            "raise it (winnow run --budget, WINNOW_BUDGET_PER_DAY_USD, budget_usd of the type), then run again"
        )


class LedgerUnavailable(CallFailed):
    """What a call may cost cannot be reserved, so that it is not sent."""

    kind = "ledger_unavailable"
    is_outage = True
    was_sent = False

    def __init__(self, cause: str) -> None:
        super().__init__(f"the ledger cannot be written ({cause}), and nothing is spent without it; run again later")


class ModelsPaused(CallFailed):
    """Somebody paused all spending."""

    kind = "models_paused"
    is_outage = True
    was_sent = False

    def __init__(self) -> None:
        super().__init__("models are paused; `winnow models resume`, then run again")


class ModelUnavailable(CallFailed):
    """No model of the route that was needed gave an answer."""

    kind = "model_unavailable"
    is_outage = True

    def __init__(self, why: str) -> None:
        super().__init__(f"no model of the route answered ({why}); run again when one does")
