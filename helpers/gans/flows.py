"""An outsider among the games: images by a flow, for which no second network is needed.

Lipman et al., *Flow matching for generative modeling* (2023), with straight paths, as Liu et al. (2023): a
network learns the velocity at which noise becomes an image, from pairs of noise and image; following it, a
new image is made in a few steps.
"""

from dataclasses import dataclass
from functools import partial

from helpers import classifiers, training
from helpers.backend import keras, tf
from helpers.datasets import ImageSet
from helpers.gans.networks import WIDTH, quarter

layers = keras.layers
STEPS = 8  # from noise to image, each by two evaluations
MOMENTS = 16  # sines that say how far it is, each with a learned rate and phase


@dataclass(frozen=True)
class FlowRecipe:
    """How a flow is trained."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 0.002  # peak of the cosine schedule
    precision: str = "float32"


class Flow:
    """Makes images of noise by a trained network of `velocity`."""

    conditional = True

    def __init__(self, model: keras.Model):
        """model: of `velocity`."""
        self.model, self.name = model, model.name
        self.latent_shape = tuple(model.inputs[0].shape[1:])
        shapes = [tf.TensorSpec((None, *each.shape[1:])) for each in (model.inputs[0], model.inputs[2])]
        self._made = tf.function(self._followed, shapes, autograph=False)

    def __call__(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Noise (N, H, W, C) and shares of the classes (N, K), to images (N, H, W, C)."""
        return self._made(*inputs)

    def shares(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels (N,), ints, as shares (N, K) of the K classes."""
        return tf.one_hot(labels, self.model.inputs[2].shape[-1])

    def digest(self) -> str:
        """SHA-256 (hex) of what it makes."""
        return classifiers.digest(self.model)

    def _followed(self, images: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """Heun's method from time 0 to 1."""
        width = 1 / STEPS

        def step(number: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            time = tf.cast(number, tf.float32) * width
            speed = self._velocity(images, time, shares)
            ahead = self._velocity(images + width * speed, time + width, shares)
            return number + 1, images + width / 2 * (speed + ahead)

        _, images = tf.while_loop(lambda number, _: number < STEPS, step, (tf.constant(0), images))
        return 127.5 * (images + 1)

    def _velocity(self, images: tf.Tensor, time: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        return self.model([images, tf.fill((tf.shape(images)[0], 1), time), shares], training=False)


class FlowMatching:
    """Images on their way from noise, the time and the class, to their velocity; by a `FlowRecipe`."""

    def batches(
        self, train: ImageSet, recipe: FlowRecipe, *, seed: int, first_epoch: int = 0
    ) -> tf.data.Dataset:
        """Noise and images (in [-1, 1]) mixed by a time of their own, and the difference of the two."""
        images, labels = tf.constant(train.images), tf.constant(train.labels, tf.int32)

        def batch(indices: tf.Tensor, key: tf.Tensor) -> tuple:
            return _pairs(tf.gather(images, indices), tf.gather(labels, indices), key, len(train.class_names))

        order = partial(training.shuffled, len(train))
        return training.drawn(
            order, batch, recipe.batch_size, recipe.epochs, seed=seed, first_epoch=first_epoch
        )

    def validation_batches(self, validation: ImageSet, recipe: FlowRecipe) -> tf.data.Dataset:
        """The same mixtures after every epoch."""
        parts = tf.data.Dataset.from_tensor_slices((validation.images, validation.labels)).batch(256)
        count = len(validation.class_names)

        def pairs(number: tf.Tensor, part: tuple[tf.Tensor, tf.Tensor]) -> tuple:
            return _pairs(*part, tf.stack([0, tf.cast(number, tf.int32)]), count)

        return training.untuned(parts.enumerate().map(pairs))

    def compiled_with(self, recipe: FlowRecipe, steps: int) -> dict[str, object]:
        """Squared error, Adam with a cosine schedule."""
        rate = training.cosine(recipe.learning_rate, recipe.epochs, steps)
        return {"loss": "mse", "optimizer": training.FusedAdam(rate)}

    def alike(self, recipe: FlowRecipe) -> FlowRecipe:
        """All of it."""
        return recipe


def velocity(
    image_size: int = 28, channels: int = 3, classes: int = 43, *, width: int = WIDTH
) -> keras.Model:
    """A small U-Net: images (N, H, W, C), times (N, 1) in [0, 1] and shares of classes (N, K) to velocities.

    image_size: a multiple of 4; width: maps of the largest side, a multiple of 8, doubled where it is halved.
    """
    quarter(image_size)
    images, time = keras.Input((image_size, image_size, channels)), keras.Input((1,))
    shares = keras.Input((classes,))
    angles = layers.Dense(MOMENTS, kernel_initializer=keras.initializers.RandomNormal(stddev=6.0))(time)
    state = layers.Concatenate()([keras.ops.sin(angles), layers.Dense(4 * width, use_bias=False)(shares)])
    state = layers.Dense(4 * width, activation="silu")(state)
    maps, kept = layers.Conv2D(width, 3, padding="same")(images), []
    for filters in (width, 2 * width):
        maps = _block(maps, state, filters)
        kept.append(maps)
        maps = layers.Conv2D(2 * filters, 2, strides=2)(maps)
    maps = _block(maps, state, 4 * width)
    for filters in (2 * width, width):
        maps = layers.Conv2D(filters, 1)(layers.UpSampling2D()(maps))
        maps = _block(layers.Concatenate()([maps, kept.pop()]), state, filters)
    made = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(maps)
    return keras.Model([images, time, shares], made, name="flow")


def _block(maps: keras.KerasTensor, state: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Two convolutions beside one of a single pixel; the state shifts the maps between them."""
    inner = layers.Conv2D(filters, 3, padding="same")(layers.Activation("silu")(maps))
    shift = layers.Reshape((1, 1, filters))(layers.Dense(filters)(state))
    inner = layers.Activation("silu")(layers.GroupNormalization(8)(layers.Add()([inner, shift])))
    inner = layers.Conv2D(filters, 3, padding="same")(inner)
    return layers.Add()([inner, layers.Conv2D(filters, 1, use_bias=False)(maps)])


def _pairs(images: tf.Tensor, labels: tf.Tensor, key: tf.Tensor, classes: int) -> tuple:
    """Inputs and target of the network for a batch."""
    images = tf.cast(images, tf.float32) / 127.5 - 1
    of_noise, of_time = tf.unstack(tf.random.split(key, 2))
    noise = tf.random.stateless_normal(tf.shape(images), of_noise)
    time = tf.random.stateless_uniform((tf.shape(images)[0], 1), of_time)
    share = time[:, :, None, None]
    mixed = (1 - share) * noise + share * images
    return (mixed, time, tf.one_hot(labels, classes)), images - noise
