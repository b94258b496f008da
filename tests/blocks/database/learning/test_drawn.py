"""The sample that proves something has the hard documents too."""

from sqlalchemy import update

from blocks.database.engine import Database
from blocks.database.keeping.erasure import erase
from blocks.database.learning.drawn import read_drawn
from blocks.database.review.tables import review
from blocks.review.records import Action, Correction
from tests.blocks.database.learning.test_labels import act, imported, row
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import open_item


def test_every_draw_is_there_with_what_became_of_it(database: Database) -> None:
    names = (
        "accepted",
        "corrected",
        "rejected",
        "given",
        "unread",
        "open",
        "chosen",
        "imported",
        "erased",
        "superseded",
    )
    add_documents(database, *names)
    items = {name: open_item(database, name) for name in names}
    with database.write() as connection:
        drawn = review.c.review_id.not_in([items["chosen"], items["imported"]])
        connection.execute(update(review).where(drawn).values(drawn_with=0.25))
        connection.execute(update(review).where(review.c.review_id == items["superseded"]).values(status="superseded"))
    for name in ("accepted", "chosen"):
        act(database, items[name], Action.ACCEPT)
    act(database, items["corrected"], Action.CORRECT, corrections={"total": Correction(value="1")})
    act(database, items["rejected"], Action.REJECT, reason="blurred")
    act(database, items["given"], Action.RECLASSIFY, document_type="invoice")
    act(database, items["unread"], Action.UNREADABLE)
    erase(database, [id_of("erased")], "ann")
    rows = [row(2, "imported", "total", "1"), row(3, "imported", "company", "Tea"), row(4, "chosen", "nope", "1")]
    imported(database, *rows, drawn_with=0.5, is_draw_given=True)
    ids = {id_of(name): name for name in names}
    assert {
        ids[each.document_id]: (each.outcome.value, each.drawn_with) for each in read_drawn(database, "receipt")
    } == {
        "accepted": ("labelled", 0.25),
        "corrected": ("labelled", 0.25),
        "rejected": ("refused", 0.25),
        "given": ("refused", 0.25),
        "unread": ("refused", 0.25),
        "open": ("open", 0.25),
        "imported": ("labelled", 0.5),
    }
    of_import = [each.document_id for each in read_drawn(database, "invoice")]  # its labels may be of another type
    assert [ids[id_] for id_ in of_import] == ["imported"]
