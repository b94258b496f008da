"""Keys of models stay where they are: after runs with errors of every kind they are found nowhere else (promise 24)."""

import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deployments.prefect_api.local_server import LocalServer
from tests.doubles.model_provider.wire import fingerprint
from tests.doubles.otlp_receiver import OtlpReceiver
from tests.model_runs import KEY, PRICES, TRUTHFUL, Notes
from tests.prefect_fixtures import files_under, prefect_api

pytestmark = pytest.mark.prefect

KEYS = {
    "openai": KEY,
    "openai-responses": "sk-canary-5b0de92c7714fa63",
    "canary-claude": "sk-canary-e19c4d7a2f8036b5",
    "gemini": KEY,
}
"""By model its key: of the environment, of a Secret block, of the model's own block, and of the environment."""
CANARIES = tuple(part.encode() for key in KEYS.values() for part in (key, key[:16], key[-12:]))


def errors(key: str) -> tuple[dict[str, Any], ...]:
    """What a provider does that repeats the key it was sent wherever it can.

    Errors that open a model's circuit come a second later, so that each document meets its error before that.
    """
    echo = f'{{"error": {{"message": "Incorrect key in Authorization: Bearer {key}", "code": "{key}"}}}}'
    return (
        *(
            {"status": status, "body": echo, "headers": {"x-echo": key}, "delay_s": delay_s}
            for delay_s, statuses in ((0.02, (400, 413)), (1, (401, 402, 404, 429, 500, 529)))
            for status in statuses
        ),
        {"body": f"Bearer {key}"},
        {"text": f"I cannot help with {key}.", "finish": "refusal"},
        {"text": f'{{"fields": {{"{key}": "{key}"}}}}'},
        {"status": 200, "body": echo},
        {"cut": "reset", "cut_at": 0.9, "body": echo, "delay_s": 1},
        {"raw": f"HTTP/1.1 {key}\r\n\r\n", "delay_s": 1},
        {"finish": "length", "keep_text": 0.5},
    )


@pytest.fixture
def blocks(notes: Notes, local_server: LocalServer) -> Iterator[None]:
    """Prefect's blocks with two of the keys; taken away after, since the server is that of all tests."""
    from prefect.blocks.system import Secret

    from blocks.gateway.block import ModelEndpoint

    claude = ModelEndpoint(
        provider="anthropic",
        upstream="up-canary-claude",
        endpoint=f"{notes.provider.url}/2",
        api_key=SecretStr(KEYS["canary-claude"]),
        input_price=Decimal("0.4"),
        output_price=Decimal("1.6"),
        timeout_s=3,
        max_output_tokens=400,
    )
    with prefect_api(local_server):
        Secret(value=KEYS["openai-responses"]).save("canary-key", overwrite=True)
        claude.save("canary-claude", overwrite=True)
        try:
            yield
        finally:
            Secret.delete("canary-key")
            ModelEndpoint.delete("canary-claude")


@pytest.mark.usefixtures("blocks")
def test_no_key_is_found_after_errors_of_every_kind(notes: Notes, prefect_home: Path, receiver: OtlpReceiver) -> None:
    """Prefect keeps the keys of blocks encrypted in its database: in clear they are not to be found there either."""
    notes.workplace.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "WINNOW_KEEP_PROMPTS": "true",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
    }
    rules = [
        {"when": {"containing": f"REF-{at:04}", "model": f"up-{name}"}, "do": error}
        for name, key in KEYS.items()
        for at, error in enumerate(errors(key))
    ]  # each note meets one error at every model
    notes.provider.script(hook=TRUTHFUL, prices=PRICES, rules=rules, latency_s=0.02)
    endpoint = notes.provider.url
    notes.add("openai", provider="openai", endpoint=f"{endpoint}/v1/0", timeout_s=3)
    notes.add(
        "openai-responses",
        provider="openai-responses",
        endpoint=f"{endpoint}/v1/1",
        key="secret:canary-key",
        timeout_s=3,
    )
    notes.add("gemini", provider="gemini", endpoint=f"{endpoint}/3", timeout_s=3)
    run = ("run", *notes.arguments(notes.write(len(errors("")) + 5), "--model", ",".join(KEYS)))
    listings = (("models", "list"), ("models", "calls"), ("review", "list"), ("failures",))
    printed = [notes.workplace.winnow(*run), *(notes.workplace.command(*listing) for listing in listings)]
    kinds = {"request_refused", "key_refused", "out_of_credit", "upstream_missing", "rate_limited", "server_failed"}
    kinds |= {"connection_failed", "malformed_reply", "model_refusal", "wrong_schema", "truncated_reply", "ok"}
    assert kinds <= set(notes.outcomes())
    used = {(entry["model"], entry["key"]) for entry in notes.provider.log()}
    assert used == {(f"up-{name}", fingerprint(key)) for name, key in KEYS.items()}

    assert receiver.spans()
    assert receiver.points()
    places = {f"output {at}": (done.stdout + done.stderr).encode() for at, done in enumerate(printed)}
    places["spans and metrics"] = receiver.raw()
    places |= files_under(notes.workplace.folder, prefect_home)
    of_prefect = b"".join(content for name, content in places.items() if "prefect.db" in name)
    assert b"canary-claude" in of_prefect, "the blocks are to be searched"
    tables = notes.query("select name from sqlite_master where type = 'table'")
    for (table,) in tables:
        rows = notes.query(f'select * from "{table}"')
        places[f"table {table}"] = b"\n".join(_plain(value) for row in rows for value in row)
    found = {name for name, content in places.items() for canary in CANARIES if canary in content}
    assert found == set()
    assert b"REF-0001" in places["table model_call_texts"], "texts were to be kept, so that they are searched"


def _plain(value: object) -> bytes:
    """A column's value as bytes, what is compressed unpacked."""
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value)
        except zlib.error:
            return value
    return str(value).encode("utf-8", "replace")
