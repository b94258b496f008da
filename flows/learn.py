"""Learns from what people decided: later runs read documents like the decided ones better."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.settings import load_settings
from tasks.classify.judge import judge_types
from tasks.flow_run.task import ends_in_one_line, run_name
from tasks.learn.learn import PartLearned
from tasks.learn.task import closing_learning, learn_from_labels
from tasks.look.task import look_at_promises


@flow(name="learn", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def learn() -> State[list[PartLearned]]:
    """Learn what people decided since the last time, where it is not worse on labels that it did not see.

    It also looks at what labels prove of the types that promise an error, and closes promises that audits speak
    against. It asks no model and costs nothing. Runs do both by themselves when they begin; this flow keeps their
    beginning short.
    """
    learnt = learn_from_labels(connect(load_settings()), judge_types)
    closed = [looked.document_type for looked in look_at_promises() if looked.is_closed]
    return closing_learning(learnt, closed)
