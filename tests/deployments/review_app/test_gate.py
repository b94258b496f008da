"""Every route x role x CSRF token, as a table; sessions, lock-out and security headers."""

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from starlette.testclient import TestClient

from blocks.database.engine import Database, now
from blocks.database.review import users
from blocks.database.review.item_content import read_item
from blocks.database.review.sessions import find_session, open_session
from blocks.database.review.tables import review_sessions
from blocks.review.records import ItemStatus, Role
from blocks.settings import load_settings
from deployments.review_app.app import create_app
from deployments.review_app.call import SESSION_COOKIE, Call, Route
from deployments.review_app.passwords import hashed
from deployments.review_app.rate_limit import RateLimit
from deployments.review_app.routes import ROUTES
from deployments.review_app.site import Site
from tests.database_fixtures import add_documents
from tests.review_items import open_item

PASSWORD = "correct horse battery"
REFUSED = {401, 403}


@cache
def password_hash() -> str:
    return hashed(PASSWORD)


@pytest.fixture
def site(sqlite_database: Database, tmp_path: Path) -> Site:
    return Site.of(sqlite_database, {}, load_settings(), pictures=tmp_path / "pages")


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    with TestClient(create_app(site), follow_redirects=False) as client:
        yield client


def logged_in(client: TestClient, site: Site, role: Role) -> str:
    """Give the client a session of this role; returns its CSRF token."""
    if users.find_user(site.database, str(role)) is None:
        users.add_user(site.database, str(role), role, password_hash())
    token = open_session(site.database, str(role))
    client.cookies.set(SESSION_COOKIE, token)
    return Call(site, token, "").csrf


def log_in(client: TestClient, name: str, password: str = PASSWORD) -> int:
    page = client.get("/login")
    token = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert token is not None
    form = {"csrf": token[1], "name": name, "password": password, "next": "/"}
    return client.post("/login", data=form).status_code


def address(route: Route) -> str:
    return re.sub(r"\{(version|name)\}", "page.css", re.sub(r"\{(id|page):int\}", "1", route.path))


@pytest.mark.parametrize(
    ("route", "role"),
    list(itertools.product(ROUTES, [None, *Role])),
    ids=lambda value: f"{value.method} {value.path}" if isinstance(value, Route) else str(value),
)
def test_a_route_asks_for_its_role_and_the_token(
    client: TestClient, site: Site, route: Route, role: Role | None
) -> None:
    token = "" if role is None else logged_in(client, site, role)
    answers = {}
    for name, headers in (("with", {"X-CSRF-Token": token}), ("without", {}), ("wrong", {"X-CSRF-Token": "0" * 64})):
        body: dict[str, object] = {"json": {}} if route.is_json and route.method != "GET" else {}
        answers[name] = client.request(route.method, address(route), headers=headers, **body)  # type: ignore[arg-type]  # httpx's own types
        if role is not None:
            token = logged_in(client, site, role)  # the request may have ended the session
    needs_token = route.method != "GET"
    if route.role is not None and role is None:
        wanted = {401} if route.is_json else {303}
        assert {answer.status_code for answer in answers.values()} == wanted
        return
    is_allowed = route.role is None or (role is not None and role.covers(route.role))
    if role is not None:
        assert (answers["with"].status_code not in REFUSED) == is_allowed or route.path == "/login"
    for name in ("without", "wrong"):
        assert (answers[name].status_code == 403) == (needs_token or not is_allowed)
    assert all(answer.status_code < 500 for answer in answers.values())


def test_every_answer_has_the_security_headers(client: TestClient, site: Site) -> None:
    logged_in(client, site, Role.ADMIN)
    for path in ("/login", "/", "/static/1/page.css", "/static/1/none"):
        headers = client.get(path).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_right_password_opens_a_session_and_logging_out_ends_it(client: TestClient, site: Site) -> None:
    users.add_user(site.database, "ann", Role.REVIEWER, password_hash())
    assert log_in(client, "ann") == 303
    page = client.get("/")
    assert page.status_code == 200
    token, csrf = client.cookies[SESSION_COOKIE], re.search(r'name="csrf" value="(\w+)"', page.text)
    assert csrf is not None
    assert client.post("/logout", data={"csrf": csrf[1]}).status_code == 303
    assert find_session(site.database, token) is None


def test_a_name_is_locked_after_wrong_passwords_and_the_right_one_does_not_open_it(
    client: TestClient, site: Site
) -> None:
    users.add_user(site.database, "ann", Role.REVIEWER, password_hash())
    for _ in range(users.MAX_FAILED_LOGINS):
        assert log_in(client, "ann", "wrong") == 401
    assert log_in(client, "ann") == 401
    assert log_in(client, "nobody") == 401
    users.set_password(site.database, "ann", password_hash())
    assert log_in(client, "ann") == 303
    with ThreadPoolExecutor(12) as pool:
        tried = list(pool.map(lambda _: users.may_try_password(site.database, "ann"), range(12)))
    assert tried.count(True) == users.MAX_FAILED_LOGINS, "at the same time as one after another"


def test_a_session_ends_by_itself_and_with_its_user(client: TestClient, site: Site) -> None:
    logged_in(client, site, Role.READER)
    assert client.get("/").status_code == 200
    with site.database.write() as connection:
        connection.execute(update(review_sessions).values(expires_at=now() - timedelta(seconds=1)))
    assert client.get("/").headers["Location"] == "/login?next=/"
    assert client.get("/?type=a&late=1").headers["Location"] == "/login?next=/%3Ftype%3Da%26late%3D1"
    logged_in(client, site, Role.READER)
    users.set_active(site.database, "reader", is_active=False)
    assert client.get("/").status_code == 303


