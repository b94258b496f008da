"""Recorded replies of real providers, each read as a call of a model reads it.

python benchmarks/model_replies.py [FOLDER]

A recording is a JSON file with the wire format, status, headers and body of a reply, and what it means: a list of
outcomes, or words and figures about its usage. `LEARN:name` means that the same question is asked again without that
part of the request. The default folder is ../shared/data/model_replies.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blocks.document_types.loader import load_document_types
from blocks.gateway.errors import CallFailed
from blocks.gateway.model import ModelRequest, Question, Usage
from blocks.gateway.providers.catalogue import PROVIDERS
from blocks.gateway.providers.transport import HttpReply, Transport
from blocks.gateway.providers.wire_model import WireModel
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.records import Page
from blocks.settings import PROJECT_DIR, load_settings

FOLDER = PROJECT_DIR.parent / "shared" / "data" / "model_replies"


class AskedAgain(Exception):
    """The question was asked a second time, in another way."""


@dataclass
class Recorded(Transport):
    """Answers the first request with a recording, and keeps the bodies of all requests."""

    reply: HttpReply
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def post(self, _url: str, _headers: Mapping[str, str], content: bytes, *_: object) -> HttpReply:
        """The recording. Raises `AskedAgain` for a second request."""
        self.bodies.append(json.loads(content))
        if len(self.bodies) > 1:
            raise AskedAgain
        return self.reply


def outcome(recording: Mapping[str, Any]) -> str:
    """What a recording is read as, in words."""
    body = json.dumps(recording["body"]).encode()
    transport = Recorded(HttpReply(recording["status"], recording.get("headers", {}), body, 1, 1))
    upstream = recording["name"]  # nothing is known of its server
    model = RegisteredModel(
        name="asked", provider=recording["format"], upstream=upstream, json_mode=JsonMode.SCHEMA, logprobs=True
    )
    wire = WireModel(model, PROVIDERS[model.provider], transport, lambda: None, lambda *_: None)
    request = ModelRequest(
        document_id="d",
        document_type=load_document_types(load_settings().document_types_dir)["receipt"],
        pages=(Page(number=1, method="parsed", text="Total 9.00"),),
    )
    try:
        reply = asyncio.run(wire.answer(Question(request=request, run_id="r", deadline=time.monotonic() + 5)))
    except AskedAgain:
        first, second = (dict(_parts(body)) for body in transport.bodies)
        changed = sorted(name for name in first if second.get(name) != first[name] and name in _ADJUSTED)
        return ", ".join(f"LEARN:{name}" for name in changed) or "asked again"
    except CallFailed as failed:
        return f"{failed.kind}; {_usage_text(failed.usage)}" if recording["status"] == 200 else failed.kind
    return f"ok; {_usage_text(reply.usage)}"


_ADJUSTED = ("responseJsonSchema", "response_format", "temperature", "seed", "max_tokens", "max_completion_tokens")


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from body.items()
    yield from body.get("generationConfig", {}).items()


def _usage_text(usage: Usage | None) -> str:
    if usage is None or not usage.is_stated:
        return "usage not stated"
    stated = "" if usage.stated_cost_usd is None else f", cost {usage.stated_cost_usd:.8f} stated"
    return (
        f"{usage.input_tokens} in, cached {usage.cached_tokens}, cache_write {usage.cache_write_tokens}, "
        f"{usage.output_tokens} out{stated}"
    )


def is_right(expected: list[str] | str, got: str) -> bool:
    """Whether an outcome is one of those expected, or has the words and figures that are."""
    if isinstance(expected, list):
        return got in expected
    if "not stated" in expected:
        return "not stated" in got
    figures = re.findall(r"\d[\d.]* in\b|cached \d+|cache_write \d+|cost [\d.]*\d", expected)
    return all(figure in got for figure in figures) if figures else got.startswith(expected)


def main() -> None:
    """Print a row per recording."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    files = sorted(folder.glob("*.json"))
    right = 0
    for file in files:
        recording = json.loads(file.read_text(encoding="utf-8"))
        got = outcome(recording)
        is_correct = is_right(recording["expected"], got)
        right += is_correct
        print(f"| {recording['name']} | {recording['status']} | {got} | {'right' if is_correct else 'WRONG'} |")
    print(f"{right} of {len(files)} right")


if __name__ == "__main__":
    main()
