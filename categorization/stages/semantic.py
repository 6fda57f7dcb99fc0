"""Stage 7: which labelled examples and factor descriptions lie nearest in meaning."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

    from categorization.artifact import Artifact

NAME = "semantic"
# How sharply a nearer neighbour is preferred.
SHARPNESS = 9.0
# Sums in another order differ in their last digits; rounded, a market reads the same alone and among thousands.
DIGITS = 6


def semantic(artifact: "Artifact", features: "csr_matrix") -> tuple["np.ndarray", "np.ndarray"]:
    """Return likelihoods (rows × labels) and each row's place among the meanings."""
    import numpy as np

    points = np.asarray(features @ artifact.components.T, dtype=np.float64)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    points /= np.where(lengths > 0, lengths, 1)
    near = points @ artifact.prototypes.T
    # Prototypes are sorted by label, so each label owns one slice.
    best = np.maximum.reduceat(near, artifact.prototype_starts, axis=1)
    scores = np.round(SHARPNESS * (0.7 * best + 0.3 * (points @ artifact.centroids.T)), DIGITS)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores, points


def nearest_examples(artifact: "Artifact", points: "np.ndarray", labels: "np.ndarray") -> "np.ndarray":
    """Return, for each row, the number of the nearest example of its label."""
    import numpy as np

    nearest = np.zeros(len(points), dtype=np.int64)
    ends = [*artifact.label_starts.tolist()[1:], len(artifact.example_points)]
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        start = int(artifact.label_starts[label])
        near = points[rows] @ artifact.example_points[start : ends[label]].T
        nearest[rows] = start + np.round(near, DIGITS).argmax(axis=1)
    return nearest


def explain(label: str, probability: float, example: str) -> str:
    return f"{label} at {probability:.2f}; nearest example “{example}”."
