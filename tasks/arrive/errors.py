"""Errors of inboxes."""

from collections.abc import Sequence

from blocks.errors import RunError, UsageError, WinnowError


class InboxUnknown(UsageError):
    """A run names an inbox that Prefect does not have."""

    kind = "inbox_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no inbox called {name!r}; make it in the Prefect UI (Blocks, +, Winnow inbox)")


class InboxInvalid(UsageError):
    """A field of an inbox's block has a value that cannot be: the Prefect UI checks less than Winnow does."""

    kind = "inbox_invalid"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the inbox {name!r} cannot be used: {why}; correct its block in the Prefect UI (Blocks)")


class InboxesFailed(RunError):
    """A poll could not use, list or take an inbox: what it found in the others, and the reason for each that failed."""

    kind = "inboxes_failed"

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__("; ".join(parts))


class TakerNotDeployed(RunError):
    """Files have arrived, and Prefect has no deployment whose runs take them."""

    kind = "taker_not_deployed"

    def __init__(self, deployment: str) -> None:
        super().__init__(
            f"files have arrived, and Prefect has no deployment {deployment}; deploy with prefect --no-prompt deploy "
            "--all"
        )


class NotMoved(WinnowError):
    """A file stays in its inbox, because it changed or because a folder refuses."""

    kind = "file_not_moved"

    def __init__(self, uri: str, cause: str) -> None:
        super().__init__(f"{uri} stays in its inbox ({cause}); its document is stored")
