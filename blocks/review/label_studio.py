"""Review items as tasks of Label Studio, and the decisions that annotated tasks make.

Format: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks. A task's control tags are named
as the fields (`from_name`). `decision`, `new_value` and `note` are as in a sheet, unless a field has that name.
"""

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from blocks.review import sheets
from blocks.review.errors import InvalidDecision
from blocks.review.records import Action, Item
from blocks.review.written import WrittenDecision

NOT_TASKS = "the file has no tasks; export from Label Studio as JSON (not JSON-MIN), and import that file"

Task = Mapping[str, JsonValue]


def task_of(item: Item, uri: str) -> dict[str, object]:
    """A task with the values as a prediction, which Label Studio shows for correction. Blind audits show no value."""
    shown = [row for row in sheets.rows_of(item, uri) if row["field"]]
    result = [
        {
            "id": row["field"],
            "from_name": row["field"],
            "to_name": "text",
            "type": "textarea",
            "value": {"text": [row["value"]]},
            "score": item.confidences.get(row["field"]),
        }
        for row in shown
    ]
    return {
        "data": {
            "review_id": item.review_id,
            "version": item.version,
            "document_type": item.document_type,
            "uri": uri,
            "reasons": list(item.reasons),
            "text": "\n".join(dict.fromkeys(row["quote"] for row in shown if row["quote"])),
            "values": {row["field"]: row["value"] for row in shown},
        },
        "predictions": [{"model_version": item.fingerprint, "score": item.confidence, "result": result}],
    }


def tasks_in(text: str) -> list[Task]:
    """The tasks of a file. Raises `InvalidDecision` where it has none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidDecision(f"the file is no JSON ({error})") from error
    if not isinstance(found, list) or not all(isinstance(task, dict) and "data" in task for task in found):
        raise InvalidDecision(NOT_TASKS)
    return found


def decisions_in(tasks: Sequence[Task], by: str) -> sheets.ByItem:
    """What the annotated tasks decide, with their numbers in the file, by item; tasks without annotation do not.

    A skipped task has no annotation. A task that cannot be read is there with the reason.
    """
    found: sheets.ByItem = {}
    for number, task in enumerate(tasks, start=1):
        data = task["data"]
        values = data if isinstance(data, dict) else {}
        decided: list[WrittenDecision] | InvalidDecision | None
        try:
            decided = _decided(task, values, by)
        except InvalidDecision as error:
            decided = error
        if isinstance(decided, InvalidDecision):
            found.setdefault(str(values.get("review_id")), []).append((number, decided))
        elif decided:
            found.setdefault(str(values.get("review_id")), []).extend((number, row) for row in decided)
    return found


def _decided(task: Task, data: Mapping[str, JsonValue], by: str) -> list[WrittenDecision] | None:
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        raise InvalidDecision("the task has no annotations; export from Label Studio as JSON (not JSON-MIN)")
    kept = [each for each in annotations if isinstance(each, dict) and not each.get("was_cancelled")]
    if not kept:
        return None
    review_id, version = data.get("review_id"), data.get("version")
    if not _is_number(review_id) or not _is_number(version):
        raise InvalidDecision("review_id and version are the numbers that winnow review export wrote")
    values = data.get("values")
    shown = values if isinstance(values, dict) else {}
    base = WrittenDecision(review_id=review_id, version=version, decision="", decided_by=by)
    readings = [_rows(base, annotation, shown) for annotation in kept]
    if any(reading != readings[0] for reading in readings):
        raise InvalidDecision(f"the task has {len(kept)} annotations that differ; leave a single one")
    return readings[0]


def _rows(base: WrittenDecision, annotation: Task, shown: Mapping[str, JsonValue]) -> list[WrittenDecision]:
    """The rows of an annotation: of its decision, else of what differs from what was shown, else that all is right."""
    result = annotation.get("result")
    controls: dict[str, str | float] = {}
    fields: list[tuple[str, str | float]] = []
    for region in result if isinstance(result, list) else []:
        name, given = _given(region)
        if name in sheets.FILLED_IN and name not in shown:
            controls[name] = "; ".join(map(sheets.plain, given))
        else:
            fields += [(name, each) for each in given]
    base = base.model_copy(update={"note": sheets.plain(controls.get("note"))})
    word = sheets.plain(controls.get("decision")).strip()
    if word and word.lower() != Action.CORRECT:
        return [base.model_copy(update={"decision": word, "value": sheets.plain(controls.get("new_value"))})]
    if annotation.get("parent_prediction") is not None:  # the person began from our values, and deleted these
        fields += [(name, "") for name in shown if name not in {given for given, _ in fields}]
    elif not fields:
        raise InvalidDecision("the annotation has no value; accept the prediction, fill fields in, or skip the task")
    changed = [(name, given) for name, given in fields if _is_other(given, shown.get(name), fields, name)]
    if not changed and all(name in shown for name, _ in fields):
        return [base.model_copy(update={"decision": str(Action.ACCEPT)})]
    return [
        base.model_copy(update={"decision": str(Action.CORRECT), "field": name} | sheets.given_value(given))
        for name, given in changed
    ]


def _is_other(given: str | float, shown: JsonValue, fields: Sequence[tuple[str, str | float]], name: str) -> bool:
    """Whether a value is not the shown one. Two values of a field are both kept: they are refused later."""
    is_single = sum(other == name for other, _ in fields) == 1
    return not is_single or shown is None or sheets.plain(given).strip() != str(shown).strip()


def _given(region: JsonValue) -> tuple[str, list[str | float]]:
    """A region's name and what was filled in: texts, choices, a number, a date."""
    name = region.get("from_name") if isinstance(region, dict) else None
    value = region.get("value") if isinstance(region, dict) else None
    if not isinstance(name, str) or not isinstance(value, dict):
        raise InvalidDecision("a result of the annotation has no from_name or no value")
    for key in ("text", "choices", "number", "datetime", "rating"):
        if key in value:
            given = value[key]
            entries = given if isinstance(given, list) else [given]
            return name, [_entry(each) for each in entries]
    raise InvalidDecision(f"{name}: a value of this kind is not read; use TextArea, Choices, Number or DateTime")


def _entry(value: JsonValue) -> str | float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else sheets.plain(value)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
