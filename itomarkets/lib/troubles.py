"""Sentences for troubles that lie outside the program: its settings, its clock, its database, the venues."""

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from itomarkets.lib.clock import ClockError
from itomarkets.lib.venues import VenueError


def sentence_about(error: Exception) -> str | None:
    """Say what is wrong and what to do, or None where the fault is ours and its traceback is wanted."""
    if isinstance(error, ImproperlyConfigured):
        return f"The settings cannot be used: {error}"
    if isinstance(error, (ClockError, VenueError)):
        return str(error)
    if isinstance(error, DatabaseError):
        return _about_database(error)
    return None


def _about_database(error: DatabaseError) -> str | None:
    words = " ".join(str(error).split())
    if "disk is full" in words or "No space left" in words:
        return f"The database has no room left ({words}). Free some disk space, then try again."
    if "database is locked" in words:
        return "The database is busy: another command has been writing for long. Try again when it has ended."
    if "readonly database" in words:
        return f"The database may not be written ({words}). Look whose file it is, or set ITO_VAR to a folder of yours."
    try:
        connection.close()
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        behind = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return f"The database cannot be opened: {words}. Look at DATABASE_URL, or at ITO_VAR where there is none."
    if behind:
        return "The database has no tables yet, or older ones. Run `python manage.py migrate`, then try again."
    return None
