"""Eight people at once, by SQL and by the command's functions; killed appliers: nothing happens twice or is lost."""

import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sqlalchemy import func, insert, select

from blocks.database.engine import Database
from blocks.database.results.results import list_results
from blocks.database.review import claims
from blocks.database.review.decide import decide
from blocks.database.review.inbox import apply_decisions
from blocks.database.review.queue import count_items
from blocks.database.review.tables import review_decisions, review_events
from blocks.database.review.verify import verify_trail
from blocks.review.chain import Head
from blocks.review.errors import ReviewError
from blocks.review.records import Action, Decision, Door, Event, Person
from tests.database_fixtures import add_documents
from tests.review_items import TYPES, open_item
from tests.winnow_command import wait_until

ROOT = Path(__file__).parents[4]
APPLY = """
import sys
from blocks.database.engine import open_database
from blocks.database.review.inbox import apply_decisions
from tests.review_items import TYPES
apply_decisions(open_database(sys.argv[1]), TYPES)
"""


def items_of(database: Database, count: int) -> list[int]:
    names = [f"d{number}" for number in range(count)]
    add_documents(database, *names)
    return [open_item(database, name) for name in names]


def insert_accepts(database: Database, items: list[int], by: str) -> None:
    for item in items:
        with database.write() as connection:
            connection.execute(insert(review_decisions), {"review_id": item, "decision": "accept", "decided_by": by})


def statuses(database: Database) -> Counter[str]:
    with database.read() as connection:
        return Counter(connection.execute(select(review_decisions.c.status)).scalars())


def decided(database: Database) -> Counter[int]:
    """How many decisions each item has in the audit trail."""
    with database.read() as connection:
        query = select(review_events.c.review_id).where(review_events.c.event == Event.DECIDED)
        return Counter(connection.execute(query).scalars())


def has_come_to(database: Database, process: subprocess.Popen[bytes], applied: int) -> bool:
    return statuses(database)["applied"] >= applied or process.poll() == 0


def test_eight_people_decide_each_item_once(database: Database) -> None:
    items = items_of(database, 40)

    def by_sql(number: int) -> int:
        insert_accepts(database, random.Random(number).sample(items, len(items)), f"sql-{number}")
        apply_decisions(database, TYPES)
        return 0

    def by_command(number: int) -> int:
        person, done = Person(name=f"command-{number}"), 0
        while (item := claims.claim_next(database, person)) is not None:
            decision = Decision(
                review_id=item.review_id, version=item.version, action=Action.ACCEPT, by=person.name, door=Door.COMMAND
            )
            try:
                decide(database, decision, person, TYPES)
                done += 1
            except ReviewError as refusal:  # a claim keeps others from the item, so none may have decided
                raise AssertionError from refusal
        return done

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(door, number) for number in range(4) for door in (by_sql, by_command)]
        by_commands = sum(future.result() for future in futures)
    wait_until(lambda: (apply_decisions(database, TYPES), statuses(database)["new"] == 0)[1])
    answered = statuses(database)
    assert count_items(database) == 0
    assert decided(database) == Counter(items)
    assert answered["applied"] + by_commands == len(items)
    assert answered["applied"] + answered["refused"] == 4 * len(items)
    assert isinstance(verify_trail(database), Head)


def test_appliers_that_are_killed_lose_nothing_and_do_nothing_twice(database: Database) -> None:
    items = items_of(database, 60)
    insert_accepts(database, items, "ann")
    url = database.url.get_secret_value()
    moments = random.Random(9)
    for _ in range(3):
        goal = min(statuses(database)["applied"] + moments.randint(1, 15), len(items))
        process = subprocess.Popen([sys.executable, "-c", APPLY, url], cwd=ROOT)
        try:
            wait_until(partial(has_come_to, database, process, goal))
        finally:
            process.kill()
            process.wait()
    wait_until(lambda: (apply_decisions(database, TYPES), statuses(database)["new"] == 0)[1])
    assert statuses(database) == Counter(applied=len(items))
    assert decided(database) == Counter(items)
    assert Counter(row["status"] for row in list_results(database)) == Counter(accepted=len(items))
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(review_events)).scalar_one() == 2 * len(items)
    assert isinstance(verify_trail(database), Head)
