"""The metrics, for Prometheus: by its token, or for a person who may read."""

from fastapi import Response

from deployments.monitoring.exporter import CONTENT_TYPE
from deployments.review_app.call import Call


def metrics(call: Call) -> Response:
    """The metrics of the database, in Prometheus's text format."""
    return Response(call.site.exporter.text(), media_type=CONTENT_TYPE)
