"""The address and the headers of a request, from the row of its model."""

import pytest

from blocks.gateway.providers.wire import address, headers_of, is_azure
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
