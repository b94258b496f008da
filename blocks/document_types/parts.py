"""Prompts and expectations of a document type, and the reading of its files, each with its own mistakes."""

import re
import traceback
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from blocks.document_types.expectations import ROW_COLUMNS, VIEW_COLUMNS, columns_in, columns_of, is_row_level
from blocks.document_types.schema import PROMPT_VARIABLES, DocumentType, Expectation, prompt_variables
from blocks.errors import ExpectationInvalid
from blocks.records import Page
from blocks.yaml.lines import Mistake, YamlFile
from blocks.yaml.messages import did_you_mean, schema_mistakes
from blocks.yaml.values import mapping

TYPE_FILE = "type.yaml"
EXPECTATIONS_FILE = "expectations.yaml"
PROMPTS_FOLDER = "prompts"
EXAMPLES_FOLDER = "examples"
KNOWN_ENTRIES = [TYPE_FILE, EXPECTATIONS_FILE, PROMPTS_FOLDER, EXAMPLES_FOLDER]
NOT_READ = re.compile(r"(README|NOTICE|LICENSE)(\.(md|txt))?\Z|\.|.*~\Z")
"""Files that may be anywhere in the folder: sources and licences of examples, and what editors leave behind."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a document type's files. `line` counts from 1; as text it reads ``file:line: message``."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def read_text(file: Path, problems: list[Problem]) -> str | None:
    """The text of a UTF-8 file, or None and a problem."""
    try:
        content = file.read_bytes()
    except OSError as error:
        problems.append(Problem(file, 1, f"it cannot be read: {error.strerror}; check its permissions"))
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(file, line, f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"))
        return None


def read_yaml(file: Path, problems: list[Problem]) -> tuple[YamlFile | None, object]:
    """A YAML file and its value, or None and problems."""
    text = read_text(file, problems)
    if text is None:
        return None, None
    yaml = YamlFile(text)
    try:
        return yaml, yaml.value()
    except ValueError:
        problems.extend(Problem(file, line, message) for line, message in yaml.mistakes())
        return None, None


def strange_files(folder: Path) -> Iterator[Problem]:
    """Files that nothing reads. Most are misspelt."""
    for entry in sorted(folder.iterdir()):
        if entry.name not in KNOWN_ENTRIES and not NOT_READ.match(entry.name):
            yield Problem(entry, 1, f"nothing reads it; {did_you_mean(entry.name, KNOWN_ENTRIES)}")
    for name in (PROMPTS_FOLDER, EXAMPLES_FOLDER):
        if (folder / name).is_file():
            yield Problem(folder / name, 1, "it is a file; make it a folder and put the file into it")
    for name, endings in ((PROMPTS_FOLDER, (".md",)), (EXAMPLES_FOLDER, (".jsonl", ".csv"))):
        for entry in entries(folder / name):
            if entry.suffix not in endings:
                yield Problem(entry, 1, f"nothing reads it; files in {name}/ end in {' or '.join(endings)}")


def read_prompts(folder: Path, problems: list[Problem]) -> dict[str, str]:
    """The prompt templates by variant. A template is Jinja, sandboxed, and may name `PROMPT_VARIABLES`."""
    prompts: dict[str, str] = {}
    for file in entries(folder / PROMPTS_FOLDER, ".md"):
        text = read_text(file, problems)
        if text is None:
            continue
        prompts[file.stem] = text
        problems.extend(Problem(file, line, message) for line, message in _prompt_mistakes(text))
    return prompts


def check_prompts(folder: Path, document_type: DocumentType, variants: Collection[str]) -> Iterator[Problem]:
    """Mistakes that show only when a template of these variants is rendered, such as an unknown attribute."""
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    page = Page(number=1, method="parsed", text="A page of text.")
    for variant, template in document_type.prompts.items():
        if variant not in variants:
            continue
        try:
            environment.from_string(template).render(prompt_variables(document_type, (page,)))
        except Exception as error:  # noqa: BLE001 - a template may raise whatever its expressions raise
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == "<template>"]
            line = (frames[-1].lineno or 1) if frames else 1
            file = folder / PROMPTS_FOLDER / f"{variant}.md"
            yield Problem(file, line, f"the template fails when it is rendered: {error}; see the variables it may name")


def _prompt_mistakes(text: str) -> Iterator[tuple[int, str]]:
    if not text.strip():
        yield 1, "the prompt is empty; write the prompt, or remove the file"
    if "{" not in text:
        return
    try:
        tree = ImmutableSandboxedEnvironment().parse(text)
        unknown = meta.find_undeclared_variables(tree) - set(PROMPT_VARIABLES)
    except TemplateSyntaxError as error:
        yield error.lineno, f"the template does not parse: {error.message}; mind braces and endings"
        return
    except TemplateError as error:
        yield 1, f"the template does not parse: {error.message}"
        return
    for name in sorted(unknown):
        word = re.compile(rf"\b{re.escape(name)}\b")
        line = next((n for n, line in enumerate(text.split("\n"), 1) if word.search(line)), 1)
        yield line, f"the variable {name!r} is not known; {did_you_mean(name, PROMPT_VARIABLES)}"


def read_expectations(
    folder: Path, fields: Mapping[str, object] | None, problems: list[Problem]
) -> tuple[Expectation, ...]:
    """The expectations, each with a name. `fields` are the type's fields, if they are known."""
    file = folder / EXPECTATIONS_FILE
    yaml, items = read_yaml(file, problems) if file.exists() else (None, None)
    if yaml is None:
        return ()
    if not isinstance(items, list):
        problems.append(Problem(file, 1, "it must be a list; begin with - type: ExpectColumnValuesToNotBeNull"))
        return ()
    expectations: dict[str, Expectation] = {}
    for index, item in enumerate(items):
        expectation, mistakes = _read_expectation(item)
        if expectation is not None:
            mistakes.extend(_column_mistakes(expectation, fields))
            if expectation.name in expectations:
                mistakes.append(Mistake((), f"the name {expectation.name!r} is taken; give this one another name"))
            expectations.setdefault(expectation.name, expectation)
        problems.extend(Problem(file, yaml.line((index, *m.path)), m.message) for m in mistakes)
    return tuple(expectations.values())


