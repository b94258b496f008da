"""The review page as an ASGI application: every route of the table behind the gate."""

from fastapi import FastAPI

from deployments.review_app.gate import Gate
from deployments.review_app.routes import ROUTES
from deployments.review_app.site import Site


def create_app(site: Site) -> FastAPI:
    """The application. It has no pages of FastAPI's own."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for route in ROUTES:
        app.add_route(route.path, Gate(site, route).answer, methods=[route.method], include_in_schema=False)
    return app
