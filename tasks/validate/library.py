"""Great Expectations at arm's length: one context per process, without files, progress bars or state.

The library's context is global to the process and not meant for threads, so one lock guards every use of it.
"""

import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

LOCK = threading.RLock()

NAME_KEY = "winnow_name"
"""Where an expectation's own name travels through the library, which knows expectations only by their class."""


@cache
def context() -> "EphemeralDataContext":
    """The process's context: in memory, without progress bars. Call it under `LOCK`."""
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    made = great_expectations.get_context(mode="ephemeral")
    made.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return made


def name_of(result: "ExpectationValidationResult") -> str:
    """The name under which the document type lists the expectation."""
    configuration = result.expectation_config
    meta: Mapping[str, Any] = (configuration.meta if configuration is not None else None) or {}
    return str(meta[NAME_KEY])


def exception_of(result: "ExpectationValidationResult") -> str | None:
    """The message of what went wrong while the library computed the result, or None where nothing did.

    The library reports one exception flat, and several by the metric that raised each.
    """
    reported: Mapping[str, Any] = result.exception_info or {}
    single = (reported,) if "raised_exception" in reported else tuple(reported.values())
    for raised in single:
        if raised["raised_exception"]:
            return " ".join(str(raised["exception_message"]).split())
    return None
