"""Models and their keys as Prefect blocks, for people who work in the Prefect UI.

Register the block's type once (`prefect block register --module blocks.gateway.block`); every block of it is then a
model, in the registry from the next run on, under the block's name.
"""

from decimal import Decimal
from typing import Any, ClassVar, cast

import httpx
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from pydantic import Field, SecretStr, ValidationError

from blocks.errors import PrefectUnreachable
from blocks.gateway.registry.entry_checks import entry_mistakes
from blocks.gateway.registry.errors import ModelInvalid
from blocks.gateway.registry.keys import KeyPlace, KeyReference
from blocks.gateway.registry.registry import ProviderName, RegisteredModel, Tier, default_key, name_problem
from blocks.yaml.messages import schema_mistakes

BLOCK_TYPE = "winnow-model-endpoint"


class ModelEndpoint(Block):
    """A language model that Winnow can ask. Its name in routes is the block's."""

    _block_type_name: ClassVar[str | None] = "Winnow model endpoint"
    _block_type_slug: ClassVar[str | None] = BLOCK_TYPE
    _description: ClassVar[str | None] = "A language model that Winnow can ask, with its key."

    provider: ProviderName = Field(description="whose wire format the endpoint speaks")
    upstream: str = Field(description="what the provider calls the model")
    endpoint: str = Field("", description="base address; empty for the provider's own")
    api_key: SecretStr | None = Field(None, description="the key; without one the provider's usual variable is read")
    input_price: Decimal | None = Field(None, description="USD per million tokens; by default that of the price list")
    output_price: Decimal | None = Field(None, description="USD per million tokens; by default that of the price list")
    cached_price: Decimal | None = Field(None, description="USD per million tokens read from the provider's cache")
    headers: dict[str, str] = Field(default_factory=dict, description="extra headers of requests; never a credential")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="extra fields of the body of requests")
    tier: Tier | None = Field(None, description="cheap or strong, for routes that name a tier")
    rpm: int | None = Field(None, description="requests per minute, over all workers")
    tpm: int | None = Field(None, description="tokens per minute, over all workers")
    in_flight: int = Field(16, description="calls at once, over all workers")
    timeout_s: float = Field(60.0, description="seconds for one call with all its attempts")
    max_output_tokens: int = Field(4096, description="tokens of one reply")
    context_window: int | None = Field(None, description="tokens of one request")
    images: bool = Field(False, description="whether it reads page images")
    logprobs: bool = Field(False, description="whether it states the probabilities of its tokens")
    is_enabled: bool = Field(True, description="whether it may be asked")


def registered_blocks() -> tuple[RegisteredModel, ...]:
    """The models that stand in the Prefect API as blocks, by one call; none where the type was never registered.

    Raises `ModelInvalid` for a block that is no model, and `PrefectUnreachable`.
    """
    with get_client(sync_client=True) as client:
        try:
            documents = client.read_block_documents_by_type(BLOCK_TYPE, include_secrets=False)
        except PrefectHTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:  # the block's type was never registered
                return ()
            raise PrefectUnreachable(str(client.api_url), f"status {error.response.status_code}") from None
        except httpx.TransportError as error:
            raise PrefectUnreachable(str(client.api_url), type(error).__name__) from None
    named = [document for document in documents if document.name]
    return tuple(_model(document) for document in sorted(named, key=lambda one: str(one.name)))


def find_block_key(reference: KeyReference) -> SecretStr | None:
    """The key in a Secret block or a ModelEndpoint block; None where there is no such block, or no key in it.

    Raises `PrefectUnreachable`.
    """
    try:
        if reference.place is KeyPlace.BLOCK:
            return cast(ModelEndpoint, ModelEndpoint.load(reference.name)).api_key
        value: object = cast(Any, Secret.load(reference.name)).get()
    except (ObjectNotFound, ValueError):  # Block.load turns "not found" into a ValueError
        return None
    except httpx.TransportError as error:
        raise PrefectUnreachable(str(PREFECT_API_URL.value()), type(error).__name__) from None
    return SecretStr(value) if isinstance(value, str) and value else None


def _model(document: BlockDocument) -> RegisteredModel:
    name, values = str(document.name), dict(document.data)
    if problem := name_problem(name):
        raise ModelInvalid(name, f"{problem}, and save the block under it")
    has_key = values.pop("api_key", None) is not None
    endpoint = str(values.get("endpoint") or "")
    key = f"block:{name}" if has_key else default_key(str(values.get("provider")), endpoint)
    known = {field: value for field, value in values.items() if field in ModelEndpoint.model_fields}
    try:
        model = RegisteredModel.model_validate(known | {"name": name, "key": key})
    except ValidationError as error:
        first = next(schema_mistakes(error, RegisteredModel))
        raise ModelInvalid(name, f"{first.message}; correct the block in the Prefect UI") from None
    mistake = next(entry_mistakes(model.model_dump(exclude={"name", "key"})), None)
    if mistake is not None:
        raise ModelInvalid(name, f"{mistake.message}; a block has its key in api_key")
    return model.model_copy(update={"was_enabled": model.is_enabled})
