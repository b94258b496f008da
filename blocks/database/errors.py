"""Errors of the database that only its room raises. `DatabaseUnreachable` and `DiskFull` are in `blocks/errors.py`."""

from blocks.errors import RunError, UsageError


class LeaseLost(RunError):
    """The process gave no heartbeat for longer than its lease, and another process closed its run."""

    kind = "lease_lost"

    def __init__(self) -> None:
        super().__init__(
            "the run was closed as dead, because its process gave no heartbeat for longer than its lease; run again: "
            "it goes on from here"
        )


class DatabaseNewer(RunError):
    """A newer Winnow wrote the database."""

    kind = "database_newer"

    def __init__(self, url: str, revision: str) -> None:
        super().__init__(
            f"the database {url} is at revision {revision}, which this Winnow does not know; update Winnow"
        )


class ViewInUse(RunError):
    """A view of a document type must be replaced, and an object that is not Winnow's depends on it."""

    kind = "view_in_use"

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"the view {name} cannot be replaced ({cause}); drop what depends on it, then run again")


class NoSqlRoles(UsageError):
    """SQLite has no users."""

    kind = "sql_roles_missing"

    def __init__(self) -> None:
        super().__init__("SQLite has no users: whoever may write the file may decide; use PostgreSQL for roles")


class GrantRefused(UsageError):
    """Winnow's database user may not create the roles or grant them, or the grantee does not exist."""

    kind = "sql_grant_refused"

    def __init__(self, cause: str, statements: tuple[str, ...]) -> None:
        super().__init__(f"{cause}; let a superuser give, then try again: {'; '.join(statements)}")
