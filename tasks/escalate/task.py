"""Raises the levels of late review items, and sends the messages by Prefect's notification blocks."""

import logging
from collections.abc import Sequence

import httpx
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.database.engine import Database
from blocks.database.review import notices
from blocks.database.review.notices import Notice, Raised
from blocks.document_types.loader import load_document_types
from blocks.settings import Settings
from tasks.escalate.message import message_of

log = logging.getLogger(__name__)


def raise_levels(database: Database, settings: Settings) -> Raised:
    """Remind of the items that have had half of their time, and escalate those that are due."""
    types = load_document_types(settings.document_types_dir)
    return notices.raise_levels(database, types, settings.escalate_again_minutes, settings.notify_blocks)


def send_messages(database: Database, settings: Settings) -> list[str]:
    """Send a message per block that has any to send. Returns the blocks that could not, with the reason.

    What a block could not send, the next flow run sends.
    """
    failed = []
    for block in settings.notify_blocks:
        late = notices.claim_messages(database, block)
        if not late:
            continue
        why = _send(block, late, settings.review_url)
        if why is None:
            notices.confirm_sent(database, block, late)
        else:
            notices.leave_unsent(database, block, late, why)
            log.warning("%s could not send a message about %d review items: %s", block, len(late), why)
            failed.append(f"{block} ({why})")
    return failed


def closing_state(raised: Raised, failed: Sequence[str]) -> State[Raised]:
    """The flow's final state. It is failed where a block could not send, so that Prefect's automations see it."""
    message = f"review items: {raised.reminded} reminded of, {raised.escalated} escalated"
    if failed:
        return Failed(message=f"{message}; not sent, the next run tries again: {', '.join(failed)}")
    return Completed(message=message, data=raised)


def _send(name: str, late: Sequence[Notice], review_url: str | None) -> str | None:
    """Send by the block; returns why it could not. The reason holds no address: an address may be a secret."""
    message = message_of(late, review_url)
    try:
        block = Block.load(name)
        if not isinstance(block, NotificationBlock):
            return "it is no notification block"
        with block.raise_on_failure():
            block.notify(message.body, message.subject)  # type: ignore[unused-coroutine]  # it runs outside of a loop
    except httpx.HTTPStatusError as error:
        return f"it answered {error.response.status_code}"
    except ValueError as error:
        return "there is no such block" if "Unable to find block document" in str(error) else type(error).__name__
    except Exception as error:  # noqa: BLE001 - blocks are anybody's; their messages may hold addresses
        return type(error).__name__
    return None
