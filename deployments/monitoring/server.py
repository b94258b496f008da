"""The metrics by HTTP, for machines without the review page."""

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from blocks.errors import DatabaseUnreachable
from deployments.monitoring.exporter import CONTENT_TYPE, Exporter, is_authorised

if TYPE_CHECKING:
    from pydantic import SecretStr


def create_server(exporter: Exporter, token: "SecretStr | None") -> Starlette:
    """An application with the one page /metrics. With a token, a request must bring it (Authorization: Bearer …)."""

    def metrics(request: Request) -> Response:
        if token is not None and not is_authorised(request.headers.get("Authorization"), token):
            return PlainTextResponse("bring the token of WINNOW_METRICS_TOKEN\n", 401, {"WWW-Authenticate": "Bearer"})
        try:
            return Response(exporter.text(), media_type=CONTENT_TYPE)
        except DatabaseUnreachable as error:
            return PlainTextResponse(f"{error}\n", 503)

    return Starlette(routes=[Route("/metrics", metrics)])
