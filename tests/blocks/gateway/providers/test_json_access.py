from blocks.gateway.providers.json_access import as_list, as_mapping, as_text


def test_what_has_another_form_is_empty() -> None:
    assert (as_mapping([1]), as_list({"a": 1}), as_text(1)) == ({}, [], "")
    assert (as_mapping({"a": 1}), as_list([1]), as_text("a")) == ({"a": 1}, [1], "a")
