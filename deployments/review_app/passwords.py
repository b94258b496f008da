"""Passwords of local users, hashed by argon2id with the parameters that the library recommends."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from blocks.review.errors import PasswordTooShort

MIN_CHARACTERS = 10
AT_ONCE = 2
"""So many passwords are looked at at once. Each takes 64 MiB, and anybody may try one."""
_hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(AT_ONCE)
_nobodys = _hasher.hash("a name that no user has takes as long as a wrong password")


def hashed(password: str) -> str:
    """The hash of a new password. Raises `PasswordTooShort`."""
    if len(password) < MIN_CHARACTERS:
        raise PasswordTooShort(MIN_CHARACTERS)
    return _hasher.hash(password)


def is_right(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one of this hash. Without a hash it is wrong, after the same time."""
    try:
        with _turns:
            _hasher.verify(password_hash or _nobodys, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return password_hash is not None
