"""Stage 6: what a linear model over words and letter groups thinks, trained on our examples."""

from typing import TYPE_CHECKING

from categorization.stages.normalize import Text

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

    from categorization.artifact import Artifact

NAME = "lexical"


def model_text(text: Text) -> str:
    """Write a market as the models read it: its words, and its names by kind, so that an unknown name still counts."""
    kinds = " ".join(f"kind_{tag}" + ("_2" if len(names) > 1 else "") for tag, names in sorted(text.tags.items()))
    return " ".join(word for word in text.words if word != "|") + " " + kinds


def lexical(artifact: "Artifact", features: "csr_matrix") -> "np.ndarray":
    """Return a probability a row and label (rows × labels, float32)."""
    import numpy as np

    scores = np.asarray(features @ artifact.coefficients.T + artifact.intercepts, dtype=np.float32)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def explain(label: str, probability: float, runner_up: str) -> str:
    return f"{label} at {probability:.2f}, then {runner_up}."
