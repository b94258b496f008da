"""Works chunks of a run that goes on elsewhere, together with the other workers of that run."""

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.flow_run.task import ends_in_one_line, run_name, shown_as_worker
from tasks.recover.task import tried_again_after_outages
from tasks.runs.join import join_run
from tasks.runs.pipeline import work_chunks as work_chunks_of
from tasks.share.task import worked_state
from tasks.stages import PIPELINE


@flow(name="work-chunks", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def work_chunks(run_id: str) -> State[int]:
    """Join a run that is under way, and work its chunks with it until none is left.

    A run that is started with `workers` starts such runs itself. Start one by hand to speed a run up.

    Args:
        run_id: The id of the run, as winnow runs shows it. Its budget and its models' limits hold over all its workers.
    """
    with tried_again_after_outages(), join_run(run_id, PIPELINE) as run, shown_as_worker(run):
        work_chunks_of(run)
        return worked_state(run)
