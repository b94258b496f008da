"""A provider's answer, read from its wire format and not judged yet."""

from dataclasses import dataclass
from enum import StrEnum

from blocks.gateway.model import Usage


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    REFUSAL = "refusal"
    FILTERED = "filtered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WireReply:
    """A provider's answer. `text` should be JSON of the reply schema.

    `refusal` is the content of the provider's own refusal field. `token_logprobs` has the reply's tokens in order with
    the natural logarithms of their probabilities; it is empty where the provider gives none. `served_by` is the model
    version that the provider reports.
    """

    text: str
    finish: Finish
    usage: Usage
    served_by: str = ""
    refusal: str = ""
    token_logprobs: tuple[tuple[str, float], ...] = ()
