"""A provider of language models that follows a script, in a process of its own."""

from collections.abc import Iterator

import pytest

from tests.doubles.model_provider.handle import ModelProviderDouble


@pytest.fixture(scope="session")
def _model_provider_process() -> Iterator[ModelProviderDouble]:
    with ModelProviderDouble() as double:
        yield double


@pytest.fixture
def model_provider(_model_provider_process: ModelProviderDouble) -> ModelProviderDouble:
    """The session's double, with an empty script and empty books. A test that kills it starts it again."""
    _model_provider_process.script()
    return _model_provider_process
