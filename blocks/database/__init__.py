"""All SQL: tables, migrations, queries. The database decides what is done."""
