"""What a classifier sees in images that were made, beside real ones: how near, how varied, how sure.

Every value is a mean over the trainings of what made them, with an interval that covers other trainings: each
has latents and a half of the test images of its own. Other test images it does not cover.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from helpers import classifiers, metrics
from helpers.backend import keras, tf
from helpers.datasets import ImageSet, split_by_group
from helpers.gans.learning import Source, generate

REAL = "real images"  # the row of what a second sample of real images would get
RANDOM = "random pixels"  # the row of what is no image at all
NOISY = "noisy images"  # of images as restorers are given them
COLLAPSED = 0.1  # of the variance of real images: a class with less of it has collapsed
CLOSEST = 0.01  # share of real images that are as near to a training image as a copy is said to be
SURE = 0.9  # probability
UNBOUNDED = {"frechet", "kernel", "density", "variety", "psnr"}  # others are 1 at most
SIGNED = {"kernel"}  # others are 0 at least


class Judge:
    """A classifier with what it sees of training images, and of a half of the test images for each training.

    Halves keep tracks whole and have as many images of each class; a class of one track is in neither.
    """

    def __init__(self, classifier: keras.Model, train: ImageSet, test: ImageSet, *, seeds: Sequence[int]):
        """classifier: ends with a dense layer, takes images of this size; seeds: one a training.

        ValueError where no class of the test images has two tracks.
        """
        self.channels, self.output = classifier.input_shape[-1], classifier.layers[-1]
        self.features = keras.Model(classifier.inputs, self.output.input)
        self.trained, _ = self.seen(train.images)
        self.halves = [_Half(self, *_halves(test, seed), seed) for seed in seeds]

    def seen(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, D) and probabilities (N, classes); a single channel stands for three equal ones."""
        if images.shape[-1] == 1:
            images = np.repeat(images, self.channels, -1)
        features = classifiers.logits(self.features, images)
        return features, keras.ops.convert_to_numpy(keras.ops.softmax(self.output(features)))

    def distances(self, sources: Mapping[str, Sequence[Source]]) -> pd.DataFrame:
        """How far generated images are from half of the test images, in the features of the classifier.

        Training k is compared with the k-th half, by as many images of the labels there. The first row,
        `REAL`, is of the other halves, the second, `RANDOM`, of pixels at random. One row a network; columns
        network, the measures, each with its ends <measure>_low and _high (NaN for a single training), images,
        their classes, trainings. Measures:

        - frechet, kernel: distances of the distributions, see `metrics`;
        - precision, recall, density, coverage: see `metrics`; neighbours of test images are of other tracks;
        - variety: variance of features within a class, over that of real images, mean over the classes: those
          asked for, of sources with classes, else those that the classifier sees;
        - collapsed: share of these classes with less than `COLLAPSED` of it, or hardly an image;
        - memorisation: share nearer to a training image than all but `CLOSEST` of the real ones are;
        - confidence, sure: mean probability of the class that the classifier sees, and share with `SURE`;
        - agreement: share for which that is the class that was asked for, of sources with classes.
        """
        found = dict(self._controls)
        for name, several in sources.items():
            found[name] = []
            for half, source in zip(self.halves, several, strict=False):
                images = generate(source, half.labels, seed=half.seed)
                found[name].append(half(images, half.labels if source.conditional else None))
        return self._table(found)

    def perception(
        self, restorers: Mapping[str, Sequence[keras.Model]], noise: Callable[..., tf.Tensor], *, seed: int
    ) -> pd.DataFrame:
        """How near noisy and restored images are to clean ones that they were not made of, as in `distances`.

        A restorer that blurs has a good PSNR and makes images that no sign looks like (Blau and Michaeli
        2018). noise, seed: as in `restoration.compare`, half k by seed + k. The rows are `REAL`, `NOISY` and
        each name's; agreement is with the labels; psnr (dB) and ssim are means over the images, with the
        clean ones that they were made of.
        """
        found = {REAL: self._controls[REAL]}
        noisy = [np.asarray(noise(half.others.images, seed=seed + k)) for k, half in enumerate(self.halves)]
        made = {NOISY: noisy}
        for name, several in restorers.items():
            made[name] = [classifiers.logits(*pair) for pair in zip(several, noisy, strict=False)]
        for name, several in made.items():
            pairs = zip(self.halves, several, strict=False)
            found[name] = [half.of_restored(np.rint(np.clip(images, 0, 255))) for half, images in pairs]
        return self._table(found)

    @cached_property
    def _controls(self) -> dict[str, list[dict[str, float]]]:
        return {
            REAL: [half.of_others() for half in self.halves],
            RANDOM: [half.of_random() for half in self.halves],
        }

    def _table(self, found: Mapping[str, Sequence[Mapping[str, float]]]) -> pd.DataFrame:
        rows, labels = [], self.halves[0].labels
        for name, several in found.items():
            row = {"network": name}
            for measure in several[0]:
                bounds = -np.inf if measure in SIGNED else 0, np.inf if measure in UNBOUNDED else 1
                ends = metrics.trainings_interval([values[measure] for values in several], *bounds)
                row |= dict(zip((measure, f"{measure}_low", f"{measure}_high"), ends, strict=True))
            of_half = {"images": len(labels), "classes": len(np.unique(labels))}
            rows.append(row | of_half | {"trainings": len(several)})
        return pd.DataFrame(rows)


