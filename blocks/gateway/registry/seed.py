"""data/models.yaml: the models that the registry knows from the start, none of them enabled.

A model is enabled by a person (`winnow models enable NAME`), never because a key happens to be in the environment.
What a person changed in the registry is not changed back.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from blocks.gateway.registry.entry_checks import entry_mistakes
from blocks.gateway.registry.errors import ModelsFileInvalid
from blocks.gateway.registry.registry import RegisteredModel, default_key, name_problem
from blocks.gateway.registry.shown_values import quoted
from blocks.records import Record
from blocks.settings import PROJECT_DIR
from blocks.yaml.lines import Mistake, YamlFile
from blocks.yaml.messages import schema_mistakes

SEED_FILE = PROJECT_DIR / "data" / "models.yaml"
SWITCHES = ("is_enabled", "was_enabled")


class _SeedFile(Record):
    models: dict[str, Any] = Field(default_factory=dict)


def read_seed(file: Path = SEED_FILE) -> tuple[RegisteredModel, ...]:
    """The models of the file in its order, disabled. Raises `ModelsFileInvalid` with every mistake there is."""
    models: list[RegisteredModel] = []
    problems: list[str] = []
    yaml = _open(file, problems)
    if yaml is not None:
        for place, (name, entry) in enumerate(_entries(yaml, file, problems)):
            read = _model(name, entry, place)
            if isinstance(read, RegisteredModel):
                models.append(read)
            else:
                problems.extend(f"{file}:{yaml.line(mistake.path)}: {mistake.message}" for mistake in read)
    if problems:
        raise ModelsFileInvalid(tuple(problems))
    return tuple(models)


def _open(file: Path, problems: list[str]) -> YamlFile | None:
    try:
        yaml = YamlFile(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        problems.append(
            f"{file}:1: it is not there; take it from the repository, or write one with the line models: {{}}"
        )
        return None
    except OSError as error:
        problems.append(f"{file}:1: it cannot be read: {error.strerror}; check its permissions")
        return None
    except UnicodeDecodeError:
        problems.append(f"{file}:1: it is not UTF-8; save the file as UTF-8")
        return None
    mistakes = [f"{file}:{line}: {message}" for line, message in yaml.mistakes()]
    problems.extend(mistakes)
    return None if mistakes else yaml


def _entries(yaml: YamlFile, file: Path, problems: list[str]) -> list[tuple[str, object]]:
    value = yaml.value()
    if value is None:
        return []
    try:
        return list(_SeedFile.model_validate(value).models.items())
    except ValidationError as error:
        mistakes = schema_mistakes(error, _SeedFile)
        problems.extend(f"{file}:{yaml.line(mistake.path)}: {mistake.message}" for mistake in mistakes)
        return []


def _model(name: str, entry: object, place: int) -> RegisteredModel | list[Mistake]:
    path = ("models", name)
    if not isinstance(entry, dict):
        shown = quoted(str(entry))
        return [Mistake(path, f"{quoted(name)} must be keys with values, one per line and indented; it is {shown}")]
    mistakes = list(_own_mistakes(name, entry))
    values = {"position": place, "key": default_key(str(entry.get("provider")), str(entry.get("endpoint") or ""))}
    switches = dict.fromkeys(SWITCHES, False)
    try:
        model = RegisteredModel.model_validate(values | entry | {"name": name} | switches)
    except ValidationError as error:
        known = {mistake.path for mistake in mistakes}
        found = (Mistake((*path, *wrong.path), wrong.message) for wrong in schema_mistakes(error, RegisteredModel))
        return mistakes + [mistake for mistake in found if mistake.path not in known]
    return mistakes or model


def _own_mistakes(name: str, entry: Mapping[str, object]) -> Iterator[Mistake]:
    if problem := name_problem(name):
        yield Mistake(("models", name), f"{quoted(name)}: {problem}")
    for key in ("name", *SWITCHES):
        if key in entry:
            yield Mistake(("models", name, key), f"{key!r} has no place here; {_why_not(key)}")
    for mistake in entry_mistakes(entry):
        yield Mistake(("models", name, *mistake.path), mistake.message)


def _why_not(key: str) -> str:
    if key == "name":
        return "the key above it is the name"
    return "models are enabled by `winnow models enable`, so remove it"
