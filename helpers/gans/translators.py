"""Games whose generator is given an image and makes another of it, told which is wanted or not."""

from collections.abc import Mapping
from dataclasses import dataclass

from helpers.backend import keras, tf
from helpers.gans.games import Game
from helpers.gans.networks import WIDTH, patches, unet

CYCLE_RESULTS = ("loss", "discriminator_loss", "generator_loss", "cycle", "real_right", "fake_right")


@keras.saving.register_keras_serializable("helpers")
class Translation(Game):
    """Isola et al. (2017), pix2pix: images by a generator that is given others, of which they should be made.

    Without their dropout, the only noise there: one source, one image.
    What a `Game` is told for classes, this one is given for sources: images (N, H, W, C).
    """

    conditional, ignored = True, ("cycle", "identity")

    def compile(self, recipe: Mapping[str, object], **options: object) -> None:
        """As of a `Game`; ValueError for an augmentation, which would part images from their sources."""
        super().compile(recipe, **options)
        if self.recipe.shift or self.recipe.brightness:
            raise ValueError("a translation goes without augmentation: set shift and brightness to 0")

    def shares(self, labels: tf.Tensor) -> tf.Tensor:
        """The sources as they are, float32."""
        return tf.cast(labels, tf.float32)

    def restorer(self) -> keras.Model:
        """The generator by its averaged weights, which it shares, as a restorer: in [0, 255]."""
        return _clipped(self.average, self.name)

    def discriminator_turn(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor, keys: tf.Tensor
    ) -> list[tf.Tensor]:
        """As in a `Game`; without one where the recipe wants none."""
        if self.recipe.adversarial:
            return super().discriminator_turn(real, fake, labels, keys)
        return [tf.zeros(()), tf.zeros((1, 1)), tf.zeros((1, 1))]

    def generator_loss(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor, keys: tf.Tensor
    ) -> tf.Tensor:
        """As in a `Game`, and the distance to the images that are wanted (equation 4)."""
        loss = super().generator_loss(real, fake, labels, keys) if self.recipe.adversarial else 0.0
        return loss + self.recipe.l1 * _distance(real, fake)

    def losses_of(self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """As in a `Game`, and the distance to the images that are wanted."""
        *judged, loss = [tf.zeros(()), *[tf.zeros((1, 1))] * 2, tf.zeros(())]
        if self.recipe.adversarial:
            *judged, loss = super().losses_of(real, fake, labels)
        return [*judged, loss + self.recipe.l1 * _distance(real, fake)]

    def drawn(self, labels: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """The sources: there is no latent."""
        return self.shares(labels)


@keras.saving.register_keras_serializable("helpers")
class Cycle(keras.Model):
    """Zhu et al. (2017), CycleGAN: two generators, one leading back from where the other leads.

    Which image is wanted nobody knows: each must make images that a discriminator takes for some of that
    kind, from which the other finds the way back. Called, it leads there. The generators are those of a
    `Translation`; in the paper they are residual networks.
    """

    ignored = ("l1", "adversarial", "moves_both")

    def __init__(self, there: Game, back: Game, **options: object):
        """there, back: games of a translator and a discriminator that is not told the source."""
        super().__init__(**options)
        self.there, self.back = there, back
        self.means = {name: keras.metrics.Mean(name=name) for name in CYCLE_RESULTS}
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Images (N, H, W, C) of the first kind to such of the second."""
        return self.there(inputs)

    def restorer(self) -> keras.Model:
        """As of a `Translation`: the way there."""
        return _clipped(self.there.average, self.name)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch; of a discriminator, the one that judges what is made there."""
        return list(self.means.values())

    def compile(self, recipe: Mapping[str, object], **options: object) -> None:
        """As of a `Game`."""
        for game in (self.there, self.back):
            game.compile(recipe, **options)
        super().compile(optimizer=self.there.optimizer, **options)
        self._options = options

    def build_optimizers(self) -> None:
        """Let all four optimizers create their variables."""
        self.there.build_optimizers()
        self.back.build_optimizers()

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """Those of the way there, and of the way back."""
        return [*self.there.optimizers, *self.back.optimizers]

    def get_compile_config(self) -> dict[str, object]:
        """What a checkpoint stores to go on."""
        return {"recipe": self.there.recipe.as_dict(), **self._options} if self.compiled else {}

    def compile_from_config(self, config: dict[str, object]) -> None:
        """As `compile`, with the optimizers' variables in place."""
        self.compile(**config)
        self.build_optimizers()

    def get_config(self) -> dict[str, object]:
        """What Keras stores to build it anew."""
        games = {"there": self.there, "back": self.back}
        stored = {name: keras.saving.serialize_keras_object(game) for name, game in games.items()}
        return {"name": self.name, **stored}

    @classmethod
    def from_config(cls, config: dict[str, object], custom_objects: dict | None = None) -> "Cycle":
        """The cycle of a `get_config`."""
        games = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("there", "back")}
        return cls(**games, name=config["name"])

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Both discriminators' turns, then both generators' together, by images, sources and a random key."""
        wanted, given = (tf.cast(images, tf.float32) for images in data[:2])
        keys = tf.random.split(data[2], 4)
        with tf.GradientTape() as tape:
            made, unmade = (
                self.there.generator(given, training=True),
                self.back.generator(wanted, training=True),
            )
            with tape.stop_recording():
                judged = self.there.discriminator_turn(wanted, tf.stop_gradient(made), given, keys)
                self.back.discriminator_turn(given, tf.stop_gradient(unmade), wanted, keys)
            loss = self.there.generator_loss(wanted, made, given, keys)
            loss += self.back.generator_loss(given, unmade, wanted, keys)
            cycle = self._cycle(wanted, given, made, unmade)
            total = loss + cycle
        variables = [game.generator.trainable_variables for game in (self.there, self.back)]
        gradients = tape.gradient(total, [[variable.value for variable in part] for part in variables])
        for game, slopes, moved in zip((self.there, self.back), gradients, variables, strict=True):
            game.optimizer.apply(slopes, moved)
            game.take_average(after_step=True)
        return self._results(judged, loss, cycle)

    def test_step(self, data: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The same losses of other images, by the averaged weights; nothing moves."""
        for game in (self.there, self.back):
            game.take_average(after_step=False)
        wanted, given = (tf.cast(images, tf.float32) for images in data[:2])
        made, unmade = self.there(given), self.back(wanted)
        losses = self.there.losses_of(wanted, made, given), self.back.losses_of(given, unmade, wanted)
        generators = losses[0][3] + losses[1][3]
        return self._results(losses[0][:3], generators, self._cycle(wanted, given, made, unmade, False))

    def _cycle(
        self, wanted: tf.Tensor, given: tf.Tensor, made: tf.Tensor, unmade: tf.Tensor, training: bool = True
    ) -> tf.Tensor:
        """How far images are from where they began, there and back (equation 2), and what should not move."""
        recipe = self.there.recipe
        there, back = (game.generator if training else game for game in (self.there, self.back))
        returned = _distance(given, back(made, training=training))
        returned += _distance(wanted, there(unmade, training=training))
        if recipe.identity:
            kept = _distance(wanted, there(wanted, training=training))
            kept += _distance(given, back(given, training=training))
            returned += recipe.identity * kept
        return recipe.cycle * returned

    def _results(
        self, judged: list[tf.Tensor], generator: tf.Tensor, cycle: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        discriminator, real, fake = judged
        right = self.there.right(real, fake)[:2]
        values = [discriminator + generator + cycle, discriminator, generator, cycle, *right]
        for mean, value in zip(self.means.values(), values, strict=True):
            mean.update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}


@dataclass(frozen=True)
class Translator:
    """Builds a `Translation` anew, or a `Cycle` of two; image_size: a multiple of 4, width: of 8.

    shortcut: what a generator computes is added to the source; see `unet`.
    """

    image_size: int
    channels: int = 3
    width: int = WIDTH
    shortcut: bool = False
    cycle: bool = False

    def __call__(self) -> Translation | Cycle:
        """One with new weights; ValueError as the networks raise it."""
        if not self.cycle:
            return Translation(*self._players(told=True), name="translation")
        ways = (Game(*self._players(told=False), name=name) for name in ("there", "back"))
        return Cycle(*ways, name="cycle")

    def _players(self, told: bool) -> tuple[keras.Model, keras.Model]:
        sizes = (self.image_size, self.channels)
        return (
            unet(*sizes, width=self.width, shortcut=self.shortcut),
            patches(*sizes, width=self.width, told=told),
        )


def _distance(wanted: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of images, in units of 127.5 grey levels."""
    return tf.reduce_mean(tf.abs(made - wanted)) / 127.5


def _clipped(generator: keras.Model, name: str) -> keras.Model:
    images = keras.Input(generator.input_shape[1:])
    return keras.Model(images, keras.layers.ReLU(max_value=255.0)(generator(images)), name=name)
