"""Whether the page's process answers, for `winnow up` and other supervisors. The database is not asked.

A page that is started anew because its database is away helps nobody.
"""

from fastapi import Response

from deployments.review_app.call import Call


def health(call: Call) -> Response:
    """Say that the page answers; it says nothing else to anybody."""
    return call.answer({"answers": True})
