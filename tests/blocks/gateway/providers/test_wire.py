"""The address and the headers of a request, from the row of its model."""

import pytest

from blocks.gateway.providers.wire import address, headers_of, is_azure, with_extra
from tests.doubles.routed_models import model


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://h", "http://h/v1/chat"),
        ("http://h/", "http://h/v1/chat"),
        ("http://h/own/", "http://h/own/chat"),
        ("http://h/v1/chat", "http://h/v1/chat"),
        ("http://h:8000/v2?api-version=3#part", "http://h:8000/v2/chat?api-version=3"),
    ],
)
def test_the_path_of_an_endpoint_is_kept_and_completed(endpoint: str, url: str) -> None:
    assert address(endpoint, "/v1", "/chat") == url


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://acme.openai.azure.com/openai", True),
        ("https://acme.services.ai.azure.com", True),
        ("https://example.com/.openai.azure.com", False),
        ("https://openai.azure.com.example.com", False),
        ("", False),
    ],
)
def test_azure_is_known_by_its_host(endpoint: str, expected: bool) -> None:
    assert is_azure(endpoint) is expected


def test_no_header_of_a_row_takes_the_place_of_the_key() -> None:
    row = model("a", headers={"X-Org": "acme", "Authorization": "Bearer other"})
    headers = headers_of(row, {"authorization": "Bearer key"})
    assert headers == {"content-type": "application/json", "x-org": "acme", "authorization": "Bearer key"}
    assert headers_of(model("a")) == {"content-type": "application/json"}


def test_extra_fields_go_beside_the_gateway_s_own_and_never_in_their_place() -> None:
    body = {"model": "m", "generationConfig": {"seed": 1}, "temperature": 0}
    extra = {"service_tier": "flex", "temperature": 1, "generationConfig": {"seed": 2, "thinkingConfig": {"a": 1}}}
    assert with_extra(body, extra) == {
        "model": "m",
        "generationConfig": {"seed": 1, "thinkingConfig": {"a": 1}},
        "temperature": 0,
        "service_tier": "flex",
    }
    assert with_extra(body, {}) is body
