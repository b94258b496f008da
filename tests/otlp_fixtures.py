"""An OTLP backend in a process of its own, one per session, with a place for each test."""

from collections.abc import Iterator

import pytest

from tests.doubles.otlp_receiver import OtlpProcess, OtlpReceiver


@pytest.fixture(scope="session")
def _otlp_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtlpProcess]:
    with OtlpProcess(tmp_path_factory.mktemp("otlp")) as process:
        yield process


@pytest.fixture
def receiver(_otlp_process: OtlpProcess) -> OtlpReceiver:
    """A receiver that nothing was sent to yet."""
    return _otlp_process.receiver()
