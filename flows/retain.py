"""Deletes by age what nobody needs any more."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.database.address import connect
from blocks.database.keeping.retention import Retention
from blocks.records import MOST_DAYS, Status
from blocks.settings import load_settings
from tasks.flow_run.form import DocumentTypeName
from tasks.flow_run.task import ends_in_one_line, run_name
from tasks.keep.task import Kept, closing_state, delete_old_rows, erase_old_documents

Days = Annotated[float, Field(ge=0, le=MOST_DAYS)]


@flow(name="retain", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def retain(
    outputs_days: Days | None = None,
    members_days: Days | None = None,
    calls_days: Days | None = None,
    texts_days: Days | None = None,
    replies_days: Days | None = None,
    erase_days: Days | None = None,
    erase_type: DocumentTypeName | None = None,
    erase_status: Status | None = None,
) -> State[Kept]:
    """Delete what is older than so many days. An age that is empty deletes nothing.

    Args:
        outputs_days: Outputs of stages and results that newer ones replaced. Going back computes them again.
        members_days: Which documents an ended run worked on. Figures that it kept at its end stay.
        calls_days: Calls of models, with tokens and cost.
        texts_days: Prompts and replies, where they are kept.
        replies_days: Replies kept for equal requests, since their last use. An equal request is paid again.
        erase_days: Documents that were first seen so long ago, and all that was read of them. They are not read again.
        erase_type: The type of the documents to erase. Empty: of every type.
        erase_status: The status of the documents to erase. Empty: of any, also those that wait for a person.
    """
    database = connect(load_settings())
    ages = Retention(
        outputs_days=outputs_days,
        members_days=members_days,
        calls_days=calls_days,
        texts_days=texts_days,
        replies_days=replies_days,
    )
    rows = delete_old_rows(database, ages)
    return closing_state(Kept(rows=rows, erased=erase_old_documents(database, erase_days, erase_type, erase_status)))
