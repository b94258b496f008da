"""The queue: what waits, in the order of work."""

from fastapi import Response

from blocks.database.review.queue import list_items
from deployments.review_app.call import Call


def queue(call: Call) -> Response:
    """The open items."""
    return call.page("queue.html", items=list_items(call.site.database, limit=200))
