"""Systems that recognise people, fitted on one fold: baselines, either layer alone, and both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from helpers import training
from helpers.backend import keras, tf
from helpers.recognition import general, signatures, stacks
from helpers.recognition.protocol import Fold, Trial

COMPONENTS = 50  # of the eigenfaces, at most
SIGNATURES = {
    "generated only": ("generated",),  # Abu-Samaha and Kim: a GAN of one's own
    "others only": ("others",),
    "signature": signatures.AGAINST,
}
# What each system measures. Turk and Pentland (1991) have eigenfaces; a one-class machine (Schölkopf et al.
# 2001) knows a person's own images alone, without a GAN.
SYSTEMS: dict[str, tuple[str, ...]] = {
    "eigenfaces": ("eigenfaces",),
    "one class": ("one class",),
    "embedding": ("embedding",),
    **{name: (name,) for name in SIGNATURES},
    "both layers": ("embedding", "signature"),
    "both, no GAN": ("embedding", "others only"),
}
NETWORKS = tuple(name for name, parts in SYSTEMS.items() if not set(parts) - {"embedding", *SIGNATURES})


@dataclass(frozen=True)
class Scale:
    """Measures of a probe and an entry to the log-odds that both are of one person, were each as likely."""

    slopes: tuple[float, ...]
    offset: float
    others: float  # mean log-odds of people held back and entries of others
    spread: float  # standard deviation of these
    strangers: float  # share of strangers that may be named

    def __call__(self, measures: Sequence[np.ndarray]) -> np.ndarray:
        """Log-odds of measures, one array each."""
        return sum(slope * values for slope, values in zip(self.slopes, measures, strict=True)) + self.offset

    def threshold(self, entries: int) -> float:
        """Log-odds below which nobody is named, by a stranger's chances against so many entries.

        As if log-odds against others were normal and independent: the quantile itself, of a few people held
        back, is a matter of two or three probes, and says nothing of larger galleries.
        """
        return self.others + self.spread * float(norm.ppf((1 - self.strangers) ** (1 / entries)))


def scaled(measures: Sequence[np.ndarray], shown: np.ndarray, strangers: float) -> Scale:
    """The scale of people held back: logistic regression, and what they are to entries of others.

    measures: (N, P) each; shown: (N,) whom each probe shows; strangers: share in [0, 1] of probes that are
    named although their own entry is away.
    """
    own = shown[:, None] == np.arange(measures[0].shape[1])
    rows = np.stack([values.ravel() for values in measures], 1)
    standard = StandardScaler().fit(rows)
    fitted = LogisticRegression(class_weight="balanced").fit(standard.transform(rows), own.ravel())
    slopes = fitted.coef_[0] / standard.scale_
    offset = float(fitted.intercept_[0] - slopes @ standard.mean_)
    others = (rows @ slopes + offset)[~own.ravel()]
    return Scale(tuple(slopes.tolist()), offset, float(others.mean()), float(others.std()), strangers)


def grade(log_odds: ArrayLike) -> np.ndarray:
    """From 1 to 10, as Abu-Samaha and Kim grade: 1 + 9 times the probability."""
    return 1 + 9 * expit(np.asarray(log_odds, float))


class Recogniser:
    """All systems, fitted on one fold with one seed: who is tested is enrolled in each."""

    def __init__(
        self,
        fold: Fold,
        *,
        general_recipe: training.Recipe,
        recipe: signatures.Recipe,
        seed: int,
        systems: Sequence[str] = tuple(SYSTEMS),
        strangers: float = 0.05,
    ):
        """general_recipe, recipe: of the layers; systems: of `SYSTEMS`; strangers: as in `scaled`.

        Raises ValueError for an unknown system, and as `general.fit` and `signatures.enrol` do.
        """
        _known(systems, SYSTEMS)
        self.fold, self.recipe, self.seed = fold, recipe, seed
        self.systems = {name: SYSTEMS[name] for name in systems}
        self.wanted = {measure for measures in self.systems.values() for measure in measures}
        self.general: keras.Model = general.fit(fold.public, general_recipe, seed=seed)
        self.held, self.tested = self._entries()
        measures = self.held(fold.held.probes)
        self.scales = {
            name: scaled([measures[part] for part in parts], fold.held.shown, strangers)
            for name, parts in self.systems.items()
        }

    def scores(self, probes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """By system, log-odds (N, P) of probes, those of the trial or changed ones, against who is tested."""
        return self._scaled(self.tested(self.fold.tested.probes if probes is None else probes), self.systems)

    def against_everybody(self, systems: Sequence[str]) -> dict[str, np.ndarray]:
        """As `scores`, by some of the systems, against `Fold.everybody`; ValueError for one it does not have.

        For those with signatures each of the public gets one too, told from the rest of the public.
        """
        _known(systems, self.systems)
        trial, wanted = self.fold.everybody(), {part for name in systems for part in self.systems[name]}
        several = {name: self._of_everybody(name, trial) for name in SIGNATURES if name in wanted}
        entries = _Entries(self.general, trial, self.tested.faces, several, wanted)
        return self._scaled(entries(trial.probes), systems)

    def _of_everybody(self, kind: str, trial: Trial) -> signatures.Signatures:
        public, recipe = self.fold.public, replace(self.recipe, against=SIGNATURES[kind])
        ours = [entries.signatures[kind] for entries in (self.tested, self.held)]
        theirs = [
            signatures.enrol([images], public.images[public.labels != label], recipe, seed=self.seed)
            for label, images in enumerate(trial.enrolled[sum(map(len, ours)) :])
        ]
        return _together([*ours, *theirs])

    def _scaled(self, measures: Mapping[str, np.ndarray], systems: Iterable[str]) -> dict[str, np.ndarray]:
        return {name: self.scales[name]([measures[part] for part in self.systems[name]]) for name in systems}

    def decision(self, system: str) -> keras.Model:
        """A classifier of images that says who it is: logits (N, 1 + P), the first that it is nobody.

        system: one of layers alone; ValueError for eigenfaces and one-class machines, which are no networks,
        and for one that it does not have.
        """
        _known([system], self.systems)
        parts = self.systems[system]
        if set(parts) - {"embedding", *SIGNATURES}:
            raise ValueError(f"{system} is no network: choose one of {', '.join(NETWORKS)}")
        images, scale = keras.Input(self.general.input_shape[1:]), self.scales[system]
        measures = [
            _Cosines(self.tested.features)(self.general(images))
            if part == "embedding"
            else _Logits(self.signatures[part].discriminators)(images)
            for part in parts
        ]
        odds = scale([*measures]) - scale.threshold(len(self.tested.features))
        return keras.Model(
            images, keras.layers.ZeroPadding1D((1, 0))(odds[..., None])[..., 0], name="decision"
        )

    @property
    def signatures(self) -> dict[str, signatures.Signatures]:
        """Signatures of who is tested, by what they were told from."""
        return self.tested.signatures

    def _entries(self) -> tuple["_Entries", "_Entries"]:
        """Of who is held back, and of who is tested; their signatures are trained together."""
        public, trials = self.fold.public.images, (self.fold.held, self.fold.tested)
        rows, first = _grey(public), len(self.fold.held.enrolled)
        faces = PCA(min(COMPONENTS, *rows.shape), whiten=True, random_state=0).fit(rows)
        people, parts = [*trials[0].enrolled, *trials[1].enrolled], (slice(0, first), slice(first, None))
        found = {
            name: signatures.enrol(people, public, replace(self.recipe, against=against), seed=self.seed)
            for name, against in SIGNATURES.items()
            if name in self.wanted
        }
        split = [{name: several.part(part) for name, several in found.items()} for part in parts]
        return tuple(
            _Entries(self.general, trial, faces, several, self.wanted)
            for trial, several in zip(trials, split, strict=True)
        )


class _Entries:
    """People enrolled for the measures wanted. Called, it takes these of images (N, H, W, C): (N, P) each."""

    def __init__(
        self,
        model: keras.Model,
        trial: Trial,
        faces: PCA,
        several: dict[str, signatures.Signatures],
        wanted: set[str],
    ):
        self.model, self.faces, self.signatures = model, faces, several
        self.features = [general.embed(model, images) for images in trial.enrolled]
        self.projected = [self._project(images) for images in trial.enrolled if "eigenfaces" in wanted]
        self.machines = [OneClassSVM().fit(features) for features in self.features if "one class" in wanted]

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        features = general.embed(self.model, images)
        found = {"embedding": general.similarity(features, self.features)}
        if self.machines:
            columns = [machine.decision_function(features) for machine in self.machines]
            found["one class"] = np.stack(columns, 1)
        if self.projected:
            found["eigenfaces"] = general.similarity(self._project(images), self.projected)
        return found | {name: several.logits(images) for name, several in self.signatures.items()}

    def _project(self, images: np.ndarray) -> np.ndarray:
        return general.unit(self.faces.transform(_grey(images)))


class _Cosines(keras.layers.Layer):
    """`general.similarity` of features (N, D) that have any norm."""

    def __init__(self, entries: Sequence[np.ndarray]):
        super().__init__(trainable=False)
        self.rows = tf.constant(np.concatenate(entries).T)
        self.whose = tf.constant(np.repeat(np.arange(len(entries)), [len(images) for images in entries]))
        self.count = len(entries)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        cosines = tf.math.l2_normalize(features, 1) @ self.rows
        found = tf.transpose(tf.math.segment_max(tf.transpose(cosines), self.whose))
        return tf.ensure_shape(found, (None, self.count))

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], self.count)


class _Logits(keras.layers.Layer):
    """`Signatures.logits` of images (N, H, W, C)."""

    def __init__(self, discriminators: Sequence[np.ndarray]):
        super().__init__(trainable=False)
        self.weights_of_all = [tf.constant(values) for values in discriminators]

    def call(self, images: tf.Tensor) -> tf.Tensor:
        several = tf.repeat(images[None], self.weights_of_all[0].shape[0], 0)
        return tf.transpose(stacks.discriminate(self.weights_of_all, several))

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], self.weights_of_all[0].shape[0])


def _together(several: Sequence[signatures.Signatures]) -> signatures.Signatures:
    """One after the other."""
    kinds = [
        [np.concatenate(values) for values in zip(*(getattr(each, kind) for each in several), strict=True)]
        for kind in ("discriminators", "generators")
    ]
    return signatures.Signatures(*kinds, several[0].shape)


def _known(systems: Iterable[str], known: Iterable[str]) -> None:
    if unknown := set(systems) - set(known):
        raise ValueError(f"unknown system {min(unknown)!r}: choose some of {', '.join(known)}")


def _grey(images: np.ndarray) -> np.ndarray:
    """Rows of grey levels: (N, H, W, C) to (N, H W)."""
    return np.asarray(images, np.float32).mean(-1).reshape(len(images), -1)
