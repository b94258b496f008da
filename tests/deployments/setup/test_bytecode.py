"""Which files set-up compiles."""

from importlib.util import cache_from_source
from pathlib import Path

from packaging.utils import canonicalize_name

from deployments.setup.bytecode import compile_file, dependencies, modules_of


def test_compiled_are_the_libraries_that_winnow_needs_and_what_they_need_but_no_developers_tool() -> None:
    names = {canonicalize_name(library.name) for library in dependencies("winnow")}
    assert {"prefect", "great-expectations", "starlette", "threadpoolctl"} <= names
    assert {"h2", "hpack"} <= names, "prefect asks for the extra http2 of httpx"
    assert not {"winnow", "mypy", "pytest", "ruff", "reportlab"} & names


def test_tests_of_a_library_are_left_out() -> None:
    (numpy,) = (library for library in dependencies("winnow") if library.name == "numpy")
    folders = {file.parent.name for file in modules_of(numpy)}
    assert "linalg" in folders
    assert "tests" not in folders


def test_of_the_lexers_of_pygments_only_their_list_is_compiled() -> None:
    (pygments,) = (library for library in dependencies("winnow") if library.name.lower() == "pygments")
    lexers = {file.name for file in modules_of(pygments) if file.parent.name == "lexers"}
    assert lexers == {"__init__.py", "_mapping.py"}


def test_a_file_that_compiles_has_bytecode_beside_it_and_another_stops_nothing(tmp_path: Path) -> None:
    good, template = tmp_path / "good.py", tmp_path / "template.py"
    good.write_text("answer = 42\n")
    template.write_text("class {{ name }}:\n")
    assert compile_file(str(template)) is False
    assert compile_file(str(good)) is True
    assert Path(cache_from_source(str(good))).exists()
