"""What `winnow evaluate --compare` and `--models` name: other ways to read the labelled documents."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.errors import UsageError
from deployments.cli.output import note
from deployments.cli.run_models import budget_of, names_of

if TYPE_CHECKING:
    from blocks.document_types.schema import DocumentType
    from tasks.compare.compare import Estimate, Setting

TODAY, LEARNT, UNLEARNT = "today", "learnt", "unlearnt"
MODELS = "models:"
CHOICES = f"a folder of document types, {MODELS}NAME, {TODAY}, {LEARNT} or {UNLEARNT}"


def settings_of(
    compare: Sequence[str], models: Sequence[str], types: "Mapping[str, DocumentType]", wanted: str | None
) -> "tuple[Setting, ...]":
    """The settings that the options name, each once. Raises `UsageError`, and as `prepare_run`."""
    names = dict.fromkeys([*compare, *(f"{MODELS}{name}" for name in names_of(models))])
    return tuple(_setting(name, types, wanted) for name in names)


def _setting(name: str, types: "Mapping[str, DocumentType]", wanted: str | None) -> "Setting":
    from tasks.compare.compare import Setting
    from tasks.runs.prepare import prepare_run

    if name.startswith(MODELS):
        return Setting(name, prepare_run(types, names_of([name.removeprefix(MODELS)]), with_blocks=False))
    if name in {TODAY, LEARNT, UNLEARNT}:
        learned = () if name == UNLEARNT else None
        return Setting(name, prepare_run(types, (), with_blocks=False), learned, relearn=name != TODAY)
    return Setting(name, prepare_run({**types, **_types_in(Path(name), wanted)}, (), with_blocks=False))


def _types_in(folder: Path, wanted: str | None) -> "Mapping[str, DocumentType]":
    from blocks.document_types.loader import load_document_types
    from blocks.document_types.parts import TYPE_FILE

    if not folder.is_dir():
        raise UsageError(f"--compare: {folder} is no folder; give {CHOICES}")
    if (folder / TYPE_FILE).is_file():
        raise UsageError(f"--compare: {folder} is one document type; give the folder that it is in")
    found = load_document_types(folder)
    if wanted is not None and wanted not in found:
        raise UsageError(f"--compare: {folder} has no document type {wanted}; it has {', '.join(sorted(found))}")
    return found


def checked_budget(option: str | None, found: "Sequence[Estimate]") -> Decimal:
    """The budget in USD, after the estimates were printed. Raises `UsageError` where models need one and none is given.

    A document may cost several calls, and what the provider bills is known afterwards: nobody is to be surprised.
    """
    asking = [estimate for estimate in found if estimate.asks_models]
    for each in asking:
        note(f"{each.setting}: {_usd(each)}, {_calls(each)}; {'; '.join(each.basis)}")
    budget = budget_of(option)
    if budget is None and asking:
        named = " and ".join(each.setting for each in asking)
        raise UsageError(
            f"{named} may call models: say with --budget what they may cost in USD; 0 takes stored replies only"
        )
    return budget or Decimal(0)


def _usd(found: "Estimate") -> str:
    low, high = found.cost_usd.low, found.cost_usd.high
    return f"{low:f} USD or more" if high is None else f"{low:f} to {high:f} USD"


def _calls(found: "Estimate") -> str:
    low, high = found.calls.low, found.calls.high
    return f"{low:f} calls or more" if high is None else f"{low:f} to {high:f} calls"
