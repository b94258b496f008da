"""What a run takes from a model's block in Prefect, and what stays as the registry has it."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import BlockDocument

from blocks.database.engine import Database
from blocks.gateway import block as block_module
from blocks.gateway.registry.errors import ModelInvalid
from blocks.gateway.registry.registry import RegisteredModel
from tasks.runs.models import open_registry, put_blocks


def block(**values: Any) -> RegisteredModel:
    data = {"provider": "openai", "upstream": "u", "endpoint": "http://x/v1"} | values
    document = BlockDocument(name="mine", data=data, block_schema_id=uuid4(), block_type_id=uuid4())
    return block_module._model(document)


def test_a_block_that_was_never_enabled_counts_in_no_fingerprint_and_takes_away_nothing_that_it_cannot_say(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_registry(sqlite_database)

    def after(one: RegisteredModel) -> RegisteredModel:
        monkeypatch.setattr(block_module, "registered_blocks", lambda: (one,))
        put_blocks(registry)
        kept = registry.load().get("mine")
        assert kept is not None
        return kept

    assert not after(block(is_enabled=False)).was_enabled
    registry.set_values("mine", {"cache_write_price": Decimal(5), "json_mode": "json_object"})
    changed = after(block(is_enabled=True, headers={"X-Org": "acme"}))
    assert (changed.cache_write_price, changed.json_mode, changed.was_enabled) == (Decimal(5), "json_object", True)
    assert changed.headers == {"X-Org": "acme"}
    disabled = after(block(is_enabled=False))
    assert (disabled.was_enabled, disabled.headers) == (True, {})


@pytest.mark.parametrize(
    "values",
    [{"endpoint": "http://x/v1?api-key=sk-canary"}, {"headers": {"X-Api-Key": "sk-canary"}}],
)
def test_a_block_that_shows_a_key_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ModelInvalid, match="api_key") as raised:
        block(**values)
    assert "canary" not in str(raised.value)
