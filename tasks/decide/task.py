"""Applies the decisions that people inserted into `review_decisions`."""

from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.database.engine import Database
from blocks.database.review import inbox
from blocks.database.review.inbox import Answered
from blocks.document_types.loader import load_document_types
from blocks.settings import Settings


def apply_decisions(database: Database, settings: Settings) -> Answered:
    """Apply every new decision; each row has the answer."""
    return inbox.apply_decisions(database, load_document_types(settings.document_types_dir))


def closing_state(answered: Answered) -> State[Answered]:
    """The flow's final state. A refused decision is the person's affair: its row says why."""
    return Completed(message=f"decisions: {answered.applied} applied, {answered.refused} refused", data=answered)
