import pytest

from blocks.database.payloads import pack, unpack


@pytest.mark.parametrize("payload", [b"{}", b'{"a":"' + b"x" * 600 + b'"}', b"", b"[1]", b"x\x9c plain"])
def test_what_is_packed_comes_back(payload: bytes) -> None:
    assert unpack(pack(payload)) == payload


def test_pages_of_text_shrink() -> None:
    assert len(pack(b'{"text":"' + b"Rechnung Nr. 17 " * 500 + b'"}')) < 400
