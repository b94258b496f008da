"""What changed between two versions of a document type, as a diff of their texts."""

import difflib
import json
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from blocks.document_types.schema import DocumentType
from blocks.records import Stage

CONTENT_FILE = "the parsed content"
"""The name in a diff where the older texts are not stored."""


def diff_of_texts(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """A unified diff of files by their paths; empty where they are equal."""
    return "".join(line for path in sorted(before.keys() | after.keys()) for line in _diff(path, before, after))


def diff_of_contents(before: Mapping[str, object], after: DocumentType) -> str:
    """A unified diff of two parsed contents, as JSON. Keys that the older Winnow did not know count as defaults."""
    old = _parsed(before)
    texts = [
        json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for content in (before if old is None else old.model_dump(mode="json"), after.model_dump(mode="json"))
    ]
    return diff_of_texts({CONTENT_FILE: texts[0]}, {CONTENT_FILE: texts[1]})


def stages_touched(before: Mapping[str, object], after: DocumentType) -> tuple[Stage, ...]:
    """The stages that read a part of the type that changed; all three where the older content cannot be parsed."""
    old = _parsed(before)
    digests = {
        Stage.CLASSIFY: "classify_digest",
        Stage.SCORE: "score_digest",
        Stage.VALIDATE: "validate_digest",
    }
    return tuple(
        stage for stage, digest in digests.items() if old is None or getattr(old, digest) != getattr(after, digest)
    )


def _parsed(content: Mapping[str, object]) -> DocumentType | None:
    try:
        return DocumentType.model_validate(content)
    except ValidationError:
        return None


def _diff(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    old, new = (texts.get(path, "").splitlines(keepends=True) for texts in (before, after))
    for line in difflib.unified_diff(old, new, f"before/{path}", f"now/{path}", n=2):
        yield line if line.endswith("\n") else f"{line}\n"
