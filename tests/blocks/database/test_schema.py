from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON

from blocks.database import tables as _tables  # noqa: F401 - so that the metadata has every table
from blocks.database.engine import Database
from blocks.database.metadata import metadata
from blocks.database.schema import MIGRATIONS_DIR, head_revision, known_revisions, upgrade


def test_migrations_make_the_tables_that_the_code_reads(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_json_column_that_may_be_empty_is_null_then_and_not_jsons_null() -> None:
    """A query that asks for `IS NOT NULL` would find JSON's null."""
    values_of_people = {"review_answers.shown", "review_answers.decided"}
    found = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, JSON) and column.nullable and not column.type.none_as_null
    }
    assert found == values_of_people


def test_revisions_are_those_that_the_file_names_say() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [head_revision()]
    assert {script.revision for script in scripts.walk_revisions()} == set(known_revisions())


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    assert upgrade(database) == upgrade(database) == head_revision()
