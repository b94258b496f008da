"""Why a decision is refused. Nothing is written then; every message says what to do next."""

from collections.abc import Collection, Sequence
from datetime import datetime

from blocks.errors import UsageError


class ReviewError(UsageError):
    """The review item does not allow this decision."""

    kind = "review_refused"


class ItemMissing(ReviewError):
    """There is no review item with this id."""

    kind = "review_item_missing"

    def __init__(self, review_id: int) -> None:
        super().__init__(f"there is no review item {review_id}; winnow review list shows the open ones")


class ItemClosed(ReviewError):
    """The item was decided already, or its document no longer needs a person."""

    kind = "review_item_closed"

    def __init__(self, review_id: int, status: str, by: str | None, at: datetime | None) -> None:
        if by is None:
            how = "is closed: a later run of its document needs no person"
        else:
            how = f"was {status} by {by}" + (f" at {at:%Y-%m-%d %H:%M} UTC" if at else "")
        super().__init__(f"review item {review_id} {how}; winnow review next shows another one")


class ItemReplaced(ReviewError):
    """A run replaced the content that the person saw."""

    kind = "review_item_replaced"

    def __init__(self, review_id: int, shown: int, current: int, changes: Sequence[str]) -> None:
        self.changes = tuple(changes)
        what = "; ".join(changes) or "its reasons, or values that are not shown"
        super().__init__(
            f"review item {review_id} has a newer version ({current}, you saw {shown}); changed: {what}; look at it "
            "again, then decide"
        )


class VersionUnknown(ReviewError):
    """The item never had the version that the decision names."""

    kind = "review_version_unknown"

    def __init__(self, review_id: int, shown: int, current: int) -> None:
        super().__init__(
            f"review item {review_id} has no version {shown}, its newest is {current}; look at it, then decide on the "
            "version that you saw"
        )


class ItemClaimed(ReviewError):
    """Another person works on the item."""

    kind = "review_item_claimed"

    def __init__(self, review_id: int, by: str, since: datetime) -> None:
        super().__init__(
            f"{by} has had review item {review_id} since {since:%H:%M} UTC; take another one, or wait until the claim "
            "ends"
        )


class NotAllowed(ReviewError):
    """The person's role does not allow this."""

    kind = "review_not_allowed"

    def __init__(self, name: str, role: str, what: str, needed: str) -> None:
        super().__init__(f"{name} has the role {role} and may not {what}; ask a {needed}")


class SecondLookNeeded(ReviewError):
    """The type asks for decisions by different persons, and this person has decided already."""

    kind = "review_second_look"

    def __init__(self, review_id: int, by: str) -> None:
        super().__init__(f"{by} has decided on review item {review_id} already; another person must decide on it too")


class InvalidDecision(ReviewError):
    """The decision has no meaning for this item."""

    kind = "review_decision_invalid"


class UnknownField(InvalidDecision):
    """The document type has no such field."""

    kind = "review_field_unknown"

    def __init__(self, field: str, fields: Collection[str]) -> None:
        super().__init__(f"there is no field {field!r}; the type has: {', '.join(fields) or 'none'}")


class InvalidCorrection(InvalidDecision):
    """The text is no value of the field."""

    kind = "review_value_invalid"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}; nothing was decided")


class FieldUnread(InvalidDecision):
    """A blind audit is accepted only once a person has read each of its fields."""

    kind = "review_field_unread"

    def __init__(self, field: str, review_id: int) -> None:
        super().__init__(
            f"{field}: review item {review_id} is a blind audit; correct every field, with what the document says, or "
            "decide on the page; nothing was decided"
        )


class NameInvalid(ReviewError):
    """A person's name has spaces around it, or characters that nobody sees."""

    kind = "review_name_invalid"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!a} is no name of a person: it has spaces around it, or characters that nobody sees")


class UserExists(UsageError):
    """There is a user of this name already."""

    kind = "review_user_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a user {name!r} already; winnow review user password and role change them")


class UserUnknown(UsageError):
    """There is no user of this name."""

    kind = "review_user_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no user {name!r}; winnow review user list shows them")


class PasswordTooShort(UsageError):
    """The password has too few characters."""

    kind = "review_password_too_short"

    def __init__(self, characters: int) -> None:
        super().__init__(f"a password has at least {characters} characters; choose a longer one")
