"""Who a name is at the doors without a log-in: the command, SQL and files."""

from blocks.review.errors import NameInvalid
from blocks.review.records import Person, Role


def check_name(name: str) -> None:
    """Raises `NameInvalid` for a name that reads like another one: names are all that tells two persons apart."""
    if name != name.strip() or not name.isprintable():
        raise NameInvalid(name)


def person_named(name: str, role: Role | None, *, is_active: bool = True, has_users: bool) -> Person:
    """The person of that name. `role` is that of the user of the review page with this name; None where there is none.

    Without any users, whoever may write the database may decide everything. Once there are users, a name that is not
    among them is a reviewer. A user who was disabled may read only. Raises as `check_name`.
    """
    check_name(name)
    if role is None:
        return Person(name=name, role=Role.REVIEWER if has_users else Role.ADMIN)
    return Person(name=name, role=role if is_active else Role.READER)
