"""The parts of a request that every wire format has."""

import base64

import pytest

from blocks.gateway.model import Correction
from blocks.gateway.providers.turns import corrective_turn, images, instructions
from blocks.gateway.registry.registry import JsonMode
from blocks.gateway.replies.reply_schema import reply_schema_text
from blocks.records import PageImage
from tests.blocks.gateway.questions import ask


@pytest.mark.parametrize("mode", [JsonMode.SCHEMA, JsonMode.OBJECT, JsonMode.PROMPT])
def test_a_server_that_is_not_held_to_the_schema_reads_it(mode: JsonMode) -> None:
    question = ask()
    system, document = instructions(question, mode)
    assert (reply_schema_text(question.request) in system) is (mode is not JsonMode.SCHEMA)
    assert "Baker & Sons" in document
    assert "Baker & Sons" not in system


def test_images_come_with_the_numbers_of_their_pages() -> None:
    image = PageImage(page=3, media_type="image/png", content=b"png", width=1, height=1)
    request = ask().request.model_copy(update={"images": (image,)})
    assert list(images(request)) == [("Picture of page 3:", "image/png", base64.b64encode(b"png").decode())]


def test_a_corrections_problem_is_cut_and_its_turns_are_cleaned_and_never_empty() -> None:
    assert corrective_turn(ask()) is None
    long = corrective_turn(ask(correction=Correction("x", "y" * 2_000)))
    assert long is not None
    assert long[1].count("y") == 1_000
    empty = corrective_turn(ask(correction=Correction(" \u200b", "an empty\u200b reply")))
    assert empty is not None
    assert empty[0] == "(nothing)"
    assert "an empty reply" in empty[1]
