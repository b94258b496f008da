"""Models and keys that stand in Prefect as blocks, against a real Prefect server."""

import json

import pytest

from deployments.prefect_api.local_server import LocalServer
from tests.prefect_fixtures import in_prefect

CANARY = "sk-canary-c07e55"

BEFORE = """
from blocks.gateway.block import registered_blocks
print(registered_blocks())
"""

SCRIPT = f"""
import json
from prefect.blocks.system import Secret
from blocks.gateway.block import ModelEndpoint, find_block_key, registered_blocks
from blocks.gateway.registry.errors import ModelInvalid
from blocks.gateway.registry.keys import KeyReference, KeyRing, parse_reference

Secret(value="{CANARY}-secret").save("winnow-test-key", overwrite=True)
Secret(value={{"not": "a text"}}).save("winnow-test-mapping", overwrite=True)
endpoint = ModelEndpoint(provider="anthropic", upstream="claude-sonnet-5-5", api_key="{CANARY}-block",
                         tier="strong", input_price="2.25", rpm=50)
endpoint.save("winnow-test-strong", overwrite=True)
ModelEndpoint(provider="openai", upstream="llama", endpoint="http://localhost:1/v1", is_enabled=False).save(
    "winnow-test-own", overwrite=True)
ModelEndpoint(provider="gemini", upstream="gemini-2.5-flash").save("winnow-test-usual", overwrite=True)

models = {{one.name: one.model_dump(mode="json") for one in registered_blocks()}}
keys = KeyRing(find_block_key)
references = ["secret:winnow-test-key", "secret:winnow-test-mapping", "secret:none", "block:winnow-test-strong",
              "block:winnow-test-own", "block:none"]
found = {{reference: keys[reference].get_secret_value() if reference in keys else None for reference in references}}
shown = repr(endpoint) + str(endpoint) + repr(keys) + json.dumps(models) + repr(registered_blocks())
refused = ""
ModelEndpoint(provider="openai", upstream="x").save("local", overwrite=True)
try:
    registered_blocks()
except ModelInvalid as error:
    refused = str(error)
finally:
    ModelEndpoint.delete("local")
print(json.dumps({{"models": models, "found": found, "is_shown": "{CANARY}" in shown, "refused": refused}}))
"""


AFTER = """
from blocks.gateway.block import ModelEndpoint, registered_blocks
for model in registered_blocks():  # the server is that of all tests, and a block that is there is asked by their runs
    ModelEndpoint.delete(model.name)
print(registered_blocks())
"""


@pytest.mark.prefect
def test_models_and_keys_come_out_of_prefect_s_blocks(local_server: LocalServer) -> None:
    assert in_prefect(BEFORE, local_server) == "()"
    try:
        said = json.loads(in_prefect(SCRIPT, local_server))
    finally:
        assert in_prefect(AFTER, local_server) == "()"
    models, found = said["models"], said["found"]
    assert set(models) == {"winnow-test-strong", "winnow-test-own", "winnow-test-usual"}
    strong = models["winnow-test-strong"]
    assert (strong["provider"], strong["upstream"], strong["tier"]) == ("anthropic", "claude-sonnet-5-5", "strong")
    assert (strong["key"], strong["input_price"], strong["rpm"]) == ("block:winnow-test-strong", "2.25", 50)
    assert (strong["is_enabled"], strong["was_enabled"]) == (True, True)
    assert (models["winnow-test-own"]["key"], models["winnow-test-own"]["is_enabled"]) == (None, False)
    assert models["winnow-test-usual"]["key"] == "env:GEMINI_API_KEY"
    assert found == {
        "secret:winnow-test-key": f"{CANARY}-secret",
        "secret:winnow-test-mapping": None,
        "secret:none": None,
        "block:winnow-test-strong": f"{CANARY}-block",
        "block:winnow-test-own": None,
        "block:none": None,
    }
    assert not said["is_shown"]
    assert "model 'local': the built-in reader has this name" in said["refused"]