def check_expectations(folder: Path) -> Iterator[Problem]:
    """Mistakes that only Great Expectations' own classes find: unknown names, wrong arguments."""
    file = folder / EXPECTATIONS_FILE
    yaml, items = read_yaml(file, []) if file.exists() else (None, None)
    if yaml is None or not isinstance(items, list):
        return
    for index, item in enumerate(items):
        expectation, _ = _read_expectation(item)
        if expectation is None:
            continue
        try:
            by_row = is_row_level(expectation)
        except ExpectationInvalid as error:
            yield Problem(file, yaml.line((index,)), str(error))
            continue
        for name in columns_of(expectation):
            if by_row and name in VIEW_COLUMNS and name not in ROW_COLUMNS:
                text = f"{name!r} is not known yet when rows are checked; only expectations about the whole may name it"
                yield Problem(file, yaml.line((index, "kwargs")), text)


def default_name(expectation_type: str, kwargs: object) -> str:
    """The name of an expectation that has none: its columns and what is expected, as in ``total_not_be_null``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", expectation_type).lower().removeprefix("expect_")
    for prefix in ("column_values_to_", "column_pair_values_", "column_", "compound_columns_", "multicolumn_"):
        words = words.removeprefix(prefix)
    return "_".join([*columns_in(mapping(kwargs)), words])


def _read_expectation(item: object) -> tuple[Expectation | None, list[Mistake]]:
    if not isinstance(item, dict):
        return None, [Mistake((), "an expectation has keys; write - type: ... and kwargs: ...")]
    named = dict(item)
    if isinstance(item.get("type"), str):
        named.setdefault("name", default_name(item["type"], item.get("kwargs")))
    else:
        named.setdefault("name", "")
    try:
        return Expectation.model_validate(named), []
    except ValidationError as error:
        return None, list(schema_mistakes(error, Expectation))


def _column_mistakes(expectation: Expectation, fields: Mapping[str, object] | None) -> Iterator[Mistake]:
    for name in columns_of(expectation):
        if fields is not None and name not in fields and name not in VIEW_COLUMNS:
            yield Mistake(("kwargs",), f"the type has no field {name!r}; {did_you_mean(name, fields)}")


def entries(folder: Path, *endings: str) -> list[Path]:
    """The files of a folder that are meant to be read, in order of name; none if there is no folder."""
    if not folder.is_dir():
        return []
    found = (entry for entry in sorted(folder.iterdir()) if not NOT_READ.match(entry.name))
    return [entry for entry in found if not endings or entry.suffix in endings]
