"""Roles of names at the doors without a log-in."""

import pytest

from blocks.review.persons import person_named
from blocks.review.records import Role


@pytest.mark.parametrize(
    ("role", "is_active", "has_users", "expected"),
    [
        (None, True, False, Role.ADMIN),
        (None, True, True, Role.REVIEWER),
        (Role.SENIOR, True, True, Role.SENIOR),
        (Role.SENIOR, False, True, Role.READER),
    ],
)
def test_roles_of_names(role: Role | None, is_active: bool, has_users: bool, expected: Role) -> None:
    assert person_named("ann", role, is_active=is_active, has_users=has_users).role is expected
