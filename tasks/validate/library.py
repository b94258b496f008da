"""Great Expectations: one context per process, without files, progress bars or state.

The library's context is global to the process and not thread-safe, so a lock guards every use of it.
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
"""The key of an expectation's own name in its `meta`: the library's results name only the class."""


@cache
def context() -> "EphemeralDataContext":
    """The process's context: in memory, without progress bars. Call it under `LOCK`."""
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    made = great_expectations.get_context(mode="ephemeral")
    made.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return made


def name_of(result: "ExpectationValidationResult") -> str:
    """The expectation's name in the document type."""
    configuration = result.expectation_config
    meta: Mapping[str, Any] = (configuration.meta if configuration is not None else None) or {}
    return str(meta[NAME_KEY])


def exception_of(result: "ExpectationValidationResult") -> str | None:
    """The message of the exception that the library met while it computed the result, if any.

    The library reports a single exception flat, and several by metric.
    """
    reported: Mapping[str, Any] = result.exception_info or {}
    single = (reported,) if "raised_exception" in reported else tuple(reported.values())
    for raised in single:
        if raised["raised_exception"]:
            return " ".join(str(raised["exception_message"]).split())
    return None
