"""Log in and out. Too many wrong passwords lock a name for a while; the answer is the same for every name."""

from fastapi import Response

from blocks.database.review.sessions import end_session, open_session
from blocks.database.review.users import clear_failed_logins, find_user, may_try_password
from deployments.review_app.call import SESSION_COOKIE, Call
from deployments.review_app.passwords import is_right

WRONG = "The name or the password is wrong, or the name is locked for a few minutes after too many attempts."

NOT_BY_PROXY = (
    "The proxy in front of this page logs people in, and it named nobody who is a user here. "
    "winnow review user add NAME --no-password adds a user."
)


def show_login(call: Call) -> Response:
    """The form; who is logged in already goes on."""
    to = _safe(call.query.get("next", "/"))
    if call.person is not None:
        return call.redirect(to)
    return call.page("login.html", to=to, why="") if call.site.user_header is None else _only_by_proxy(call)


def log_in(call: Call) -> Response:
    """Open a session, in a new cookie."""
    site, to = call.site, _safe(call.form.get("next", "/"))
    if site.user_header is not None:
        return _only_by_proxy(call)
    if not site.logins.allows(call.client):
        return call.page("login.html", 429, to=to, why="Too many attempts; wait a minute.")
    name = call.form.get("name", "").strip()
    user = find_user(site.database, name)
    may_try = may_try_password(site.database, name)
    is_known = is_right(call.form.get("password", ""), user.password_hash if user is not None else None)
    if user is None or not user.is_active or not may_try or not is_known:
        return call.page("login.html", 401, to=to, why=WRONG)
    clear_failed_logins(site.database, name)
    response = call.redirect(to)
    token = open_session(site.database, name)
    response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="lax", secure=call.is_https)
    return response


def log_out(call: Call) -> Response:
    """End the session."""
    if call.site.user_header is None:
        end_session(call.site.database, call.key)
    response = call.redirect("/login?out=1")
    response.delete_cookie(SESSION_COOKIE)
    return response


def _only_by_proxy(call: Call) -> Response:
    return call.page("error.html", 403, why=NOT_BY_PROXY)


def _safe(to: str) -> str:
    """A place of this page; never another host's."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"
