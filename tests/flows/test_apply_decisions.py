"""The flow apply-decisions, run by Prefect."""

import pytest
from sqlalchemy import insert, select

from blocks.database.engine import Database
from blocks.database.review.tables import review_decisions
from tests.database_fixtures import add_documents
from tests.prefect_fixtures import in_prefect
from tests.review_items import open_item
from tests.winnow_command import Workplace

pytestmark = pytest.mark.prefect

APPLY = """
import os
os.environ["WINNOW_DATABASE_URL"] = {url!r}
from flows.apply_decisions import apply_decisions
print(apply_decisions(return_state=True).message)
"""


def test_the_flow_answers_new_rows_and_says_how_many(workplace: Workplace, sqlite_database: Database) -> None:
    add_documents(sqlite_database, "a")
    item = open_item(sqlite_database, "a")
    rows = [{"review_id": item, "decision": word, "decided_by": "ann"} for word in ("accept", "approve")]
    with sqlite_database.write() as connection:
        for row in rows:
            connection.execute(insert(review_decisions), row)
    script = APPLY.format(url=sqlite_database.url.get_secret_value())
    assert in_prefect(script, workplace.server) == "decisions: 1 applied, 1 refused"
    assert in_prefect(script, workplace.server) == "decisions: 0 applied, 0 refused"
    with sqlite_database.read() as connection:
        statuses = connection.execute(select(review_decisions.c.status).order_by(review_decisions.c.decision_id))
        assert list(statuses.scalars()) == ["applied", "refused"]
