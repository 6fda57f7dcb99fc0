"""The trained models as plain arrays in one file: nothing in it is ever executed."""

import hashlib
import json
import platform
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from categorization.calibration import Calibration, calibration_of, curve_arrays

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

FORMAT = 2


class ArtifactError(ValueError):
    """A model file is damaged, of another format, or of another version than asked for."""


def library_versions() -> dict[str, str]:
    """Return the versions that a model's numbers depend on; a file of others is refused and trained anew."""
    libraries = {name: version(name) for name in ("numpy", "scipy", "scikit-learn")}
    return {"python": ".".join(platform.python_version_tuple()[:2]), **libraries}


@dataclass(frozen=True)
class Artifact:
    """Vocabulary, weights and example positions; rows of `coefficients` follow `labels`."""

    digest: str
    labels: tuple[str, ...]
    word_terms: tuple[str, ...]
    char_terms: tuple[str, ...]
    idf: "np.ndarray"
    coefficients: "np.ndarray"
    intercepts: "np.ndarray"
    components: "np.ndarray"
    example_points: "np.ndarray"
    example_titles: tuple[str, ...]
    label_starts: "np.ndarray"
    centroids: "np.ndarray"
    prototypes: "np.ndarray"
    prototype_starts: "np.ndarray"
    calibration: Calibration
    # Series that reviewers taught: stem → factor.
    taught: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=library_versions)

    @cached_property
    def vectorizers(self) -> tuple[Any, Any]:
        words, chars = make_vectorizers(word_terms=self.word_terms, char_terms=self.char_terms)
        return words, chars

    def features(self, texts: list[str]) -> "csr_matrix":
        """Turn texts into TF-IDF rows of length one."""
        from scipy.sparse import csr_matrix, hstack
        from sklearn.preprocessing import normalize

        words, chars = self.vectorizers
        counts = hstack([words.transform(texts), chars.transform(texts)], format="csr", dtype="float32")
        counts.data = 1 + _log(counts.data)
        rows = csr_matrix(counts.multiply(self.idf[None, :]))
        return normalize(rows, copy=False)


def _log(values: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.log(values)


def make_vectorizers(
    *, word_terms: tuple[str, ...] | None = None, char_terms: tuple[str, ...] | None = None
) -> tuple[Any, Any]:
    """Make the two counters: single words and pairs, and groups of three and four letters."""
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(
        tokenizer=str.split,
        token_pattern=None,
        ngram_range=(1, 2),
        vocabulary=_numbered(word_terms),
        # What one example alone says is noise; its letters are still heard.
        min_df=2 if word_terms is None else 1,
        lowercase=False,
    )
    chars = CountVectorizer(
        analyzer="char_wb",
        ngram_range=(3, 4),
        vocabulary=_numbered(char_terms),
        min_df=2 if char_terms is None else 1,
        lowercase=False,
    )
    return words, chars


def _numbered(terms: tuple[str, ...] | None) -> dict[str, int] | None:
    return None if terms is None else {term: number for number, term in enumerate(terms)}


def save_artifact(artifact: Artifact, path: Path) -> str:
    """Write the arrays beside a checksum, first under another name, so that a reader never sees half a file.

    Returns the checksum.
    """
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {
        "format": FORMAT,
        "digest": artifact.digest,
        "labels": artifact.labels,
        "word_terms": artifact.word_terms,
        "char_terms": artifact.char_terms,
        "example_titles": artifact.example_titles,
        "taught": artifact.taught,
        "versions": artifact.versions,
    }
    partial = path.with_suffix(".part.npz")
    with partial.open("wb") as file:
        np.savez(
            file,
            texts=np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8),
            calibration=curve_arrays(artifact.calibration),
            **{name: getattr(artifact, name) for name in _ARRAYS},
        )
    checksum = hashlib.sha256(partial.read_bytes()).hexdigest()
    path.with_suffix(".sha256").write_text(checksum, encoding="ascii")
    partial.replace(path)
    return checksum


_ARRAYS = (
    "idf",
    "coefficients",
    "intercepts",
    "components",
    "example_points",
    "label_starts",
    "centroids",
    "prototypes",
    "prototype_starts",
)


def load_artifact(path: Path, *, digest: str, checksum: str = "") -> Artifact:
    """Read a model file: arrays and JSON only, nothing that runs.

    `checksum` is what the version's row says; the file beside the model must say so, too. Raises ArtifactError
    where a checksum, the format, the digest or a library's version is not the expected one; FileNotFoundError
    where there is none.
    """
    import numpy as np

    content = path.read_bytes()
    expected = path.with_suffix(".sha256").read_text(encoding="ascii").strip()
    found = hashlib.sha256(content).hexdigest()
    if checksum and expected != checksum:
        raise ArtifactError(
            f"The model file {path.name} is kept under checksum {checksum[:12]}, but says {expected[:12]}; train again."
        )
    if found != expected:
        raise ArtifactError(
            f"The model file {path.name} has checksum {found[:12]}, expected {expected[:12]}; train again."
        )
    with np.load(path, allow_pickle=False) as arrays:
        texts = json.loads(arrays["texts"].tobytes())
        if texts["format"] != FORMAT or texts["digest"] != digest:
            raise ArtifactError(
                f"The model file {path.name} holds format {texts['format']} of {texts['digest'][:12]}; "
                f"expected format {FORMAT} of {digest[:12]}. Train again."
            )
        if texts["versions"] != library_versions():
            raise ArtifactError(
                f"The model file {path.name} was made by {texts['versions']}; "
                f"here are {library_versions()}. Train again."
            )
        return Artifact(
            digest=digest,
            taught=texts["taught"],
            versions=texts["versions"],
            calibration=calibration_of(arrays["calibration"]),
            labels=tuple(texts["labels"]),
            word_terms=tuple(texts["word_terms"]),
            char_terms=tuple(texts["char_terms"]),
            example_titles=tuple(texts["example_titles"]),
            **{name: arrays[name] for name in _ARRAYS},
        )
