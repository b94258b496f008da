"""People's decisions become examples of the type, the latest ones and evenly over the values."""

from blocks.document_types.schema import Example, TaughtExample
from blocks.learning import lessons
from blocks.learning.lessons import chosen, taught, taught_as_type
from tests.blocks.learning.documents import INVOICE


def test_without_lessons_the_type_is_the_same() -> None:
    assert taught(INVOICE, []) is INVOICE
    assert taught(INVOICE, [Example(text="x", labels={"area": "unheard of"})]) is INVOICE


def test_a_persons_labels_replace_those_of_the_types_example_and_of_an_earlier_decision() -> None:
    own = INVOICE.model_copy(update={"examples": (Example(text="train to Bonn", labels={"area": "office"}),)})
    found = taught(
        own,
        [
            Example(text="pens", labels={"area": "travel"}),
            Example(text="train to Bonn", labels={"area": "travel"}),
            Example(text="pens", labels={"area": "office"}),
        ],
    )
    assert [(example.text, example.labels["area"]) for example in found.examples] == [
        ("train to Bonn", "travel"),
        ("pens", "office"),
    ]
    assert found.score_digest != own.score_digest


def test_a_frequent_value_does_not_crowd_out_a_rare_one() -> None:
    many = [Example(text=f"pens {n}", labels={"area": "office"}) for n in range(lessons.MAX_LESSONS)]
    found = taught(INVOICE, [Example(text="train", labels={"area": "travel"}), *many])
    by_id = {"train": {"area": "travel"}} | {str(n): {"area": "office"} for n in range(lessons.MAX_LESSONS)}
    kept = list(chosen(INVOICE, by_id))
    assert (kept[0], kept[-1], len(kept)) == ("train", str(lessons.MAX_LESSONS - 1), lessons.MAX_LESSONS)
    assert len(found.examples) == lessons.MAX_LESSONS
    assert found.examples[0].text == "train"
    assert found.examples[-1].text == f"pens {lessons.MAX_LESSONS - 1}"


def test_only_labels_of_enum_fields_teach() -> None:
    decided = {"a": {"seller": "Acme", "area": "travel"}, "b": {"seller": "Acme"}, "c": {"area": "unheard of"}}
    assert chosen(INVOICE, decided) == {"a": {"area": "travel"}}


def test_the_texts_of_decided_documents_are_examples_of_their_type() -> None:
    found = taught_as_type(INVOICE, ["pens", "pens", " "])
    assert [(type(example), example.text) for example in found.examples] == [(TaughtExample, "pens")]
    assert taught_as_type(INVOICE, []) is INVOICE
