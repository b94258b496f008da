"""Reads ``data/document_types/<name>/`` and names file, line and remedy of every mistake in it.

A folder holds type.yaml, and optionally expectations.yaml, prompts/<variant>.md and examples/*.jsonl or *.csv.
Loading a sound folder is fast: lines are looked up only for mistakes.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from blocks.document_types import parts
from blocks.document_types.checks import check_type
from blocks.document_types.examples import read_examples
from blocks.document_types.parts import TYPE_FILE, Problem
from blocks.document_types.schema import DocumentType
from blocks.errors import DocumentTypeInvalid
from blocks.yaml.lines import Mistake, YamlFile
from blocks.yaml.messages import schema_mistakes

ELSEWHERE = {
    "expectations": "expectations.yaml",
    "prompts": "prompts/<variant>.md",
    "examples": "examples/<name>.jsonl",
}
"""Parts of a document type that have files of their own."""

SET_FOLDER = "set WINNOW_DOCUMENT_TYPES_DIR to the right one"
"""What to do about a folder of types that does not exist, if the settings named it."""

_loaded: dict[Path, tuple[object, dict[str, DocumentType]]] = {}

ValueProblems = Callable[[Path, DocumentType], Iterable[Problem]]
"""Finds the values in a type's folder that their fields cannot have."""


def load_document_types(folder: Path) -> dict[str, DocumentType]:
    """Every document type of `folder` by name, in order of name; kept until a file in it changes.

    Raises `DocumentTypeInvalid` with every mistake, or if the folder holds no type.
    """
    folder = folder.resolve()
    signature = _signature(folder)
    if folder in _loaded and _loaded[folder][0] == signature:
        return dict(_loaded[folder][1])
    problems: list[Problem] = []
    types: dict[str, DocumentType] = {}
    for type_folder in _type_folders(folder, problems):
        document_type, found = _read(type_folder)
        problems += found
        if document_type is not None:
            types[document_type.name] = document_type
    if problems:
        raise DocumentTypeInvalid(tuple(str(problem) for problem in problems))
    _loaded[folder] = (signature, types)
    return dict(types)


def check(
    path: Path,
    value_problems: ValueProblems | None = None,
    *,
    try_expectations: bool = True,
    remedy: str = SET_FOLDER,
) -> list[Problem]:
    """Every mistake in a type's folder (or that of a file in it), or in a folder of types.

    Checks more than loading does: prompts are rendered, and `value_problems` checks the values that a type gives for
    its fields. The caller brings that check, because `blocks/values` imports this room. `try_expectations` tries
    expectations on Great Expectations' own classes, which take seconds to import. `remedy` says what to do if `path`
    does not exist.
    """
    problems: list[Problem] = []
    inside = next((place for place in (path, *path.absolute().parents[:2]) if (place / TYPE_FILE).is_file()), None)
    folders = list(_type_folders(path, problems, remedy)) if inside is None else [inside]
    for folder in folders:
        document_type, found = _read(folder)
        problems += found
        if try_expectations:
            problems += parts.check_expectations(folder)
        if document_type is not None:
            problems += parts.check_prompts(folder, document_type, document_type.prompts)
            problems += value_problems(folder, document_type) if value_problems is not None else ()
    return sorted(set(problems), key=lambda problem: (str(problem.file), problem.line, problem.message))


def step_place(document_type: DocumentType, at: int) -> str:
    """The place of a step of a type's route, counted from 0, as ``file:line``; in words if the type has no file."""
    folder = _folder_of(document_type)
    if folder is None:
        return f"{document_type.name}, step {at + 1} of its route"
    yaml, _ = parts.read_yaml(folder / TYPE_FILE, [])
    return f"{folder / TYPE_FILE}:{yaml.line(('route', at)) if yaml is not None else 1}"


def prompt_problems(document_type: DocumentType, variants: Collection[str]) -> list[Problem]:
    """Mistakes in these prompts of a type that show only when they are rendered, as `check` names them."""
    folder = _folder_of(document_type) or Path(document_type.name)
    return list(parts.check_prompts(folder, document_type, variants))