class _Half:
    """One half of the test images, as the judge sees it. Called, it compares other images with it."""

    def __init__(self, judge: Judge, reference: ImageSet, others: ImageSet, seed: int):
        self.judge, self.others, self.seed = judge, others, seed
        self.labels, self.groups = reference.labels, reference.groups
        self.real, scored = judge.seen(reference.images)
        self.inner = {
            True: _within(self.real, self.labels),  # by whether a class is asked for
            False: _within(self.real, scored.argmax(1)),
        }
        self.closest = np.quantile(metrics.nearest(self.real, judge.trained)[0], CLOSEST)

    def of_others(self) -> dict[str, float]:
        """What the other half gets."""
        return self(self.others.images, self.others.labels, self.others.groups)

    def of_random(self) -> dict[str, float]:
        """What pixels get that are drawn evenly from all grey levels."""
        shape = self.others.images.shape
        return self(np.random.default_rng(self.seed).integers(0, 256, shape, np.uint8), None)

    def of_restored(self, images: np.ndarray) -> dict[str, float]:
        """What images made of the other half get, and how near they are to it."""
        clean = self.others.images.astype(np.float32)
        near = {"psnr": metrics.psnr(clean, images).mean(), "ssim": metrics.ssim(clean, images).mean()}
        return near | self(images, self.others.labels, self.others.groups)

    def __call__(
        self, images: np.ndarray, labels: np.ndarray | None, groups: np.ndarray | None = None
    ) -> dict[str, float]:
        """labels: asked for, None where none are; groups: of images of tracks."""
        features, scored = self.judge.seen(images)
        answers = scored.argmax(1)
        real, asked = self.inner[labels is not None], answers if labels is None else labels
        inner = _within(features, asked)
        shares = np.array([inner.get(label, 0.0) / variance for label, variance in real.items() if variance])
        precision, recall = metrics.precision_recall(
            self.real, features, groups=self.groups, generated_groups=groups
        )
        density, coverage = metrics.density_coverage(self.real, features, groups=self.groups)
        nearest = metrics.nearest(features, self.judge.trained)[0]
        found = {
            "frechet": metrics.frechet_distance(features, self.real),
            "kernel": metrics.kernel_distance(features, self.real, seed=0)[0],
            "precision": precision,
            "recall": recall,
            "density": density,
            "coverage": coverage,
            "variety": float(shares.mean()) if len(shares) else np.nan,
            "collapsed": float((shares < COLLAPSED).mean()) if len(shares) else np.nan,
            "memorisation": float((nearest < self.closest).mean()),
            "confidence": float(scored.max(1).mean()),
            "sure": float((scored.max(1) >= SURE).mean()),
        }
        return found if labels is None else found | {"agreement": float((answers == labels).mean())}


def _halves(test: ImageSet, seed: int) -> list[ImageSet]:
    """Two parts of other tracks and as many images of each class."""
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
