"""Errors of those who ask for a story."""

from blocks.errors import UsageError


class StoryUnknown(UsageError):
    """Nothing that Winnow knows has this name: no run, no document, no file."""

    kind = "story_unknown"

    def __init__(self, name: str, *, is_file: bool = False) -> None:
        super().__init__(
            f"no run has read {name}, nor another file with its bytes; winnow run {name} reads it"
            if is_file
            else f"no run, no document and no file is called {name!r}; winnow runs lists the runs, and winnow results "
            "the files; the first letters of an id are enough, and of a place its end, such as a file's name"
        )


class StoryAmbiguous(UsageError):
    """Several runs, documents or files have this name."""

    kind = "story_ambiguous"

    def __init__(self, name: str, found: tuple[str, ...], *, is_more: bool) -> None:
        more = " and others" if is_more else ""
        super().__init__(f"{name!r} may be {', '.join(found)}{more}; give more of the id or of the place")
