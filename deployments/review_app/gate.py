"""The gate before every route: who asks, whether they may, how often, with which token; and one edge for errors."""

import hmac
import json
import logging
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from blocks.database.review.sessions import find_session
from blocks.database.review.users import find_user
from blocks.errors import DatabaseUnreachable, DocumentError, UsageError, WinnowError
from blocks.review.errors import ItemMissing, NotAllowed, ReviewError
from blocks.review.records import Person
from deployments.monitoring.exporter import is_authorised
from deployments.review_app.call import SESSION_COOKIE, VISITOR_COOKIE, Call, Route
from deployments.review_app.site import Site

MAX_BODY_BYTES = 4 * 1024 * 1024
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

UNKNOWN_PERSON = 401
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (ItemMissing, 404),
    (NotAllowed, 403),
    (ReviewError, 409),
    (UsageError, 400),
    (DocumentError, 404),
    (DatabaseUnreachable, 503),
)
"""The status of an error: of the first of its kinds here."""

log = logging.getLogger(__name__)


class Refusal(Exception):
    """The gate does not let a request through."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Gate:
    """A route behind the gate, as FastAPI calls it."""

    def __init__(self, site: Site, route: Route) -> None:
        self._site, self._route = site, route

    async def answer(self, request: Request) -> Response:
        """The route's response, or an error's."""
        started = time.monotonic()
        try:
            body = await self._body(request)
        except Refusal as refusal:
            call = self._call(request, "", None, {})
            response, name = self._error(call, refusal.status, str(refusal), "refused"), "-"
        else:
            response, name = await run_in_threadpool(self._respond, request, body)
        for header, value in HEADERS.items():
            response.headers.setdefault(header, value)
        # Without the query: people search for text of documents. Quoted: a path may hold codes that a terminal obeys.
        duration_ms = (time.monotonic() - started) * 1_000
        log.log(
            logging.INFO if self._route.is_logged or response.status_code >= HTTPStatus.BAD_REQUEST else logging.DEBUG,
            "%s %s by %s: %d in %.0f ms",
            request.method,
            quote(request.scope["path"]),
            name,
            response.status_code,
            duration_ms,
        )
        return response

    def _respond(self, request: Request, body: Mapping[str, Any]) -> tuple[Response, str]:
        site, token = self._site, request.cookies.get(SESSION_COOKIE, "")
        visitor = request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(32)
        call = self._call(request, visitor, None, body)
        person = None
        try:
            person = self._person(request, token)
            if person is not None:
                key = f"proxy:{person.name}" if site.user_header else token
                call = self._call(request, key, person, body)
            self._check(request, call, body)
            response = self._route.handler(call)
        except Exception as error:  # noqa: BLE001 - the edge: an error becomes a page, and a defect is logged
            response = self._of(call, error)
        if person is None and VISITOR_COOKIE not in request.cookies:
            response.set_cookie(VISITOR_COOKIE, visitor, httponly=True, samesite="strict", secure=call.is_https)
        return response, "-" if person is None else person.name

    def _call(self, request: Request, key: str, person: Person | None, body: Mapping[str, Any]) -> Call:
        is_json = _is_json(request)
        return Call(
            site=self._site,
            key=key,
            client=request.client.host if request.client else "",
            is_https=request.url.scheme == "https",
            person=person,
            path=request.path_params,
            query=dict(request.query_params),
            form={} if is_json else body,
            json=body if is_json else {},
        )

    def _person(self, request: Request, token: str) -> Person | None:
        site = self._site
        if site.user_header is not None:
            names = request.headers.getlist(site.user_header)  # of two, one may be the visitor's own
            user = find_user(site.database, names[0]) if len(names) == 1 and names[0] else None
            return Person(name=user.name, role=user.role) if user is not None and user.is_active else None
        return find_session(site.database, token) if token else None

    def _check(self, request: Request, call: Call, body: Mapping[str, Any]) -> None:
        route, person = self._route, call.person
        if not self._site.requests.allows(call.client if person is None else person.name):
            raise Refusal(429, "too many requests; wait a moment")
        if route.takes_token and is_authorised(request.headers.get("Authorization"), self._site.settings.metrics_token):
            return
        if route.role is not None and person is None:
            raise Refusal(UNKNOWN_PERSON, "log in first")
        if route.method != "GET":
            token = request.headers.get("X-CSRF-Token") or str(body.get("csrf", ""))
            if not hmac.compare_digest(token.encode(), call.csrf.encode()):
                raise Refusal(403, "this form is not from this page, or its session has ended; load the page again")
        if route.role is not None and person is not None and not person.role.covers(route.role):
            raise NotAllowed(person.name, person.role, "do this", route.role)

    async def _body(self, request: Request) -> Mapping[str, Any]:
        if self._route.method == "GET":
            return {}
        size = request.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > MAX_BODY_BYTES:
            raise Refusal(413, "the request is too large, or does not say its length")
        try:
            if _is_json(request):
                body = await request.json()
                if not isinstance(body, dict):
                    raise Refusal(400, "the request is no JSON object")
                json.dumps(body, ensure_ascii=False).encode()  # half of a surrogate pair can be neither shown nor sent
                return body
            return {name: value for name, value in (await request.form()).items() if not isinstance(value, UploadFile)}
        except (ValueError, RecursionError, HTTPException) as error:  # the last of a form in parts that has none
            raise Refusal(400, "the request is neither JSON nor a form") from error

    def _of(self, call: Call, error: Exception) -> Response:
        """An error's page, or its object for the page's script."""
        if isinstance(error, Refusal):
            if error.status == UNKNOWN_PERSON and not self._route.is_json:
                return call.redirect(f"/login?next={quote(self._page_of(call), safe='/')}")
            return self._error(call, error.status, str(error), "refused")
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
        if status >= 500:
            log.error("%s %s failed", self._route.method, self._route.path, exc_info=error)
        if not isinstance(error, WinnowError):
            return self._error(call, status, "a defect of Winnow; its log says more", "internal")
        return self._error(call, status, str(error), error.kind, list(getattr(error, "changes", ())))

    def _page_of(self, call: Call) -> str:
        """The page to open after the login: the one that was asked for, with its query."""
        if self._route.method != "GET":
            return "/"
        path = self._route.path.replace(":int", "")
        for name, value in call.path.items():
            path = path.replace(f"{{{name}}}", str(value))
        return f"{path}?{urlencode(call.query)}" if call.query else path

    def _error(self, call: Call, status: int, why: str, kind: str, changes: list[str] | None = None) -> Response:
        if self._route.is_json:
            return call.answer({"error": why, "kind": kind, "changes": changes or []}, status)
        return call.page("error.html", status, why=why)


def _is_json(request: Request) -> bool:
    return request.headers.get("Content-Type", "").partition(";")[0] == "application/json"
