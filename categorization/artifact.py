"""The trained models as plain arrays in one file: nothing in it is ever executed."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

FORMAT = 1


class ArtifactError(ValueError):
    """A model file is damaged, of another format, or of another version than asked for."""


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


def save_artifact(artifact: Artifact, path: Path) -> None:
    """Write the arrays beside a checksum, first under another name, so that a reader never sees half a file."""
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {
        "format": FORMAT,
        "digest": artifact.digest,
        "labels": artifact.labels,
        "word_terms": artifact.word_terms,
        "char_terms": artifact.char_terms,
        "example_titles": artifact.example_titles,
    }
    partial = path.with_suffix(".part.npz")
    with partial.open("wb") as file:
        np.savez(
            file,
            texts=np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8),
            **{name: getattr(artifact, name) for name in _ARRAYS},
        )
    checksum = hashlib.sha256(partial.read_bytes()).hexdigest()
    path.with_suffix(".sha256").write_text(checksum, encoding="ascii")
    partial.replace(path)


_ARRAYS = ("idf", "coefficients", "intercepts", "components", "example_points", "label_starts", "centroids")


def load_artifact(path: Path, *, digest: str) -> Artifact:
    """Read a model file.

    Raises ArtifactError where the checksum, the format or the digest is not the expected one;
    FileNotFoundError where there is none.
    """
    import numpy as np

    content = path.read_bytes()
    expected = path.with_suffix(".sha256").read_text(encoding="ascii").strip()
    found = hashlib.sha256(content).hexdigest()
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
        return Artifact(
            digest=digest,
            labels=tuple(texts["labels"]),
            word_terms=tuple(texts["word_terms"]),
            char_terms=tuple(texts["char_terms"]),
            example_titles=tuple(texts["example_titles"]),
            **{name: arrays[name] for name in _ARRAYS},
        )
