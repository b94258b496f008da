"""Addresses that may hold a password: their text never shows it, wherever it is printed, logged or stored."""

import re

from pydantic import Secret

MASK = "***"

_SECRET_NAME = (
    r"[\w.%-]*(?:passw|pwd|secret|token|signature|credential|api[_-]?key|access[_-]?key)[\w.%-]*|sig|key|code"
)

_USER_INFO = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@?#'\"]*)(?P<password>:(?!:|\d+/)[^\s?#'\"]*)?@", re.I
)
"""The user and password of a URL, up to the last @ before its query: a password may hold an @ or a slash by mistake.
What is a port is no password."""
_QUERY = re.compile(rf"(?P<name>[?&](?:{_SECRET_NAME})=)[^\s&#'\"]+", re.I)
_ONLY_QUERY = re.compile(rf"(?P<name>[?&](?:{_SECRET_NAME})=)[^&#]+", re.IGNORECASE)
_PAIR = re.compile(r"(?P<name>\b(?:ssl)?(?:password|passwd|pwd)\s*=\s*)(?:'[^']*'|[^\s&#;'\"]+)", re.I)
"""A pair of a connection string such as ``host=db password=x``."""
_WITH_USERS = ("postgres", "mysql", "mariadb", "oracle", "mssql")
"""Schemes whose user is a name. Elsewhere a user without a password may be a token."""


class SecretUrl(Secret[str]):
    """A URL. `str` and `repr` have *** in place of its secrets, and so has its JSON; `get_secret_value` gives all."""

    def _display(self) -> str:
        scheme, separator, rest = self.get_secret_value().partition("://")
        if not separator:
            return redacted(scheme)
        # All of it is one URL, so that its secrets may hold blanks and quotes, as no URL within a text may.
        user_info, at, place = ("", "", rest) if rest.startswith("/") else rest.rpartition("@")
        user, colon, _ = user_info.partition(":")
        shown_user = _user(scheme, user, has_password=bool(colon)) + at if at else ""
        return f"{scheme}://{shown_user}" + _ONLY_QUERY.sub(rf"\g<name>{MASK}", place)

    def __bool__(self) -> bool:
        return bool(self.get_secret_value())


def redacted(text: str) -> str:
    """The text with *** for the secrets of every URL and connection string in it."""
    if "://" not in text and "=" not in text:
        return text
    text = _USER_INFO.sub(_without_password, text)
    return _PAIR.sub(rf"\g<name>{MASK}", _QUERY.sub(rf"\g<name>{MASK}", text))


def _without_password(found: re.Match[str]) -> str:
    return f"{found['scheme']}{_user(found['scheme'], found['user'], has_password=bool(found['password']))}@"


def _user(scheme: str, user: str, *, has_password: bool) -> str:
    if has_password:
        return f"{user}:{MASK}"
    return user if scheme.lower().startswith(_WITH_USERS) else MASK
