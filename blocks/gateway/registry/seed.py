"""data/models.yaml: the models that the registry knows from the start, none of them enabled.

A person enables a model (`winnow models enable NAME`); a key in the environment enables none. The seed never changes
back what a person changed in the registry.
"""

from collections.abc import Iterable, Iterator, Mapping
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
    """The models of the file in its order, disabled. Raises `ModelsFileInvalid` with every mistake in the file."""
    yaml = YamlFile(_text_of(file))
    if syntax := list(yaml.mistakes()):
        raise _invalid(file, syntax)
    models: list[RegisteredModel] = []
    mistakes: list[Mistake] = []
    for place, (name, entry) in enumerate(_entries(yaml, mistakes)):
        read = _model(name, entry, place)
        if isinstance(read, RegisteredModel):
            models.append(read)
        else:
            mistakes.extend(read)
    if mistakes:
        raise _invalid(file, ((yaml.line(mistake.path), mistake.message) for mistake in mistakes))
    return tuple(models)


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problem = "it is not there; take it from the repository, or write a file with the line models: {}"
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}; check its permissions"
    except UnicodeDecodeError:
        problem = "it is not UTF-8; save the file as UTF-8"
    raise _invalid(file, ((1, problem),))


def _invalid(file: Path, problems: Iterable[tuple[int, str]]) -> ModelsFileInvalid:
    return ModelsFileInvalid(tuple(f"{file}:{line}: {message}" for line, message in problems))


def _entries(yaml: YamlFile, mistakes: list[Mistake]) -> Iterable[tuple[str, object]]:
    value = yaml.value()
    try:
        return _SeedFile.model_validate({} if value is None else value).models.items()
    except ValidationError as error:
        mistakes.extend(schema_mistakes(error, _SeedFile))
        return ()


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
            remedy = "the key above it is the name" if key == "name" else "`winnow models enable` sets it, so remove it"
            yield Mistake(("models", name, key), f"{key!r} has no place here; {remedy}")
    for mistake in entry_mistakes(entry):
        yield Mistake(("models", name, *mistake.path), mistake.message)
