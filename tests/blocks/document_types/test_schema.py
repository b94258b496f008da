"""The digests of a document type: which change makes which stage's outputs stale; and what prompts may name."""

import pytest

from blocks.document_types.schema import (
    PROMPT_VARIABLES,
    DocumentField,
    DocumentType,
    FieldType,
    document_text,
    prompt_variables,
)
from blocks.records import LOCAL, Page

TYPE_FIELDS = {"day": {"type": "date"}, "draft": {"type": "text", "written": True}}
TYPE = DocumentType.model_validate(
    {
        "name": "letter",
        "title": "Letter",
        "fields": TYPE_FIELDS,
        "route": [{"model": "gpt", "timeout_s": 30}],
    }
)
DIGESTS = ("classify_digest", "score_digest", "validate_digest", "version")


def changed_by(**changes: object) -> set[str]:
    """The digests that another content of the type changes."""
    other = DocumentType.model_validate(TYPE.model_dump() | changes)
    return {digest for digest in DIGESTS if getattr(other, digest) != getattr(TYPE, digest)}


@pytest.mark.parametrize(
    ("changes", "digests"),
    [
        ({}, set()),
        ({"title": "A letter"}, {"classify_digest", "version"}),
        ({"budget_usd": 1}, {"version"}),
        ({"languages": ["de"]}, {"score_digest", "validate_digest", "version"}),
        ({"fields": TYPE_FIELDS | {"day": {"type": "text"}}}, {"score_digest", "validate_digest", "version"}),
        (
            {"fields": {"day": {"type": "date", "required": True, "aliases": ["dated"]}}},
            {"classify_digest", "score_digest", "validate_digest", "version"},
        ),
        ({"prompts": {"default": "Read"}}, {"score_digest", "version"}),
        ({"route": [{"model": "other", "timeout_s": 30}]}, {"score_digest", "version"}),
        ({"route": [{"model": "gpt", "timeout_s": 60}]}, {"version"}),
        ({"rubric": {"criteria": [{"name": "tone", "description": "kind"}]}}, {"score_digest", "version"}),
        ({"classification": {"threshold": 0.6}}, {"classify_digest", "version"}),
        ({"examples": [{"text": "Dear"}]}, {"classify_digest", "score_digest", "version"}),
        ({"review": {"accept_at": 0.7}}, {"validate_digest", "version"}),
        ({"memory": {"refresh": "stale"}}, {"version"}),
        ({"sensitive": True}, {"validate_digest", "version"}),
        ({"reject_when": [{"field": "day", "values": ["2026-01-01"]}]}, {"validate_digest", "version"}),
        (
            {"expectations": [{"name": "a", "type": "ExpectColumnValuesToNotBeNull"}]},
            {"validate_digest", "version"},
        ),
    ],
)
def test_a_change_makes_stale_what_reads_it(changes: dict[str, object], digests: set[str]) -> None:
    assert changed_by(**changes) == digests


def test_classify_reads_no_fields_of_a_type_that_is_not_known_by_its_description() -> None:
    weighed = TYPE.model_dump() | {"classification": {"by_description": False}}
    labelled = weighed | {"fields": {"day": {"type": "date", "aliases": ["dated"]}}, "description": "A letter."}
    digests = [DocumentType.model_validate(content).classify_digest for content in (weighed, labelled)]
    assert digests[0] == digests[1]


def test_a_copy_has_digests_of_its_own_content() -> None:
    assert all(getattr(TYPE, digest) for digest in DIGESTS)
    copy = TYPE.model_copy(update={"languages": ("de",)})
    assert copy.score_digest != TYPE.score_digest
    assert copy.version != TYPE.version
    assert copy.classify_digest == TYPE.classify_digest
    assert TYPE.model_copy().version == TYPE.version


def test_a_type_without_a_route_asks_the_built_in_reader_alone() -> None:
    plain = DocumentType(name="a", title="A", fields={"day": DocumentField(type=FieldType.DATE)})
    assert [step.model for step in plain.route] == [LOCAL]
    assert plain.review.bands[-1].below == 1


def test_prompts_get_the_pages_and_an_empty_text_for_each_written_field() -> None:
    pages = (Page(number=1, method="parsed", text="one"), Page(number=2, method="parsed", text="two"))
    variables = prompt_variables(TYPE, pages)
    assert tuple(variables) == PROMPT_VARIABLES
    assert variables["written"] == {"draft": ""}
    assert variables["text"] == "one\n\f\ntwo"
    assert variables["document"] == document_text(pages) == "[page 1]\none\n[page 2]\ntwo"
