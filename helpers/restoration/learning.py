"""How restorers are trained: degraded patches in, clean ones out (restoration, equation 3, section 4.1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from helpers import noise, outputs, training
from helpers.backend import keras, tf
from helpers.datasets import ImageSet, Splits
from helpers.restoration.networks import fuse, margin, unpadded

ops = keras.ops


@dataclass(frozen=True)
class Recipe:
    """How a restorer is trained. The defaults are this project's own recipe."""

    epochs: int = 20
    learning_rate: float = 0.002  # peak of the cosine schedule, or the first rate
    optimizer: str = "adam"  # adam, with a cosine schedule | momentum, as in section 4.1
    batch_size: int = 8  # images of a batch, each in so many
    versions: int = 1  # degraded versions; M of equation 3
    patch: int | None = None  # side in pixels of what is cut from the images; None: whole images
    sigma: float = 40.0  # largest standard deviation of the noise, in grey levels
    densities: tuple[noise.Density, ...] = noise.DENSITIES
    # Largest norm of a gradient (most are 5 to 50), or None. GTSRB, 8,600 patches, one training: 27.4 dB at
    # sigma 40 and 44.1 at sigma 1 for `compact`; without, at the better of two rates, 26.5 and 42.8.
    clipnorm: float | None = 5.0
    precision: str = "float32"  # of the arithmetic: a choice of classifiers.PRECISIONS

    def __post_init__(self) -> None:
        """Refuse unknown optimizers and numbers out of range by name."""
        if self.optimizer not in ("adam", "momentum"):
            raise ValueError(f"unknown optimizer {self.optimizer!r}: choose adam or momentum")
        for name in ("epochs", "batch_size", "versions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if self.clipnorm is not None and not self.clipnorm > 0:
            raise ValueError(f"clipnorm is {self.clipnorm}: it must be above 0, or None for no limit")


# Section 4.1: 100,000 iterations, which for GTSRB's 35,000 images are 143 epochs. M is not printed.
PAPER = Recipe(epochs=143, optimizer="momentum", learning_rate=0.001, batch_size=50, clipnorm=None)
RECIPES = {"ours": Recipe(), "paper": PAPER}


def recipe_named(name: str = "ours", **options: object) -> Recipe:
    """One of `RECIPES` with some options changed. Raises ValueError for another name."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}: choose one of {', '.join(RECIPES)}")
    return replace(RECIPES[name], **options)


class Restoration:
    """Degraded images to clean ones without their border, by a `Recipe`."""

    def __init__(self, border: int):
        """border: pixels that the network takes from each side, `margin`."""
        self.border = border

    def batches(self, train: ImageSet, recipe: Recipe, *, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
        """Degraded patches (float32 in [0, 255]) and the clean ones, cut to what the network returns."""
        images = tf.constant(train.images)

        def batch(indices: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            chosen = tf.repeat(tf.gather(images, indices), recipe.versions, 0)
            if recipe.patch:
                shape = (tf.shape(chosen)[0], recipe.patch, recipe.patch, images.shape[-1])
                chosen = tf.image.stateless_random_crop(chosen, shape, key)
            return self._pair(chosen, recipe, tf.bitcast(key, tf.int64))

        order = partial(training.shuffled, len(train))
        return training.drawn(
            order, batch, recipe.batch_size, recipe.epochs, seed=seed, first_epoch=first_epoch
        )

    def validation_batches(self, validation: ImageSet, recipe: Recipe) -> tf.data.Dataset:
        """Batches of 64 whole images, degraded alike after every epoch."""
        pairs = tf.data.Dataset.from_tensor_slices(validation.images).batch(64).enumerate()
        return training.untuned(pairs.map(lambda number, images: self._pair(images, recipe, number)))

    def compiled_with(self, recipe: Recipe, steps: int) -> dict[str, object]:
        """Half the squared error of an image, summed as Caffe does; Adam or `Momentum`; PSNR."""
        clip = {"global_clipnorm": recipe.clipnorm}
        if recipe.optimizer == "momentum":
            # Section 4.1: annealed with every iteration; the last convolution learns at a tenth of the rate.
            rate = keras.optimizers.schedules.ExponentialDecay(recipe.learning_rate, 1, 0.99996)
            optimizer = Momentum(rate, penalty=1e-6, last=0.1, momentum=0.9, **clip)
        else:
            rate = training.cosine(recipe.learning_rate, recipe.epochs, steps)
            optimizer = training.FusedAdam(rate, **clip)
        return {"loss": squared_error, "optimizer": optimizer, "metrics": [psnr]}

    def alike(self, recipe: Recipe) -> object:
        """All of it: patches decide the shapes that are compiled."""
        return recipe, self.border

    def _pair(self, clean: tf.Tensor, recipe: Recipe, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        height, width = tf.unstack(tf.shape(clean)[1:3])
        inner = clean[:, self.border : height - self.border, self.border : width - self.border]
        degraded = noise.degradation(clean, recipe.sigma, seed=seed, densities=recipe.densities)
        return degraded, tf.cast(inner, tf.float32)


@keras.saving.register_keras_serializable("helpers")
class Momentum(keras.optimizers.SGD):
    """Gradient descent with momentum, a penalty on the squares of all weights, and a slower last layer."""

    def __init__(self, learning_rate: object = 0.001, penalty: float = 0.0, last: float = 1.0, **options):
        """penalty: lambda of equation 3 (its loss is halved); last: factor on the last layer's rate."""
        super().__init__(learning_rate, **options)
        self.penalty, self.last = penalty, last

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """One step of one variable."""
        ours = self._get_variable_index(variable) >= len(self._trainable_variables) - 2
        gradient = gradient + self.penalty * variable
        super().update_step(gradient, variable, learning_rate * (self.last if ours else 1.0))

    def get_config(self) -> dict[str, object]:
        """What Keras stores to build the optimizer anew."""
        return {**super().get_config(), "penalty": self.penalty, "last": self.last}


@keras.saving.register_keras_serializable("helpers")
def squared_error(clean: tf.Tensor, restored: tf.Tensor) -> tf.Tensor:
    """Half the squared distance of images in units of 255, summed over all values: Caffe's, (N,)."""
    return ops.sum(ops.square((restored - clean) / 255), (1, 2, 3)) / 2


@keras.saving.register_keras_serializable("helpers")
def psnr(clean: tf.Tensor, restored: tf.Tensor) -> tf.Tensor:
    """PSNR of each image in dB, (N,), at most 100: equation 4, with a mean over channels too."""
    error = ops.mean(ops.square(ops.clip(restored, 0, 255) - clean), (1, 2, 3))
    return 10 * ops.log10(255**2 / ops.maximum(error, 255**2 / 1e10))


def fit_all(
    builds: Mapping[str, Callable[[], keras.Model]],
    recipe: Recipe,
    splits: Splits,
    *,
    seeds: Sequence[int],
    path: Callable[[str], Path] | None = None,
) -> training.Trainings:
    """Train every restorer with every seed, unpadded; what comes back is padded and serves any image size.

    builds: functions that return untrained restorers, by name; others and errors as in `training.fit_all`.
    """
    found = training.Trainings()
    for name, build in builds.items():
        task = Restoration(margin(build()))
        twins = training.fit_all(partial(_twin, build), {name: recipe}, splits, seeds=seeds, task=task)
        found[name] = [each._replace(model=_from_twin(build, each.model)) for each in twins[name]]
        for number, each in enumerate(found[name] if path else ()):
            with outputs.atomic(path(f"{name}_{number}")) as partial_file:
                each.model.save(partial_file)
    return found


def fine_tune(
    trained: Sequence[keras.Model],
    recipe: training.Recipe,
    splits: Splits,
    *,
    seeds: Sequence[int],
    restorers: Sequence[keras.Model] = (),
    joint: bool = False,
    path: Callable[[str], Path] | None = None,
    name: str = "fine-tuned",
) -> list[training.Trained]:
    """Train a copy of every classifier on, alone or behind a copy of a restorer, with one seed each.

    trained: classifiers; recipe: of the fine-tuning, with noise; restorers: for classifier k the k-th, from
    the first again where there are fewer; joint: they learn too, else they are frozen (section 4.2); path: of
    the models, by a name such as ``restored_0``; name: of them, and of the progress bar. Errors as in `fuse`
    and `training.fit`.
    """
    starts = [training.Copy(classifier) for classifier in trained]
    if restorers:
        fronts = [training.Copy(model) for model in restorers]
        starts = [_Fused(fronts[number % len(fronts)], each, joint) for number, each in enumerate(starts)]
    return training.fit_all(starts, {name: recipe}, splits, seeds=seeds, path=path)[name]


@dataclass(frozen=True)
class _Fused:
    """Builds a copy of a classifier behind one of a restorer, as `training.Copy` does of one model."""

    restorer: training.Copy
    classifier: training.Copy
    joint: bool

    def __call__(self) -> keras.Model:
        return fuse(self.restorer(), self.classifier(), joint=self.joint)


def _twin(build: Callable[[], keras.Model]) -> keras.Model:
    return unpadded(build())


def _from_twin(build: Callable[[], keras.Model], twin: keras.Model) -> keras.Model:
    restorer = build()
    restorer.set_weights(twin.get_weights())
    return restorer
