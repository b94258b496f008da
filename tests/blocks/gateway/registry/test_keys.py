"""Keys are found by reference, and are in nothing that is shown."""

import logging
import pickle

import pytest
from pydantic import SecretStr

from blocks.gateway.registry.errors import KeyUnusable
from blocks.gateway.registry.keys import KEPT_FOR_S, KeyPlace, KeyReference, KeyRing, parse_reference

CANARY = "sk-canary-51d0c2"


class Blocks:
    """Prefect's blocks, as far as keys go; counts how often they are asked."""

    def __init__(self, **keys: str) -> None:
        self.keys = keys
        self.asked = 0

    def find(self, reference: KeyReference) -> SecretStr | None:
        self.asked += 1
        key = self.keys.get(f"{reference.place.value}_{reference.name}")
        return SecretStr(key) if key else None


def test_references_name_a_place_and_a_name() -> None:
    assert parse_reference("env:MY_KEY") == (KeyPlace.ENVIRONMENT, "MY_KEY")
    assert parse_reference("secret:openai-key") == (KeyPlace.SECRET, "openai-key")
    assert parse_reference("block:gpt") == (KeyPlace.BLOCK, "gpt")


@pytest.mark.parametrize(
    "reference", [CANARY, f"env:{CANARY}", "env:AIzaSyCanary", f"key:{CANARY}", f"secret: {CANARY}", "env:", "", ":"]
)
def test_what_is_no_reference_is_refused_without_being_repeated(reference: str) -> None:
    with pytest.raises(ValueError, match=r"environment|given by its place") as raised:
        parse_reference(reference)
    assert CANARY not in str(raised.value)
    assert reference not in KeyRing(Blocks().find)


def test_a_variable_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing()
    assert "env:WINNOW_TEST_KEY" not in ring
    monkeypatch.setenv("WINNOW_TEST_KEY", f" {CANARY}\n")
    assert ring["env:WINNOW_TEST_KEY"].get_secret_value() == CANARY
    monkeypatch.setenv("WINNOW_TEST_KEY", " ")
    assert ring.get("env:WINNOW_TEST_KEY") is None


def test_a_block_is_read_again_after_some_minutes_so_that_a_key_can_be_replaced() -> None:
    blocks, now = Blocks(secret_openai="old", block_gpt="its-own"), [0.0]
    ring = KeyRing(blocks.find, clock=lambda: now[0])
    assert [ring["secret:openai"].get_secret_value() for _ in range(3)] == ["old"] * 3
    assert blocks.asked == 1
    blocks.keys["secret_openai"] = "new"
    now[0] += KEPT_FOR_S
    assert ring["secret:openai"].get_secret_value() == "new"
    assert ring["block:gpt"].get_secret_value() == "its-own"


def test_a_key_that_is_missing_is_looked_for_again() -> None:
    blocks = Blocks()
    ring = KeyRing(blocks.find)
    assert "secret:openai" not in ring
    blocks.keys["secret_openai"] = CANARY
    assert "secret:openai" in ring
    assert "secret:openai" not in KeyRing()


def test_a_key_is_in_no_text_log_or_error(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("WINNOW_TEST_KEY", CANARY)
    ring = KeyRing(Blocks(secret_openai=CANARY).find)
    keys = [ring["env:WINNOW_TEST_KEY"], ring["secret:openai"]]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("winnow").debug("%s %r %s %r %s", ring, ring, keys, dict(ring), dict(ring.items()))
    with pytest.raises(KeyError) as raised:
        ring[CANARY]
    assert CANARY not in caplog.text + repr(raised.value) + str(raised.value) + str(list(ring)) + f"{ring}"
    assert CANARY.encode() not in pickle.dumps([repr(key) for key in keys])


@pytest.mark.parametrize("key", ["abc\ndef", "k\u00e9y", "two words", "control\x01"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_repeated(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("ODD_KEY", key)
    with pytest.raises(KeyUnusable, match="env:ODD_KEY") as raised:
        KeyRing().get("env:ODD_KEY")
    assert key not in str(raised.value)


def test_a_line_break_after_a_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_KEY", "abc\n")
    assert KeyRing()["env:ODD_KEY"].get_secret_value() == "abc"
