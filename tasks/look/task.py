"""The Prefect task behind the flow learn that looks at promises."""

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.promise.prove import Looked, prove_promises
from tasks.reading_run import reading_run
from tasks.runs.run import asked_promises


@task(name="look-at-promises", cache_policy=NO_CACHE, persist_result=False)
def look_at_promises() -> list[Looked]:
    """Look at what labels prove of every type of this checkout that promises an error, and write it as an artifact."""
    run = reading_run()
    found = prove_promises(run.ledger, asked_promises(run))
    rows = [{"document type": looked.document_type, "promise": looked.why} for looked in found]
    create_table_artifact(rows, key="winnow-promises", description="What is proven of accepted rows, type by type.")
    return found
