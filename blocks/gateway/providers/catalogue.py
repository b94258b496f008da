"""Every wire format by the name that the registry has for it."""

from collections.abc import Mapping
from types import MappingProxyType

from blocks.gateway.providers.anthropic import Anthropic
from blocks.gateway.providers.gemini import Gemini
from blocks.gateway.providers.openai_chat import OpenAiChat
from blocks.gateway.providers.openai_responses import OpenAiResponses
from blocks.gateway.providers.wire import Provider
from blocks.gateway.registry.registry import ProviderName

PROVIDERS: Mapping[ProviderName, Provider] = MappingProxyType(
    {
        "openai": OpenAiChat(),
        "openai-responses": OpenAiResponses(),
        "anthropic": Anthropic(),
        "gemini": Gemini(),
    }
)
