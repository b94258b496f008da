"""The flow retain, run by Prefect."""

import pytest

from blocks.database.engine import Database
from blocks.database.review.history import load_history
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.prefect_fixtures import in_prefect
from tests.review_items import open_item
from tests.winnow_command import Workplace

pytestmark = pytest.mark.prefect

RETAIN = """
import os
os.environ["WINNOW_DATABASE_URL"] = {url!r}
from flows.retain import retain
print(retain({parameters}, return_state=True).message)
"""


def test_the_flow_deletes_what_it_is_told_and_nothing_else(workplace: Workplace, sqlite_database: Database) -> None:
    add_documents(sqlite_database, "a")
    open_item(sqlite_database, "a")
    open_item(sqlite_database, "a", fingerprint="g")
    url = sqlite_database.url.get_secret_value()

    def message(parameters: str) -> str:
        return in_prefect(RETAIN.format(url=url, parameters=parameters), workplace.server)

    assert message("erase_type='receipt'") == "0 rows deleted, 0 documents erased", "no age deletes nothing"
    assert message("outputs_days=0, erase_days=1") == "1 rows deleted, 0 documents erased"
    assert message("erase_days=0") == "0 rows deleted, 1 documents erased"
    assert load_history(sqlite_database, id_of("a"), "ann").entries[-1].actor == "the flow retain"
