"""What a game has learned, in numbers: by its own discriminator, and by what a classifier sees in its images.

Every value is a mean over the trainings of a game, with an interval that covers other trainings.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from helpers import classifiers, metrics, outputs
from helpers.backend import keras
from helpers.datasets import ImageSet
from helpers.gans.games import Game
from helpers.gans.learning import Source, generate, judged

REAL = "real images"  # the row of what a second sample of real images would get
NEIGHBOURS = 3  # of metrics.precision_recall
SHARES = {"accuracy", "precision", "recall", "f1", "real_right", "fake_right", "missing", "confidence"}
SHARES |= {"agreement"}  # measures in [0, 1]


def evaluation(
    games: Mapping[str, Sequence[Game]], test: ImageSet, *, seed: int, published: str | None = None
) -> pd.DataFrame:
    """The discriminator on test images and as many generated ones, as Bagrodia evaluates it.

    published: a table of `data/published` with columns measure and published, for beside. Columns network,
    measure, value, low, high, images, trainings: loss (mean of the two cross-entropies), accuracy, precision,
    recall, f1 of "real", and real_right, fake_right, the shares of which it is right, in [0, 1].
    """
    found = {name: [_evaluated(game, test, seed) for game in several] for name, several in games.items()}
    table = _rows(found, 2 * len(test))
    if published is None:
        return table
    return table.merge(outputs.published(published), "left", on="measure")


def distances(
    sources: Mapping[str, Sequence[Source]],
    train: ImageSet,
    test: ImageSet,
    classifier: keras.Model,
    *,
    seed: int,
) -> pd.DataFrame:
    """How far generated images are from half of the test images, in the features of a classifier.

    classifier: ends with a dense layer, takes images of this size. Labels are those of that half. The first
    row, `REAL`, is the other half. Columns network, measure, value, low, high, images, trainings:

    - frechet, kernel: distances of the distributions, see `metrics`;
    - precision, recall: see `metrics.precision_recall`;
    - variety: variance of features within a class that the classifier sees, as a share of that of real ones;
    - missing: share of the classes that the classifier sees nowhere: above 0, look for what collapsed;
    - memory: median distance to the nearest training image, as a share of that of real ones: far below 1,
      images are learned by heart;
    - confidence: mean probability of the class that the classifier sees;
    - agreement: share for which that is the class that was asked for, of games with classes.
    """
    order = np.random.default_rng(seed).permutation(len(test))
    reference, others = (test.subset(np.sort(half)) for half in np.array_split(order, 2))
    judge = _Judge(classifier, train, reference)
    found = {REAL: [judge(others.images, others.labels)]}
    for name, several in sources.items():
        found[name] = [
            judge(
                generate(source, reference.labels, seed=seed),
                reference.labels if source.conditional else None,
            )
            for source in several
        ]
    return _rows(found, len(reference))


class _Judge:
    """A classifier with what it sees of real images."""

    def __init__(self, classifier: keras.Model, train: ImageSet, reference: ImageSet):
        self.classifier = classifier
        self.trained, self.real = (self._seen(part.images)[0] for part in (train, reference))
        self.labels = reference.labels
        self.inner = _within(self.real, self.labels)
        self.apart = np.median(metrics.nearest(self.real, self.trained)[0])

    def __call__(self, images: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        features, scores = self._seen(images)
        answers = scores.argmax(1)
        inner = _within(features, answers)
        shares = [inner.get(label, 0.0) / real for label, real in self.inner.items() if real > 0]
        precision, recall = metrics.precision_recall(self.real, features, neighbours=NEIGHBOURS)
        found = {
            "frechet": metrics.frechet_distance(features, self.real),
            "kernel": metrics.kernel_distance(features, self.real, seed=0)[0],
            "precision": precision,
            "recall": recall,
            "variety": float(np.mean(shares)),
            "missing": float(np.mean(~np.isin(np.unique(self.labels), answers))),
            "memory": float(np.median(metrics.nearest(features, self.trained)[0]) / self.apart),
            "confidence": float(scores.max(1).mean()),
        }
        return found if labels is None else found | {"agreement": float((answers == labels).mean())}

    def _seen(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, D) and probabilities (N, classes); a single channel stands for three equal ones."""
        if images.shape[-1] == 1:
            images = np.repeat(images, self.classifier.input_shape[-1], -1)
        seen = keras.Model(self.classifier.inputs, self.classifier.layers[-1].input)
        return classifiers.logits(seen, images), classifiers.probabilities(self.classifier, images)


def _within(features: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Sum of the variances of features (N, D) within each class of at least two images."""
    classes, counts = np.unique(labels, return_counts=True)
    return {int(label): float(features[labels == label].var(0).sum()) for label in classes[counts > 1]}


def _evaluated(game: Game, test: ImageSet, seed: int) -> dict[str, float]:
    fake = judged(game, generate(game, test.labels, seed=seed), test.labels)
    real = judged(game, test.images, test.labels)
    truth, said = np.repeat([True, False], len(test)), np.concatenate([real, fake]) > 0
    scores = precision_recall_fscore_support(truth, said, average="binary", zero_division=0)[:3]
    losses = [np.logaddexp(0, -real).mean(), np.logaddexp(0, fake).mean()]
    found = {"loss": np.mean(losses), "accuracy": (truth == said).mean()}
    found |= dict(zip(("precision", "recall", "f1"), scores, strict=True))
    return found | {"real_right": (real > 0).mean(), "fake_right": (fake <= 0).mean()}


def _rows(found: Mapping[str, Sequence[Mapping[str, float]]], images: int) -> pd.DataFrame:
    """One row a network and measure, over its trainings."""
    return pd.DataFrame(_each(found, images))


def _each(found: Mapping[str, Sequence[Mapping[str, float]]], images: int) -> Iterator[dict[str, object]]:
    for name, several in found.items():
        for measure in several[0]:
            values = np.array([values[measure] for values in several], float)
            reach = metrics.trainings_reach(values) if len(values) > 1 else np.nan
            mean = values.mean()
            row = {"network": name, "measure": measure, "value": mean}
            limits = (0, 1) if measure in SHARES else (-np.inf, np.inf)
            row |= dict(zip(("low", "high"), np.clip([mean - reach, mean + reach], *limits), strict=True))
            yield row | {"images": images, "trainings": len(values)}
