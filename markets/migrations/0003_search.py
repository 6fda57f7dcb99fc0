"""The index of the search: what it reads of each market, and what each database searches it with."""

import django.db.models.deletion
from django.db import migrations, models

# PostgreSQL: the words as a generated column, so that no writer can forget them; trigrams for mistyped words.
POSTGRESQL = (
    (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        # An extension may serve others too: it stays.
        "",
    ),
    (
        "ALTER TABLE markets_searchdocument ADD COLUMN vector tsvector GENERATED ALWAYS AS "
        "(array_to_tsvector(array_remove(string_to_array(title || words, ' '), ''))) STORED",
        "ALTER TABLE markets_searchdocument DROP COLUMN vector",
    ),
    (
        # Query: markets that hold these words.
        "CREATE INDEX search_vector ON markets_searchdocument USING gin (vector)",
        "DROP INDEX search_vector",
    ),
    (
        # Query: words like a mistyped one.
        "CREATE INDEX search_word_like ON markets_searchword USING gin (word gin_trgm_ops)",
        "DROP INDEX search_word_like",
    ),
)
# SQLite: FTS5 over the documents without a second copy of their text, and a table of words by their trigrams. The
# tokenizer splits at spaces alone: every letter beyond ASCII is one to it, as it is to the maker of the documents. A
# space before and after a word makes its first and last letters count for more.
GONE = "INSERT INTO markets_search (markets_search, rowid, title, words) VALUES ('delete', old.market_id, old.title, old.words)"
COME = "INSERT INTO markets_search (rowid, title, words) VALUES (new.market_id, new.title, new.words)"
SQLITE = (
    (
        "CREATE VIRTUAL TABLE markets_search USING fts5 (title, words, content='markets_searchdocument', "
        "content_rowid='market_id', tokenize=\"ascii tokenchars '#@'\", detail='none', "
        "prefix='2 3', columnsize=0)",
        "DROP TABLE markets_search",
    ),
    (
        f"CREATE TRIGGER markets_search_come AFTER INSERT ON markets_searchdocument BEGIN {COME}; END",
        "DROP TRIGGER markets_search_come",
    ),
    (
        f"CREATE TRIGGER markets_search_gone AFTER DELETE ON markets_searchdocument BEGIN {GONE}; END",
        "DROP TRIGGER markets_search_gone",
    ),
    (
        "CREATE TRIGGER markets_search_changed AFTER UPDATE OF title, words ON markets_searchdocument "
        f"BEGIN {GONE}; {COME}; END",
        "DROP TRIGGER markets_search_changed",
    ),
    (
        "CREATE VIRTUAL TABLE markets_searchgrams USING fts5 (word, tokenize='trigram', columnsize=0)",
        "DROP TABLE markets_searchgrams",
    ),
    (
        "CREATE TRIGGER markets_searchgrams_come AFTER INSERT ON markets_searchword "
        "BEGIN INSERT INTO markets_searchgrams (rowid, word) VALUES (new.id, ' ' || new.word || ' '); END",
        "DROP TRIGGER markets_searchgrams_come",
    ),
    (
        "CREATE TRIGGER markets_searchgrams_gone AFTER DELETE ON markets_searchword "
        "BEGIN DELETE FROM markets_searchgrams WHERE rowid = old.id; END",
        "DROP TRIGGER markets_searchgrams_gone",
    ),
)
STATEMENTS = {"postgresql": POSTGRESQL, "sqlite": SQLITE}


def make(apps, schema_editor):
    for forward, _ in STATEMENTS[schema_editor.connection.vendor]:
        schema_editor.execute(forward)


def unmake(apps, schema_editor):
    for _, back in reversed(STATEMENTS[schema_editor.connection.vendor]):
        if back:
            schema_editor.execute(back)


class Migration(migrations.Migration):
    dependencies = [("markets", "0002_streamed_quotes")]

    operations = [
        migrations.CreateModel(
            name="SearchWord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("word", models.CharField(max_length=40, unique=True)),
                ("count", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="SearchDocument",
            fields=[
                (
                    "market",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="search",
                        serialize=False,
                        to="markets.market",
                    ),
                ),
                ("title", models.TextField()),
                ("words", models.TextField()),
                ("stamp", models.DateTimeField()),
            ],
        ),
        migrations.RunPython(make, unmake),
    ]
