"""Which classes are hit, missed and confused, and how differently several networks err."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix


def per_class_report(labels: ArrayLike, predicted: ArrayLike, class_names: Sequence[str]) -> pd.DataFrame:
    """Precision, recall and F1 of every class: columns class, name, precision, recall, f1, images.

    labels, predicted: (N,) integers below len(class_names). A class never predicted has precision 0; a
    class without images has no recall (NaN), and without predictions too, neither precision nor F1.
    """
    return class_report(confusion(labels, predicted, len(class_names)), class_names)


def class_report(counts: ArrayLike, class_names: Sequence[str]) -> pd.DataFrame:
    """As `per_class_report`, from counts (K, K) of images or of their copies: true classes in rows."""
    counts, classes = np.asarray(counts), np.arange(len(class_names))
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"counts {counts.shape}: {len(classes)} class names need a row and a column each")
    right, images, found = np.diag(counts), counts.sum(1), counts.sum(0)
    precision = _ratio(right, found, empty=np.where(images > 0, 0, np.nan))
    scores = {"precision": precision, "recall": _ratio(right, images, empty=np.nan)}
    scores |= {"f1": _ratio(2 * right, images + found, empty=np.nan), "images": images}
    return pd.DataFrame({"class": classes, "name": class_names} | scores)


def _ratio(part: np.ndarray, whole: np.ndarray, empty: ArrayLike = 0.0) -> np.ndarray:
    """The quotient part / whole of two arrays of one shape; `empty` (a number or such an array) over 0."""
    return np.divide(part, whole, out=np.full(whole.shape, empty), where=whole != 0)


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
    """Counts (classes, classes): true classes in rows, predicted in columns."""
    return confusion_matrix(labels, predicted, labels=np.arange(classes))


def most_confused(
    labels: ArrayLike, predicted: ArrayLike, class_names: Sequence[str], count: int = 10
) -> pd.DataFrame:
    """The most frequent errors: columns true, predicted, images, share (of the true class)."""
    counts = confusion(labels, predicted, len(class_names))
    errors = counts - np.diag(np.diag(counts))
    worst = np.argsort(-errors, axis=None, kind="stable")[:count]
    true, wrong = np.unravel_index(worst, errors.shape)
    found, names = errors[true, wrong], np.asarray(class_names)
    share = _ratio(found, counts.sum(1)[true])
    table = pd.DataFrame({"true": names[true], "predicted": names[wrong], "images": found, "share": share})
    return table[table["images"] > 0]


def diversity(predicted: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """How differently M networks err, as means over pairs of them; predicted: (M, N), labels: (N,).

    disagreement (Skalak 1996, Ho 1998): share of images on which exactly one is right; double_fault (Giacinto
    and Roli 2001): on which both are wrong; q_statistic: Yule's, in [-1, 1], 0 if they err independently
    (Kuncheva and Whitaker 2003); same_wrong: share of double faults on one wrong class. NaN where undefined.
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.ndim != 2 or len(predicted) < 2:
        raise ValueError(f"predictions {predicted.shape}: diversity needs two networks or more, in rows")
    if predicted.shape[1:] != labels.shape or labels.size == 0:
        raise ValueError(f"predictions {predicted.shape} and labels {labels.shape} share no images")
    first, second = np.triu_indices(len(predicted), 1)
    right, other = (predicted == labels)[first], (predicted == labels)[second]
    both, neither = (right & other).sum(1), (~right & ~other).sum(1)
    one, two = (right & ~other).sum(1), (other & ~right).sum(1)
    same = (~right & (predicted[first] == predicted[second])).sum(1)
    pairs = {
        "disagreement": (one + two) / labels.size,
        "double_fault": neither / labels.size,
        "q_statistic": _ratio(both * neither - one * two, both * neither + one * two, empty=np.nan),
        "same_wrong": _ratio(same, neither, empty=np.nan),
    }
    return pd.DataFrame(pairs).mean().to_dict()
