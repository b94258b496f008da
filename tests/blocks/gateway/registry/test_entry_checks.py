"""Mistakes in the values of a model beyond their types, by column."""

import pytest

from blocks.gateway.registry.entry_checks import entry_mistakes

KEY = "sk-canary-9b41e7"


@pytest.mark.parametrize(
    ("values", "column", "says"),
    [
        ({"upstream": " "}, "upstream", "is empty"),
        ({"endpoint": "localhost"}, "endpoint", "no address"),
        ({"key": KEY}, "key", "never the key itself"),
        ({"key": f"secret:{KEY}"}, "key", "looks like the key itself"),
        ({"tier": KEY}, "tier", "looks like a key"),
        ({"headers": {"Cookie": "a"}}, "headers", "holds a secret"),
        ({"extra_body": {"temperature": 1}}, "extra_body", "temperature is set by the gateway itself"),
        ({"extra_body": {"generationConfig": {"seed": 1}}}, "extra_body", "seed is set by the gateway itself"),
        ({"extra_body": {"output_config": {"format": {}}}}, "extra_body", "format is set by the gateway itself"),
        ({"extra_body": {"generation_config": {"max_output_tokens": 9}}}, "extra_body", "generation_config is set by"),
        ({"extra_body": {"cached_content": "c"}}, "extra_body", "cached_content gives the model tools"),
        ({"extra_body": {"stream": True}}, "extra_body", "changes the form of the reply"),
        ({"extra_body": {"n": 3}}, "extra_body", "multiplies the cost"),
        ({"extra_body": {"service_tier": "priority"}}, "extra_body", "state both, input_price and output_price"),
        ({"extra_body": {"generationConfig": {"responseModalities": ["AUDIO"]}}}, "extra_body", "changes what"),
        ({"extra_body": {"serviceTier": "flex"}, "input_price": 1}, "extra_body", "changes what its answers cost"),
        ({"extra_body": {"tools": []}}, "extra_body", "gives the model tools"),
        ({"extra_body": {"metadata": {"api_key": KEY}}}, "extra_body", "hold a secret"),
        ({"timeout_s": 0.09}, "timeout_s", "0.1 seconds or more"),
        ({"context_window": 4_096}, "context_window", "leaves no room"),
        ({"context_window": 100, "max_output_tokens": 100}, "context_window", "leaves no room"),
    ],
)
def test_each_mistake_names_its_column_and_repeats_no_key(values: dict[str, object], column: str, says: str) -> None:
    (mistake,) = entry_mistakes(values)
    assert mistake.path == (column,)
    assert says in mistake.message
    assert KEY not in mistake.message


@pytest.mark.parametrize(
    "values",
    [
        {
            "upstream": "gpt-4.1",
            "endpoint": "http://localhost:11434/v1",
            "key": "env:MY_KEY",
            "headers": {"X-Org": "a"},
            "extra_body": {"reasoning_effort": "low", "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
        },
        {"extra_body": {"service_tier": "flex"}, "input_price": 0, "output_price": 0},
        {"timeout_s": 0.1, "context_window": 101, "max_output_tokens": 100},
        {"timeout_s": "soon", "context_window": None, "headers": 7, "key": None},
    ],
)
def test_sound_values_and_values_of_other_types_are_no_mistakes_here(values: dict[str, object]) -> None:
    assert list(entry_mistakes(values)) == []