def texts_of(document_type: DocumentType) -> dict[str, str] | None:
    """The texts of the files that a type was loaded from, by their path in its folder.

    None where the type has no files, or where they have changed since it was loaded.
    """
    folder = _folder_of(document_type)
    if folder is None:
        return None
    files = [folder / parts.TYPE_FILE, folder / parts.EXPECTATIONS_FILE]
    files += [*parts.entries(folder / parts.PROMPTS_FOLDER), *parts.entries(folder / parts.EXAMPLES_FOLDER)]
    found = ((file, parts.read_text(file, [])) for file in files if file.is_file())
    texts = {file.relative_to(folder).as_posix(): text for file, text in found if text is not None}
    return texts if _signature(folder.parent) == _loaded[folder.parent][0] else None


def _folder_of(document_type: DocumentType) -> Path | None:
    """The folder that the type was loaded from."""
    for folder, (_, types) in _loaded.items():
        if types.get(document_type.name) is document_type:
            return folder / document_type.name
    return None


def _type_folders(folder: Path, problems: list[Problem], remedy: str = SET_FOLDER) -> Iterator[Path]:
    if not folder.is_dir():
        problems.append(Problem(folder, 1, f"there is no such folder; {remedy}"))
        return
    found = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and entry.name[0] not in "._"]
    if not any((entry / TYPE_FILE).is_file() for entry in found):
        problems.append(Problem(folder, 1, f"it has no document type; add a folder with a {TYPE_FILE}"))
        return
    yield from found


def _signature(folder: Path) -> object:
    stats = ((path, path.lstat()) for path in sorted(folder.rglob("*")))
    return tuple((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in stats)


def _read(folder: Path) -> tuple[DocumentType | None, list[Problem]]:
    """The type, or None and problems."""
    problems: list[Problem] = []
    try:
        return _read_parts(folder, problems), problems
    except OSError as error:
        problems.append(Problem(folder, 1, f"it cannot be read: {error.strerror}; check its permissions"))
        return None, problems


def _read_parts(folder: Path, problems: list[Problem]) -> DocumentType | None:
    name = folder.absolute().name
    problems += parts.strange_files(folder)
    prompts = parts.read_prompts(folder, problems)
    raw, yaml = _read_type_file(folder, problems)
    if raw is None or yaml is None:
        parts.read_expectations(folder, None, problems)
        read_examples(folder, None, problems)
        return None
    mistakes = list(check_type(raw, name, prompts))
    mistakes += [Mistake((key,), f"{key} belong in {ELSEWHERE[key]}, not here") for key in ELSEWHERE if key in raw]
    kept = {"name": name} | {key: value for key, value in raw.items() if key not in ELSEWHERE}
    document_type = None
    try:
        document_type = DocumentType.model_validate(kept)
    except ValidationError as error:
        mistakes += schema_mistakes(error, DocumentType)
    problems += [Problem(folder / TYPE_FILE, yaml.line(mistake.path), mistake.message) for mistake in mistakes]
    fields = raw.get("fields")
    known = fields if isinstance(fields, dict) else None
    expectations = parts.read_expectations(folder, known, problems)
    examples = read_examples(folder, known, problems)
    if document_type is None or problems:
        return None
    return document_type.model_copy(update={"expectations": expectations, "prompts": prompts, "examples": examples})


def _read_type_file(folder: Path, problems: list[Problem]) -> tuple[Mapping[str, object] | None, YamlFile | None]:
    file = folder / TYPE_FILE
    if not file.is_file():
        problems.append(Problem(file, 1, "it is missing; write it, with at least title and fields"))
        return None, None
    yaml, value = parts.read_yaml(file, problems)
    if yaml is None:
        return None, None
    if not isinstance(value, dict):
        text = "it is empty" if value is None else f"it is a {type(value).__name__}"
        problems.append(Problem(file, 1, f"{text}; write keys with values, at least title and fields"))
        return None, None
    return value, yaml
