"""Models and keys that stand in Prefect as blocks, against a real Prefect server."""

from collections.abc import Iterator
from typing import Any

import pytest

from blocks.gateway.registry.errors import ModelInvalid
from blocks.gateway.registry.keys import KeyRing
from deployments.prefect_api.local_server import LocalServer
from tests.prefect_fixtures import prefect_api

CANARY = "sk-canary-c07e55"


@pytest.fixture
def endpoint(local_server: LocalServer) -> Iterator[Any]:
    """Saves a block of a model under a name; deleted after, since runs of other tests on the server would ask it."""
    from blocks.gateway.block import ModelEndpoint, registered_blocks

    made: list[str] = []

    def save(name: str, **values: Any) -> ModelEndpoint:
        block = ModelEndpoint(**values)
        made.append(name)
        block.save(name, overwrite=True)
        return block

    with prefect_api(local_server):
        assert registered_blocks() == ()
        try:
            yield save
        finally:
            for name in made:
                ModelEndpoint.delete(name)
            assert registered_blocks() == ()


@pytest.mark.prefect
def test_models_and_keys_come_out_of_prefect_s_blocks(endpoint: Any) -> None:
    from prefect.blocks.system import Secret

    from blocks.gateway.block import find_block_key, registered_blocks

    Secret(value=f"{CANARY}-secret").save("winnow-test-key", overwrite=True)
    Secret(value={"not": "a text"}).save("winnow-test-mapping", overwrite=True)
    values = {"api_key": f"{CANARY}-block", "tier": "strong", "input_price": "2.25", "rpm": 50}
    made = endpoint("winnow-test-strong", provider="anthropic", upstream="claude-sonnet-5-5", **values)
    endpoint("winnow-test-own", provider="openai", upstream="llama", endpoint="http://localhost:1/v1", is_enabled=False)
    endpoint("winnow-test-usual", provider="gemini", upstream="gemini-2.5-flash")

    models = {model.name: model for model in registered_blocks()}
    assert set(models) == {"winnow-test-strong", "winnow-test-own", "winnow-test-usual"}
    strong = models["winnow-test-strong"]
    assert (strong.provider, strong.upstream, strong.tier) == ("anthropic", "claude-sonnet-5-5", "strong")
    assert (strong.key, str(strong.input_price), strong.rpm) == ("block:winnow-test-strong", "2.25", 50)
    assert (strong.is_enabled, strong.was_enabled) == (True, True)
    assert (models["winnow-test-own"].key, models["winnow-test-own"].is_enabled) == (None, False)
    assert models["winnow-test-usual"].key == "env:GEMINI_API_KEY"

    keys = KeyRing(find_block_key)
    expected = {
        "secret:winnow-test-key": f"{CANARY}-secret",
        "secret:winnow-test-mapping": None,
        "secret:none": None,
        "block:winnow-test-strong": f"{CANARY}-block",
        "block:winnow-test-own": None,
        "block:none": None,
    }
    found = {reference: keys[reference].get_secret_value() if reference in keys else None for reference in expected}
    assert found == expected
    shown = (
        made,
        str(made),
        keys,
        models,
        registered_blocks(),
        {name: one.model_dump() for name, one in models.items()},
    )
    assert CANARY not in repr(shown)


@pytest.mark.prefect
def test_no_block_has_the_name_of_the_built_in_reader(endpoint: Any) -> None:
    from blocks.gateway.block import registered_blocks

    endpoint("local", provider="openai", upstream="x")
    with pytest.raises(ModelInvalid, match="model 'local': the built-in reader has this name"):
        registered_blocks()
