"""Stage 7: which labelled examples and factor descriptions lie nearest in meaning."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

    from categorization.artifact import Artifact

NAME = "semantic"
# How sharply a nearer neighbour is preferred.
SHARPNESS = 9.0


def semantic(artifact: "Artifact", features: "csr_matrix") -> tuple["np.ndarray", "np.ndarray"]:
    """Return likelihoods (rows × labels) and the nearest example's number a row."""
    import numpy as np

    points = np.asarray(features @ artifact.components.T, dtype=np.float32)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    points /= np.where(lengths > 0, lengths, 1)
    near = points @ artifact.example_points.T
    nearest = near.argmax(axis=1)
    # Examples are sorted by label, so each label owns one slice.
    best = np.maximum.reduceat(near, artifact.label_starts, axis=1)
    scores = SHARPNESS * (0.7 * best + 0.3 * (points @ artifact.centroids.T))
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores, nearest


def explain(label: str, probability: float, example: str) -> str:
    return f"{label} at {probability:.2f}; nearest example “{example}”."
