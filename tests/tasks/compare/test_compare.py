"""Labelled documents by another setting: read beside what is stored, compared by pairs, and nothing is left of it."""

from decimal import Decimal

import pytest
from sqlalchemy import update

from blocks.backfill.plan import NOTHING
from blocks.database.tables import stage_outputs
from blocks.learning.comparison import Verdict
from blocks.records import Retry, Stage, Status, Validation
from tasks.compare.compare import Setting, estimates, side_by_side
from tasks.evaluate.evaluate import Evaluated, Labelled, labelled_documents, sample_of
from tests.doubles.scripted_stages import failing, id_of
from tests.label_rows import add_label
from tests.tasks.backfill.test_beside import rows, with_functions
from tests.tasks.backfill.test_plan import NAMES, Bench, bench

__all__ = ["bench"]  # a fixture

RIGHT = Validation(
    document_type="receipt",
    status=Status.ACCEPTED,
    confidence=0.7,
    fields={"total": "7.00"},
    confidences={"total": 0.7},
)


@pytest.fixture
def labelled(bench: Bench) -> Labelled:
    """The total of a is 9.00, as it was read; of the others it is 7.00."""
    for name in NAMES:
        add_label(bench.database, id_of(name), bench.types["receipt"], "total", "9.00" if name == "a" else "7.00", 1.0)
    return labelled_documents(bench.database, bench.types)[0]


def edited(bench: Bench, *names: str) -> None:
    """From now on, validate reads the right total of these documents."""
    bench.versions[Stage.VALIDATE] = "2"
    bench.answers[Stage.VALIDATE] = dict.fromkeys(names, RIGHT)


def compared(bench: Bench, labelled: Labelled) -> Evaluated:
    pieces, _ = bench.pipeline()
    setting = Setting("edited", bench.prepared)
    return side_by_side(bench.database, bench.types, labelled, [setting], with_functions(pieces), Decimal(0))


def test_a_setting_is_compared_and_nothing_is_written(bench: Bench, labelled: Labelled) -> None:
    edited(bench, "b", "c")
    before = rows(bench.database)
    found = compared(bench, labelled)
    assert rows(bench.database) == before
    (other,), (pair,) = found.others, found.pairs
    assert (found.types[0].right.hits, other.types[0].right.hits, other.types[0].documents) == (1, 3, 5)
    assert (pair.first, pair.second) == ("stored", "edited")
    total = pair.types[0].fields["total"]
    assert (total.right_first, total.right_second, total.better, total.worse) == (1, 3, 2, 0)
    assert total.verdict is Verdict.INCONCLUSIVE
    assert other.spent_usd == 0


def test_settled_documents_are_read_by_the_setting_too(bench: Bench, labelled: Labelled) -> None:
    """Their outputs stand where nothing changed, so that no stage works them again."""
    pieces, stages = bench.pipeline()
    setting = Setting("same", bench.prepared)
    found = side_by_side(bench.database, bench.types, labelled, [setting], with_functions(pieces), Decimal(0))
    assert found.others[0].types == found.types
    assert [stage.worked for stage in stages.values()] == [[]] * len(stages)


def test_what_a_setting_could_not_read_is_left_out_and_counted(bench: Bench, labelled: Labelled) -> None:
    """No pages of a are stored, no model answers for b, and the file of c is gone."""
    with bench.database.write() as connection:
        of_a = (stage_outputs.c.document_id == id_of("a"), stage_outputs.c.stage == Stage.EXTRACT)
        connection.execute(update(stage_outputs).where(*of_a).values(payload=None))
    bench.versions = dict.fromkeys((Stage.EXTRACT, Stage.VALIDATE), "2")
    bench.answers[Stage.VALIDATE] = {"b": (RIGHT, failing(Stage.VALIDATE, Retry.NEXT_RUN, "budget_exhausted"))}
    bench.answers[Stage.EXTRACT] = {"c": failing(Stage.EXTRACT, Retry.NEVER, "source_missing")}
    found = compared(bench, labelled)
    (other,) = found.others
    assert (other.without_pages, other.unanswered, other.unopened) == (1, 1, 1)
    assert other.types[0].documents == 2
    assert (found.pairs[0].types[0].left_out, found.pairs[0].types[0].documents.pairs) == (3, 2)


def test_each_setting_is_compared_with_each_earlier_one(bench: Bench, labelled: Labelled) -> None:
    edited(bench, "b")
    pieces, _ = bench.pipeline()
    settings = [Setting(name, bench.prepared) for name in ("one", "two")]
    found = side_by_side(bench.database, bench.types, labelled, settings, with_functions(pieces), Decimal(0))
    assert [(pair.first, pair.second) for pair in found.pairs] == [("stored", "one"), ("stored", "two"), ("one", "two")]


def test_a_sample_is_drawn_by_a_hash(labelled: Labelled) -> None:
    drawn = sample_of(labelled, 2)
    assert len(drawn) == 2
    assert sample_of(dict(reversed(list(labelled.items()))), 2) == drawn
    assert {label.drawn_with for labels in drawn.values() for label in labels} == {2 / 5}
    assert sample_of(labelled, 99) == labelled


def test_a_setting_without_a_model_costs_nothing(bench: Bench, labelled: Labelled) -> None:
    (found,) = estimates([Setting("edited", bench.prepared)], labelled, bench.database)
    assert (found.calls, found.cost_usd, found.asks_models) == (NOTHING, NOTHING, False)
