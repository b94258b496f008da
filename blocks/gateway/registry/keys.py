"""API keys, by reference. A key is never in a row, a record, a log or an error; a model names where its key is.

``env:NAME`` is an environment variable, ``secret:name`` a Prefect Secret block, ``block:name`` a ModelEndpoint block.
The gateway does not import Prefect: the maker of a `KeyRing` passes a function that looks blocks up.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from pydantic import SecretStr

from blocks.gateway.registry.errors import KeyUnusable
from blocks.settings import key_variable

KEPT_FOR_S = 300.0
"""How long a key from a block is used before the block is read again, so that a key can be replaced."""

_REFERENCE = re.compile(r"(?P<place>env|secret|block):(?P<name>\S+)\Z")
_SENDABLE = re.compile(r"[!-~]+\Z")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")  # upper case only, so that no key is taken for a name


class KeyPlace(StrEnum):
    """Where a key can be."""

    ENVIRONMENT = "env"
    SECRET = "secret"
    BLOCK = "block"


class KeyReference(NamedTuple):
    """Where a key is, and its name there."""

    place: KeyPlace
    name: str


KeyFinder = Callable[[KeyReference], SecretStr | None]
"""Looks a key up in Prefect's blocks; None where there is none."""


def parse_reference(reference: str) -> KeyReference:
    """The parts of a reference. Raises ValueError, which does not repeat a text that may be the key itself."""
    match = _REFERENCE.match(reference)
    if not match:
        raise ValueError("a key is given by its place: env:VARIABLE, secret:name or block:name, never the key itself")
    place, name = KeyPlace(match["place"]), match["name"]
    if place is KeyPlace.ENVIRONMENT and not _VARIABLE.match(name):
        raise ValueError("what stands after env: is no name of a variable of the environment in capital letters")
    return KeyReference(place, name)


class KeyRing(Mapping[str, SecretStr]):
    """Every key by its reference, looked up on demand.

    `find` looks a block up by a call of Prefect's API: never on the event loop; it is None where there is no Prefect. A
    key that it finds is kept for some minutes; a missing key is looked up again each time.
    """

    def __init__(self, find: KeyFinder | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._find = find
        self._clock = clock
        self._kept: dict[str, tuple[float, SecretStr]] = {}

    def __getitem__(self, reference: str) -> SecretStr:
        """The key of a reference, stripped of white space. Raises `KeyUnusable`, and KeyError where there is none."""
        try:
            parsed = parse_reference(reference)
        except ValueError:
            raise KeyError("no reference of a key") from None
        key = key_variable(parsed.name) if parsed.place is KeyPlace.ENVIRONMENT else self._of_block(reference, parsed)
        if key is None:
            raise KeyError(reference)
        text = key.get_secret_value().strip()
        if not _SENDABLE.match(text):
            raise KeyUnusable(reference)
        return SecretStr(text)

    def __iter__(self) -> Iterator[str]:
        """The references whose keys are kept."""
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return "KeyRing()"

    def _of_block(self, reference: str, parsed: KeyReference) -> SecretStr | None:
        kept = self._kept.get(reference)
        if kept and self._clock() - kept[0] < KEPT_FOR_S:
            return kept[1]
        key = self._find(parsed) if self._find else None
        if key is None:
            self._kept.pop(reference, None)
        else:
            self._kept[reference] = (self._clock(), key)
        return key
