"""The review page as an ASGI application: every route of the table behind the gate."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from deployments.review_app.gate import HEADERS, Gate
from deployments.review_app.routes import ROUTES
from deployments.review_app.site import Site


def create_app(site: Site) -> FastAPI:
    """The application. It has no pages of FastAPI's own."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={404: _no_route, 405: _no_route},
    )
    for route in ROUTES:
        app.add_route(route.path, Gate(site, route).answer, methods=[route.method], include_in_schema=False)
    return app


async def _no_route(_request: Request, _error: Exception) -> Response:
    """The answer where the table has no such route: it does not pass the gate, and has the same headers."""
    return PlainTextResponse("there is no such page; the queue is at /", 404, HEADERS)
