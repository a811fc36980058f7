"""What a game has learned, in numbers: by its own discriminator, and by what a classifier sees in its images.

Every value is a mean over the trainings of a game, with an interval that covers other trainings: each has
latents, and where test images are halved, halves of its own. Other test images it does not cover.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from helpers import classifiers, metrics, outputs, training
from helpers.backend import keras, tf
from helpers.datasets import ImageSet, split_by_group
from helpers.gans.games import Game
from helpers.gans.learning import Source, generate, scores

REAL = "real images"  # the row of what a second sample of real images would get
NOISY = "noisy images"  # of images as restorers are given them
WON = 0.98  # share of pairs from which the game is over
GROWN = 3.0  # times the least loss from which it has diverged
NEIGHBOURS = 3  # of metrics.precision_recall
UNBOUNDED = {"loss", "frechet", "kernel", "variety", "memorisation", "psnr"}  # others are 1 at most
SIGNED = {"kernel"}  # others are 0 at least


def evaluation(
    games: Mapping[str, Sequence[Game]], test: ImageSet, *, seed: int, published: str | None = None
) -> pd.DataFrame:
    """The discriminator on test images and as many generated ones, as Bagrodia evaluates it.

    published: a table of `data/published` with columns measure and published, for beside. Columns network,
    measure, value, low, high, images, trainings: loss (mean of the two cross-entropies), accuracy, precision,
    recall, f1 of "real", and real_right, fake_right, the shares of which it is right, in [0, 1].
    """
    rows = []
    for name, several in games.items():
        found = [_evaluated(*scores(game, test, seed=seed + k)) for k, game in enumerate(several)]
        for measure in found[0]:
            values = [values[measure] for values in found]
            row = {"network": name, "measure": measure} | _interval("value", values, measure)
            rows.append(row | {"images": 2 * len(test), "trainings": len(values)})
    table = pd.DataFrame(rows)
    return table if published is None else table.merge(outputs.published(published), "left", on="measure")


def balance(games: Mapping[str, Sequence[training.Trained]]) -> pd.DataFrame:
    """What the curves of each training of a game say: is one player winning, or do losses run away?

    Of its last quarter; columns network, training, pairs_right (how often the discriminator orders a
    validation image, on which it has not learned, and a generated one), growth (the generator's loss over
    that of its best quarter; NaN where one is below zero), alarm (from `WON` on "discriminator wins", from
    `GROWN` on "loss grows"; else empty).
    """
    rows = []
    for name, several in games.items():
        for number, history in enumerate((trained.history for trained in several), 1):
            parts = np.array_split(history["generator_loss"].to_numpy(), min(4, len(history)))
            losses = [part.mean() for part in parts]
            right = history["val_pairs_right"].iloc[-len(parts[-1]) :].mean()
            growth = losses[-1] / min(losses) if min(losses) > 0 else np.nan
            said = {"discriminator wins": right >= WON, "loss grows": growth >= GROWN}
            alarm = ", ".join(text for text, true in said.items() if true)
            row = {"network": name, "training": number, "pairs_right": right, "growth": growth}
            rows.append(row | {"alarm": alarm})
    return pd.DataFrame(rows)


def distances(
    sources: Mapping[str, Sequence[Source]],
    train: ImageSet,
    test: ImageSet,
    classifier: keras.Model,
    *,
    seed: int,
) -> pd.DataFrame:
    """How far generated images are from half of the test images, in the features of a classifier.

    classifier: ends with a dense layer, takes images of this size. Halves keep tracks whole and have as many
    images of each class; training k is compared with a half of its own, by as many images of the labels
    there. The first row, `REAL`, is of the other halves. One row a network; columns network, the measures,
    each with its ends <measure>_low and _high (NaN for a single training), images, their classes, trainings.
    Measures:

    - frechet, kernel: distances of the distributions, see `metrics`;
    - precision, recall: see `metrics.precision_recall`; neighbours of test images are of other tracks;
    - variety: variance of features within a class, as a share of that of real images; classes are what the
      classifier sees in both, at least twice;
    - missing: share of the classes that the classifier sees in real images and not in these;
    - memorisation: median distance to the nearest training image, as a share of that of real ones. Copies are
      far below 1; so are, less so, images that are merely typical;
    - confidence: mean probability of the class that the classifier sees;
    - agreement: share for which that is the class that was asked for, of sources with classes.
    """
    judges = _judges(sources, train, test, classifier, seed)
    found = {REAL: [judge.of_others() for judge in judges]}
    for name, several in sources.items():
        found[name] = []
        for number, (judge, source) in enumerate(zip(judges, several, strict=False)):
            images = generate(source, judge.labels, seed=seed + number)
            found[name].append(judge(images, judge.labels if source.conditional else None))
    return _table(found, judges)


def perception(
    restorers: Mapping[str, Sequence[keras.Model]],
    noise: Callable[..., tf.Tensor],
    train: ImageSet,
    test: ImageSet,
    classifier: keras.Model,
    *,
    seed: int,
) -> pd.DataFrame:
    """How near noisy and restored images are to clean ones that they were not made of, as in `distances`.

    A restorer that blurs has a good PSNR and makes images that no sign looks like (Blau and Michaeli 2018).
    noise: as in `restoration.compare`. The rows are `REAL`, `NOISY` and each name's; agreement is with the
    labels; psnr (dB) and ssim are means over the images, with the clean ones that they were made of.
    """
    judges = _judges(restorers, train, test, classifier, seed)
    found = {REAL: [judge.of_others() for judge in judges]}
    noisy = [np.asarray(noise(judge.others.images, seed=seed + k)) for k, judge in enumerate(judges)]
    made = {NOISY: noisy}
    for name, several in restorers.items():
        made[name] = [classifiers.logits(*pair) for pair in zip(several, noisy, strict=False)]
    for name, several in made.items():
        pairs = zip(judges, several, strict=False)
        found[name] = [_restored(judge, np.rint(np.clip(images, 0, 255))) for judge, images in pairs]
    return _table(found, judges)


def _restored(judge: "_Judge", images: np.ndarray) -> dict[str, float]:
    clean = judge.others.images.astype(np.float32)
    near = {"psnr": metrics.psnr(clean, images).mean(), "ssim": metrics.ssim(clean, images).mean()}
    return near | judge(images, judge.others.labels, judge.others.groups)


def _judges(
    several: Mapping[str, Sequence], train: ImageSet, test: ImageSet, classifier: keras.Model, seed: int
) -> list["_Judge"]:
    """One for each training."""
    repeats = max(map(len, several.values()))
    return [_Judge(classifier, train, test, seed + number) for number in range(repeats)]


def _table(found: Mapping[str, Sequence[Mapping[str, float]]], judges: Sequence["_Judge"]) -> pd.DataFrame:
    rows = []
    for name, several in found.items():
        row = {"network": name}
        for measure in several[0]:
            row |= _interval(measure, [values[measure] for values in several], measure)
        of_half = {"images": len(judges[0].labels), "classes": len(np.unique(judges[0].labels))}
        rows.append(row | of_half | {"trainings": len(several)})
    return pd.DataFrame(rows)


class _Judge:
    """A classifier with what it sees of training images and of one half of the test images."""

    def __init__(self, classifier: keras.Model, train: ImageSet, test: ImageSet, seed: int):
        reference, self.others = _halves(test, seed)
        self.labels, self.groups = reference.labels, reference.groups
        self.channels = classifier.input_shape[-1]
        self.seen = keras.Model(classifier.inputs, classifier.layers[-1].input)
        self.output = classifier.layers[-1]
        (self.trained, _), (self.real, scored) = (self._seen(part.images) for part in (train, reference))
        self.inner = _within(self.real, scored.argmax(1))
        self.apart = np.median(metrics.nearest(self.real, self.trained)[0])

    def of_others(self) -> dict[str, float]:
        """What the other half of the test images gets."""
        return self(self.others.images, self.others.labels, self.others.groups)

    def __call__(
        self, images: np.ndarray, labels: np.ndarray | None, groups: np.ndarray | None = None
    ) -> dict[str, float]:
        """labels: asked for, None where none are; groups: of images of tracks."""
        features, scored = self._seen(images)
        answers = scored.argmax(1)
        inner = _within(features, answers)
        shares = [inner[label] / real for label, real in self.inner.items() if label in inner and real > 0]
        tracks = {"groups": self.groups, "generated_groups": groups}
        precision, recall = metrics.precision_recall(self.real, features, neighbours=NEIGHBOURS, **tracks)
        found = {
            "frechet": metrics.frechet_distance(features, self.real),
            "kernel": metrics.kernel_distance(features, self.real, seed=0)[0],
            "precision": precision,
            "recall": recall,
            "variety": float(np.mean(shares)) if shares else np.nan,
            "missing": float(np.mean([label not in answers for label in self.inner])),
            "memorisation": float(np.median(metrics.nearest(features, self.trained)[0]) / self.apart),
            "confidence": float(scored.max(1).mean()),
        }
        return found if labels is None else found | {"agreement": float((answers == labels).mean())}

    def _seen(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, D) and probabilities (N, classes); a single channel stands for three equal ones."""
        if images.shape[-1] == 1:
            images = np.repeat(images, self.channels, -1)
        features = classifiers.logits(self.seen, images)
        return features, keras.ops.convert_to_numpy(keras.ops.softmax(self.output(features)))


