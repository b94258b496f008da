"""The built-in model alone, answering as the whole gateway does.

Its calls cost nothing and are written to the ledger in groups, before their replies are given out.
"""

import asyncio
import time
from dataclasses import dataclass

from blocks.gateway.model import ModelReply, Question
from blocks.gateway.providers.local import LocalModel
from blocks.gateway.registry.errors import ModelUnknown
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.spending.ledger_writer import Ledger
from blocks.ledger import ModelCall, Settlement, new_call_key

GROUP_S = 0.02


@dataclass(slots=True)
class _Group:
    settlements: list[Settlement]
    written: asyncio.Task[None]


class LocalGateway:
    """Satisfies `blocks.gateway.routing.calls.Asked` with no model but `local`. `ledger` None keeps no rows."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._model = LocalModel()
        self._ledger = ledger
        self._group: _Group | None = None

    def registry(self) -> RegistryState:
        """No model is registered."""
        return RegistryState()

    async def answer(self, name: str, question: Question) -> ModelReply:
        """The built-in model's reply. Raises `ModelUnknown` for any other name."""
        if name != self._model.name:
            raise ModelUnknown(name, (self._model.name,))
        started = time.perf_counter()
        reply = await asyncio.to_thread(self._model.answer, question.request)
        if self._ledger is not None:
            await self._write(self._ledger, question, reply, round((time.perf_counter() - started) * 1000))
        return reply

    async def _write(self, ledger: Ledger, question: Question, reply: ModelReply, latency_ms: int) -> None:
        call = ModelCall(
            document_id=question.request.document_id,
            model=reply.model,
            model_version=reply.model_version,
            call_key=new_call_key(),
            step=question.step,
            attempt=question.attempt,
            lane=question.lane,
            input_characters=reply.usage.input_characters,
            latency_ms=latency_ms,
        )
        if self._group is None:
            settlements: list[Settlement] = []
            self._group = _Group(settlements, asyncio.create_task(self._flush(ledger, settlements)))
        self._group.settlements.append(Settlement(question.run_id, call))
        await asyncio.shield(self._group.written)

    async def _flush(self, ledger: Ledger, settlements: list[Settlement]) -> None:
        await asyncio.sleep(GROUP_S)
        self._group = None
        await asyncio.to_thread(ledger.exchange, settlements, ())
