"""What a message says to somebody who named a model wrongly, and that it repeats no key."""

from blocks.gateway.registry.errors import ModelKeyMissing, ModelsFileInvalid, ModelUnknown

KNOWN = ("local", "gpt-4.1", "claude")


def test_a_near_name_is_suggested_in_its_own_spelling() -> None:
    assert "did you mean 'gpt-4.1'? Else add it: `winnow models add" in str(ModelUnknown("GPT-4", KNOWN))


def test_where_no_name_is_near_some_are_listed_and_the_rest_is_counted() -> None:
    names = tuple(f"m{at}" for at in range(8))
    assert "known are m0, m1, m2, m3, m4, m5 and 2 more (winnow models list);" in str(ModelUnknown("xyz", names))
    assert "known are m1;" in str(ModelUnknown("xyz", names, offered=("m1",))), "offered names go before known ones"


def test_what_may_be_a_key_is_not_repeated() -> None:
    message = str(ModelUnknown("sk-canary-9b41e7", KNOWN))
    assert "sk-canary" not in message
    assert "winnow models add NAME" in message


def test_a_place_comes_first_where_there_is_one() -> None:
    assert str(ModelKeyMissing("a", "env:KEY", "type.yaml:7")).startswith("type.yaml:7: model 'a' takes its key from")
    assert str(ModelKeyMissing("a", "env:KEY")).startswith("model 'a' takes its key from env:KEY")


def test_mistakes_of_a_file_are_counted_and_listed() -> None:
    assert str(ModelsFileInvalid(("f:1: x",))) == "the models file has 1 mistake; correct them:\n  f:1: x"
    assert "2 mistakes" in str(ModelsFileInvalid(("f:1: x", "f:2: y")))
