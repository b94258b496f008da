"""The queue: what waits, in the order of work, with filters and counts; Enter takes the next item."""

from fastapi import Response

from blocks.database.review.queue import count_open_by_type, open_page
from blocks.records import UNKNOWN_TYPE
from blocks.review import reasons
from blocks.review.errors import InvalidDecision
from blocks.review.records import ItemKind, ItemStatus, Role
from deployments.review_app.call import Call
from deployments.review_app.filters import KEYS, filter_of, query_of

PAGE_ROWS = 50
REASONS = (
    "missing",
    "low_confidence",
    "invalid",
    "ungrounded",
    "contradiction",
    "expectation",
    "low_type_confidence",
    "unknown_type",
    "several_documents",
    "hidden_text",
    "low_ocr_confidence",
    "pages_unread",
    "read_in_part",
    "sensitive",
    "reopened",
    "failed",
)
"""The codes that the filter offers."""


def queue(call: Call) -> Response:
    """A page of the queue, from the item `after` on."""
    database, query = call.site.database, call.query
    wanted, after = filter_of(query, call.who.name), query.get("after", "")
    if after and not after.isdecimal():
        raise InvalidDecision("this page of the queue does not exist; the queue begins at /")
    page = open_page(database, wanted, PAGE_ROWS + 1, int(after) if after else None)
    rows = page.items
    by_type = count_open_by_type(database)
    known = {*call.site.types, UNKNOWN_TYPE, *(count.document_type for count in by_type)}
    is_filtered = any(query.get(name) for name in KEYS)
    total_open = sum(count.items for count in by_type)
    return call.page(
        "queue.html",
        rows=[_row(row) for row in rows[:PAGE_ROWS]],
        more=rows[PAGE_ROWS - 1]["review_id"] if len(rows) > PAGE_ROWS else None,
        is_first=not after,
        wanted={name: query.get(name, "") for name in KEYS},
        query=query_of(query),
        count=page.count if is_filtered else total_open,
        is_more=is_filtered and page.is_more,
        is_filtered=is_filtered,
        total_open=total_open,
        late=sum(count.late for count in by_type),
        by_type=by_type,
        types=sorted(known),
        codes=REASONS,
        kinds=list(ItemKind),
        statuses=list(ItemStatus),
        roles=[Role.REVIEWER, Role.SENIOR],
        may_decide=call.who.role.covers(Role.REVIEWER),
    )


def _row(row: dict[str, object]) -> dict[str, object]:
    codes = row["reasons"]
    assert isinstance(codes, list)
    return row | {"sentences": [reasons.sentence(str(code)) for code in codes]}
