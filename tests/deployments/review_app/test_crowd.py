"""Eight people at once, on the page, by SQL and by the command's functions: the benchmark of it in small."""

import review_crowd

from blocks.database.engine import Database


def test_eight_people_at_three_doors_decide_each_item_once(database: Database) -> None:
    review_crowd.fill(database, 200)
    counts = review_crowd.crowd(database)  # which fails where a decision is lost, made twice, or not in the trail
    assert counts.decided_on_page + counts.decided_by_sql + counts.decided_by_command == 200
    assert counts.decided_on_page > len(review_crowd.ON_PAGE)  # each decides on one before the others begin
    assert min(counts.decided_by_sql, counts.decided_by_command) > 0
