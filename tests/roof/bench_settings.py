"""Settings with an app whose benches tell their seconds."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.roof.measured"]  # noqa: F405