def test_the_login_leads_to_this_page_only(client: TestClient, site: Site) -> None:
    logged_in(client, site, Role.READER)
    for to in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
        assert client.get("/login", params={"next": to}).headers["Location"] == "/"
    assert client.get("/login", params={"next": "/items/1"}).headers["Location"] == "/items/1"


def test_a_trusted_proxy_says_who_is_logged_in_and_the_header_counts_for_nothing_without_it(
    sqlite_database: Database, tmp_path: Path
) -> None:
    users.add_user(sqlite_database, "ann", Role.REVIEWER, None)
    for trusted, status in (("X-User", 200), (None, 303)):
        site = Site.of(sqlite_database, {}, load_settings(), trusted, tmp_path)
        with TestClient(create_app(site), follow_redirects=False) as client:
            assert client.get("/", headers={"X-User": "ann"}).status_code == status
            assert client.get("/", headers={"X-User": "eve"}).status_code == 303


def test_behind_a_proxy_there_is_no_password_to_try(site: Site) -> None:
    users.add_user(site.database, "ann", Role.REVIEWER, password_hash())
    with TestClient(create_app(replace(site, user_header="X-User")), follow_redirects=False) as client:
        for name in ("", "nobody"):
            page = client.get("/login", headers={"X-User": name} if name else {})
            assert (page.status_code, "name=password" in page.text) == (403, False)
            assert "named nobody who is a user here" in page.text
        token = re.search(r'name="csrf" content="(\w+)"', page.text)
        assert token is not None
        form = {"csrf": token[1], "name": "ann", "password": PASSWORD, "next": "/"}
        assert client.post("/login", data=form).status_code == 403
        assert SESSION_COOKIE not in client.cookies


def test_too_many_requests_are_refused(site: Site) -> None:
    limited = replace(site, requests=RateLimit(per_second=0, burst=3))
    with TestClient(create_app(limited), follow_redirects=False) as client:
        assert [client.get("/login").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_request_that_is_nested_too_deeply_is_no_json(client: TestClient, site: Site) -> None:
    csrf = logged_in(client, site, Role.REVIEWER)
    headers = {"X-CSRF-Token": csrf, "Content-Type": "application/json"}
    assert client.post("/next", content=b"[" * 200_000, headers=headers).status_code == 400


def test_a_form_in_parts_that_has_none_is_refused_with_the_security_headers(client: TestClient) -> None:
    answer = client.post("/login", content=b"no parts", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 400
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_half_of_a_surrogate_pair_is_no_json(client: TestClient, site: Site) -> None:
    headers = {"X-CSRF-Token": logged_in(client, site, Role.REVIEWER), "Content-Type": "application/json"}
    answer = client.post("/items/1/decide", content=rb'{"action": "reject", "reason": "a\ud800b"}', headers=headers)
    assert answer.status_code == 400


def test_a_health_check_needs_no_login_and_fills_no_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "deployments.review_app")
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"answers": True})
    assert [record.getMessage() for record in caplog.records if record.name == "deployments.review_app.gate"] == []


def test_a_path_is_logged_without_codes_for_a_terminal(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "deployments.review_app")
    client.get("/static/1/%1B[2J")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "deployments.review_app.gate"]
    assert line.startswith("GET /static/1/%1B%5B2J by -: 404")


def test_the_head_of_a_page_is_answered_as_the_page(client: TestClient) -> None:
    assert client.head("/login").status_code == 200


def test_a_number_that_no_row_has_is_answered(client: TestClient, site: Site) -> None:
    token, huge = logged_in(client, site, Role.ADMIN), 10**30
    for route in ROUTES:
        if "{id:int}" in route.path:
            body = {"version": huge, "action": "accept", "after": huge, "shown_ms": huge}
            path = address(route).replace("/items/1", f"/items/{huge}")
            answer = client.request(route.method, path, headers={"X-CSRF-Token": token}, json=body)
            assert answer.status_code < 500, path
    for path in (f"/?after={huge}", f"/?priority={huge}", f"/strip?type=paper&field=total&after={huge}"):
        assert client.get(path).status_code < 500
    for name, content in (("/next", {"after": huge}), ("/strip/claim", {"ids": [huge]})):
        assert client.post(name, json=content, headers={"X-CSRF-Token": token}).status_code < 500


def test_a_second_header_of_the_visitors_own_makes_nobody_of_them(site: Site) -> None:
    users.add_user(site.database, "ann", Role.ADMIN, None)
    with TestClient(create_app(replace(site, user_header="X-User")), follow_redirects=False) as client:
        assert client.get("/", headers=[("X-User", "ann")]).status_code == 200
        assert client.get("/", headers=[("X-User", "ann"), ("X-User", "eve")]).status_code == 303


def test_a_filter_without_meaning_is_refused_before_anything_is_decided(client: TestClient, site: Site) -> None:
    add_documents(site.database, "a")
    item = open_item(site.database)
    headers = {"X-CSRF-Token": logged_in(client, site, Role.REVIEWER)}
    rejection = {"version": 1, "action": "reject", "reason": "not for us"}
    assert client.post(f"/items/{item}/decide?older=x", json=rejection, headers=headers).status_code == 409
    assert read_item(site.database, item).status is ItemStatus.OPEN
    assert client.post(f"/items/{item}/decide", json=rejection, headers=headers).status_code == 200


def test_a_monitor_s_token_opens_the_metrics_and_nothing_else(site: Site) -> None:
    settings = site.settings.model_copy(update={"metrics_token": SecretStr("a token of sixteen")})
    with TestClient(create_app(replace(site, settings=settings)), follow_redirects=False) as client:
        headers = {"Authorization": "Bearer a token of sixteen"}
        assert "winnow_documents" in client.get("/metrics", headers=headers).text
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401
        assert client.get("/", headers=headers).status_code == 303
