"""A request as routes see it: who asks, for what, with which token; and the responses that they give."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from blocks.review.records import Person, Role
from deployments.review_app.site import Site

SESSION_COOKIE = "winnow_session"
VISITOR_COOKIE = "winnow_visitor"


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `key` ties the CSRF token to the browser: its session, or a visitor's cookie before the login.

    `form` has the fields of a form, `json` the object of a JSON body.
    """

    site: Site
    key: str
    client: str
    is_https: bool = False
    person: Person | None = None
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)

    @property
    def csrf(self) -> str:
        """The token that every request that changes something must bring."""
        return hmac.digest(self.key.encode(), self.site.secret if self.site.user_header else b"csrf", "sha256").hex()

    @property
    def who(self) -> Person:
        """The person who is logged in. The gate lets nobody else through to a route that needs a role."""
        assert self.person is not None
        return self.person

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page made of a template."""
        shared = {"person": self.person, "csrf": self.csrf, "has_proxy": self.site.user_header is not None}
        return HTMLResponse(self.site.render(template, **shared, **values), status)

    def answer(self, content: Mapping[str, Any], status: int = 200) -> Response:
        """A JSON object for the page's script."""
        return JSONResponse(dict(content), status)

    def redirect(self, to: str) -> Response:
        """Go on with another page, by GET."""
        return RedirectResponse(to, 303)

    def etag(self, content: bytes) -> str:
        """The tag of a content."""
        return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `role` is what a person needs; None: anybody, logged in or not. `is_json`: it answers the page's script.

    Everything but GET needs the CSRF token. `takes_token`: the token of WINNOW_METRICS_TOKEN stands for a person.
    """

    method: str
    path: str
    handler: Handler
    role: Role | None
    is_json: bool = False
    takes_token: bool = False