def _halves(test: ImageSet, seed: int) -> list[ImageSet]:
    """Two parts of other tracks and as many images of each class; a class of one track is in neither."""
    parts = split_by_group(test.labels, test.groups, 0.5, seed)
    chosen = [[], []]
    for label in np.unique(test.labels):
        members = [part[test.labels[part] == label] for part in parts]
        count = min(map(len, members))
        for list_, part in zip(chosen, members, strict=True):
            list_.append(part[np.linspace(0, len(part) - 1, count).astype(int)])
    halves = [np.sort(np.concatenate(part)) for part in chosen]
    if not len(halves[0]):
        raise ValueError(f"{len(test)} test images have no class of two tracks to halve: take more")
    return [test.subset(half) for half in halves]


def _within(features: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Sum of the variances of features (N, D) within each class of at least two images."""
    classes, counts = np.unique(labels, return_counts=True)
    return {int(k): float(features[labels == k].var(0, ddof=1).sum()) for k in classes[counts > 1]}


def _evaluated(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    truth, said = np.repeat([True, False], [len(real), len(fake)]), np.concatenate([real, fake]) > 0
    scored = precision_recall_fscore_support(truth, said, average="binary", zero_division=0)[:3]
    losses = [np.logaddexp(0, -real).mean(), np.logaddexp(0, fake).mean()]
    found = {"loss": np.mean(losses), "accuracy": (truth == said).mean()}
    found |= dict(zip(("precision", "recall", "f1"), scored, strict=True))
    return found | {"real_right": (real > 0).mean(), "fake_right": (fake <= 0).mean()}


def _interval(name: str, values: Sequence[float], measure: str) -> dict[str, float]:
    """The mean over trainings, and its ends: NaN where there is one alone."""
    values = np.array(values, float)
    mean, reach = values.mean(), metrics.trainings_reach(values) if len(values) > 1 else np.nan
    least, most = -np.inf if measure in SIGNED else 0, np.inf if measure in UNBOUNDED else 1
    low, high = np.clip([mean - reach, mean + reach], least, most)
    before = "" if name == "value" else f"{name}_"
    return {name: mean, f"{before}low": low, f"{before}high": high}
