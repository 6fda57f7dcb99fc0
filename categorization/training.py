"""Learn the lexical and semantic models from the project's own examples, and keep them by what they depend on."""

import csv
import hashlib
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from categorization.artifact import Artifact, ArtifactError, load_artifact, make_vectorizers, save_artifact
from categorization.calibration import Count, added, calibrate, read_counts
from categorization.factors import NONE, TAXONOMY_FILE, taxonomy
from categorization.knowledge import knowledge_files
from categorization.reading import Reading
from categorization.stages.lexical import model_text
from categorization.stages.normalize import normalize

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE / "examples"
# Questions of our own that no model is trained on: what a new version is measured by.
DEVELOPMENT_FILE = HERE / "development.tsv"
# Everything that can change an answer: a change of any of these files is another model version.
CODE = (
    "stages/*.py",
    "knowledge/*.py",
    "pipeline.py",
    "decisions.py",
    "calibration.py",
    "reliability.tsv",
    "grammar.py",
    "sides.py",
    "reading.py",
    "training.py",
    "artifact.py",
    "factors.py",
)
HEADER = ["title", "factor", "direction"]
COMPONENTS = 160
# Typical meanings kept of each factor.
PROTOTYPES = 12
DIRECTIONS = {"+1": 1, "1": 1, "0": 0, "-1": -1}


class TrainingError(ValueError):
    """The examples cannot be learned from."""


@dataclass(frozen=True, slots=True)
class Example:
    title: str
    factor: str
    direction: int
    weight: float = 1.0


def read_examples(folder: Path = EXAMPLES) -> list[Example]:
    """Read every example file, in a fixed order.

    Raises TrainingError naming the file and line that is not title, factor and direction.
    """
    known = set(taxonomy().labels)
    examples: list[Example] = []
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(lines, None)
            if header != HEADER:
                raise TrainingError(f"{path.name} begins with {header}; expected the header {HEADER}.")
            for number, line in enumerate(lines, start=2):
                if not line:
                    continue
                if len(line) != 3 or line[1] not in known or line[2] not in DIRECTIONS:
                    raise TrainingError(
                        f"{path.name} line {number} is {line!r}; expected a title, a factor of the taxonomy "
                        "(or none) and a direction +1, 0 or -1."
                    )
                examples.append(Example(line[0], line[1], DIRECTIONS[line[2]]))
    return examples


def factor_texts() -> list[Example]:
    """Describe each factor in the taxonomy's own words, so that none is without an example."""
    return [
        Example(f"{factor.name}: {factor.up}" if factor.up not in ("", "0") else factor.name, factor.slug, 0)
        for factor in taxonomy().factors
    ] + [Example("Something that fits no factor at all", NONE, 0)]


@lru_cache(maxsize=1)
def version_digest() -> str:
    """Hash all that a decision depends on: examples, knowledge files, taxonomy, code."""
    digest = hashlib.sha256()
    code = sorted(path for pattern in CODE for path in HERE.glob(pattern))
    for path in (*sorted(EXAMPLES.glob("*.tsv")), *knowledge_files(), TAXONOMY_FILE, *code):
        digest.update(path.relative_to(HERE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def one_thread() -> AbstractContextManager[Any]:
    """Keep the matrix library to one thread: the cores belong to other workers, too, and sums stay the same."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def train(
    examples: Iterable[Example], *, digest: str, taught: Mapping[str, str] | None = None, found: Sequence[Count] = ()
) -> Artifact:
    """Fit both models on the examples and the factor texts.

    `taught` are series that reviewers decided, `found` how often they found our answers right.

    Raises TrainingError where a label has no example.
    """
    import numpy as np
    from scipy.sparse import csr_matrix, hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import normalize as unit_length

    labels = taxonomy().labels
    numbers = {label: number for number, label in enumerate(labels)}
    every = sorted([*examples, *factor_texts()], key=lambda example: numbers[example.factor])
    targets = np.array([numbers[example.factor] for example in every])
    missing = set(range(len(labels))) - set(targets.tolist())
    if missing:
        raise TrainingError(f"No example of {labels[min(missing)]}; expected one at least of each factor.")
    texts = [model_text(normalize(Reading(key=0, venue="", native_id="", title=example.title))) for example in every]
    words, chars = make_vectorizers()
    counts = hstack([words.fit_transform(texts), chars.fit_transform(texts)], format="csr", dtype="float32")
    seen_in = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = (np.log((1 + len(texts)) / (1 + seen_in)) + 1).astype(np.float32)
    counts.data = 1 + np.log(counts.data)
    rows = unit_length(csr_matrix(counts.multiply(idf[None, :])), copy=False)
    model = LogisticRegression(solver="saga", C=30.0, max_iter=40, tol=1e-3, random_state=1)
    with warnings.catch_warnings():
        # Forty passes are where more stop helping; that it could go on is no news.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, targets, sample_weight=[example.weight for example in every])
    reduction = TruncatedSVD(n_components=min(COMPONENTS, rows.shape[0] - 1, rows.shape[1] - 1), random_state=1)
    points = unit_length(reduction.fit_transform(rows).astype(np.float32))
    starts = np.searchsorted(targets, np.arange(len(labels)))
    centroids = unit_length(np.add.reduceat(points, starts, axis=0))
    prototypes, prototype_starts = _prototypes(points, starts)
    return Artifact(
        digest=digest,
        labels=labels,
        word_terms=tuple(words.get_feature_names_out()),
        char_terms=tuple(chars.get_feature_names_out()),
        idf=idf,
        coefficients=model.coef_.astype(np.float32),
        intercepts=model.intercept_.astype(np.float32),
        components=reduction.components_.astype(np.float32),
        example_points=points,
        example_titles=tuple(example.title for example in every),
        label_starts=starts,
        centroids=centroids,
        prototypes=prototypes,
        prototype_starts=prototype_starts,
        calibration=calibrate(added(read_counts(), found)),
        taught=dict(taught or {}),
    )


def _prototypes(points: "np.ndarray", starts: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Sum up each label's examples in a few typical meanings: a market is compared with hundreds, not thousands."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import normalize as unit_length

    kept: list[np.ndarray] = []
    kept_starts: list[int] = []
    ends = [*starts.tolist()[1:], len(points)]
    for start, end in zip(starts.tolist(), ends, strict=True):
        kept_starts.append(sum(len(meanings) for meanings in kept))
        own = points[start:end]
        few = min(len(own), PROTOTYPES)
        kept.append(own if len(own) <= few else KMeans(few, n_init=1, random_state=1).fit(own).cluster_centers_)
    return unit_length(np.concatenate(kept)).astype(np.float64), np.array(kept_starts)


def artifact_path(digest: str) -> Path:
    return Path(settings.VAR_DIR) / "models" / f"categorization-{digest[:16]}.npz"


_loaded: dict[str, Artifact] = {}


def current_artifact(*, force: bool = False) -> Artifact:
    """Return the models of this code and these examples: from memory, from disk, or newly trained."""
    digest = version_digest()
    if not force and digest in _loaded:
        return _loaded[digest]
    path = artifact_path(digest)
    if not force and path.exists():
        try:
            artifact = load_artifact(path, digest=digest)
        except (ArtifactError, OSError) as error:
            logger.warning("Training again: %s", error)
        else:
            return _remember(artifact)
    with one_thread():
        artifact = train(read_examples(), digest=digest)
    save_artifact(artifact, path)
    return _remember(artifact)


def _remember(artifact: Artifact) -> Artifact:
    _loaded.clear()
    _loaded[artifact.digest] = artifact
    return artifact
