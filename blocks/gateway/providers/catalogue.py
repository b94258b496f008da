"""Every wire format, by its name in the registry."""

from collections.abc import Mapping

from blocks.gateway.providers import anthropic, gemini, openai_chat, openai_responses
from blocks.gateway.providers.wire import Provider, is_azure
from blocks.gateway.registry.registry import ProviderName, RegisteredModel

PROVIDERS: Mapping[ProviderName, Provider] = {
    "openai": Provider("openai", openai_chat.ENDPOINT, openai_chat.render, openai_chat.read),
    "openai-responses": Provider("openai", openai_chat.ENDPOINT, openai_responses.render, openai_responses.read),
    "anthropic": Provider("anthropic", anthropic.ENDPOINT, anthropic.render, anthropic.read),
    "gemini": Provider("gcp.gemini", gemini.ENDPOINT, gemini.render, gemini.read, "generate_content"),
}


def telemetry_name(model: RegisteredModel) -> str:
    """Who serves a model, in OpenTelemetry's words. A server of one's own that speaks OpenAI's format counts as OpenAI.

    Raises `ValueError` where the endpoint is no address.
    """
    name = PROVIDERS[model.provider].telemetry_name
    return "azure.ai.openai" if name == "openai" and is_azure(model.endpoint) else name
