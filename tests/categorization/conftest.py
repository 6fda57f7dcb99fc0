"""The models are trained once for all tests of this folder."""

import pytest

from categorization.artifact import Artifact
from categorization.decisions import Decider
from categorization.training import current_artifact


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    return current_artifact()


@pytest.fixture
def decider(artifact: Artifact) -> Decider:
    return Decider(artifact)
