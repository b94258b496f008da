"""A request as routes see it: who asks, for what, with which token; and the responses that they give."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import ValidationError

from blocks.review.errors import InvalidDecision
from blocks.review.records import Decision, Door, FieldJudgement, Person, Role
from blocks.yaml.messages import first_finding
from deployments.review_app.site import Site

SESSION_COOKIE = "winnow_session"
VISITOR_COOKIE = "winnow_visitor"
_Given = TypeVar("_Given", Decision, FieldJudgement)


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

    def jpeg(self, content: bytes) -> Response:
        """A picture of a page, or of a part of it; not found where it is empty."""
        if not content:
            return self.answer({"error": "the document has no such page to draw", "kind": "no_picture"}, 404)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    def given(self, record: type[_Given], what: str, leave_out: str = "") -> _Given:
        """The JSON object as a record about the item of the path, by this person. Raises `InvalidDecision`."""
        own = {"review_id": int(self.path["id"]), "by": self.who.name, "door": Door.PAGE}
        try:
            return record.model_validate({name: value for name, value in self.json.items() if name != leave_out} | own)
        except ValidationError as error:
            raise InvalidDecision(f"the {what} has no meaning: {first_finding(error)}") from error


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `role` is what a person needs; None: anybody, logged in or not. `is_json`: it answers the page's script.

    Everything but GET needs the CSRF token. `takes_token`: the token of WINNOW_METRICS_TOKEN stands for a person.
    `is_logged`: a line in the log tells of each request that is let through.
    """

    method: str
    path: str
    handler: Handler
    role: Role | None
    is_json: bool = False
    takes_token: bool = False
    is_logged: bool = True
