"""A game of two networks as one Keras model: `training.fit` trains, keeps and resumes it like any other."""

from collections.abc import Mapping

from helpers import classifiers
from helpers.backend import keras, tf
from helpers.gans.losses import OBJECTIVES, gradient_penalty, squared_gradient
from helpers.gans.networks import Players
from helpers.gans.recipes import Recipe
from helpers.training import FusedAdam

RESULTS = ("loss", "discriminator_loss", "generator_loss", "real_right", "fake_right", "pairs_right")
WARMUP = 10  # of the averaged weights: after t steps they reach back over t / WARMUP steps at most


@keras.saving.register_keras_serializable("helpers")
class Game(keras.Model):
    """Generator against discriminator. Called, it makes images by the generator's averaged weights.

    A step is a turn of the discriminator, then one of the generator, which is judged anew. Both turns share
    the generated images, but for `two_steps`.
    """

    ignored = ("l1", "adversarial", "cycle", "identity")  # fields of a recipe that it has no use for

    def __init__(self, generator: keras.Model, discriminator: keras.Model, **options: object):
        """generator, discriminator: as the networks of `gans.NETWORKS` return them."""
        super().__init__(**options)
        self.generator, self.discriminator = generator, discriminator
        self.average = keras.models.clone_model(generator)
        self.average.set_weights(generator.get_weights())
        self.average.trainable = False
        self.means = {name: keras.metrics.Mean(name=name) for name in RESULTS}
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Latents (N, D), or latents and shares of the classes (N, K), to images (N, H, W, C)."""
        return self.average(inputs, training=False)

    @property
    def latent_shape(self) -> tuple[int]:
        """(D,) of the latents (N, D)."""
        return tuple(self.generator.inputs[0].shape[1:])

    def digest(self) -> str:
        """SHA-256 (hex) of what it makes."""
        return classifiers.digest(self.average)

    @property
    def conditional(self) -> bool:
        """Whether the generator is told a class."""
        return len(self.generator.inputs) == 2

    def shares(self, labels: tf.Tensor) -> tf.Tensor:
        """What the networks take for classes: labels (N,), ints, as shares (N, K) of the K classes."""
        return tf.one_hot(labels, self.generator.inputs[1].shape[-1])

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch: of both losses and their sum, and of how often the discriminator is right.

        In pairs_right it is where a real image has a larger logit than a generated one; in real_right and
        fake_right by the objective's threshold, and where that has none, they are the same as pairs_right.
        """
        return list(self.means.values())

    def compile(self, recipe: Mapping[str, object], **options: object) -> None:
        """recipe: of `Recipe`, as a mapping; options: as of `keras.Model.compile`."""
        self.recipe = Recipe(**recipe)
        if self.recipe.two_steps and len(self.discriminator.outputs) > 1:
            raise ValueError(f"two_steps are not for {self.name}, whose discriminator names classes")
        betas = {"beta_1": self.recipe.beta_1, "beta_2": self.recipe.beta_2}
        rate = self.recipe.learning_rate
        super().compile(optimizer=FusedAdam(rate, **betas), **options)  # the generator's
        self.discriminator_optimizer = FusedAdam(rate, **betas)
        self._options = options

    def build_optimizers(self) -> None:
        """Let both optimizers create their variables."""
        self.optimizer.build(self._moved_by_generator())
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The generator's and the discriminator's."""
        return [self.optimizer, self.discriminator_optimizer]

    def get_compile_config(self) -> dict[str, object]:
        """What a checkpoint stores to go on."""
        return {"recipe": self.recipe.as_dict(), **self._options} if self.compiled else {}

    def compile_from_config(self, config: dict[str, object]) -> None:
        """As `compile`, with the optimizers' variables in place."""
        self.compile(**config)
        self.build_optimizers()

    def get_config(self) -> dict[str, object]:
        """What Keras stores to build the game anew."""
        players = {"generator": self.generator, "discriminator": self.discriminator}
        stored = {name: keras.saving.serialize_keras_object(player) for name, player in players.items()}
        return {"name": self.name, **stored}

    @classmethod
    def from_config(cls, config: dict[str, object], custom_objects: dict | None = None) -> "Game":
        """The game of a `get_config`."""
        players = {name: keras.saving.deserialize_keras_object(config[name]) for name in Players._fields}
        return cls(**players, name=config["name"])

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Both turns, by images (N, H, W, C), labels (N,) and a random key (2,)."""
        images, labels, key = data
        real = tf.cast(images, tf.float32)
        keys = tf.random.split(key, 4)
        with tf.GradientTape() as tape:
            fake = self.generator(self.drawn(labels, keys[0]), training=True)
            with tape.stop_recording():
                seen = (
                    self.generator(self.drawn(labels, keys[3]), training=True)
                    if self.recipe.two_steps
                    else fake
                )
                judged = self.discriminator_turn(real, tf.stop_gradient(seen), labels, keys)
            loss = self.generator_loss(real, fake, labels, keys)
        self._move(self.optimizer, tape, loss, self._moved_by_generator())
        self.take_average(after_step=True)
        return self._results(*judged, loss)

    def test_step(self, data: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The same losses of other images and of those that `call` makes, without penalty; nothing moves."""
        self.take_average(after_step=False)
        images, labels, key = data
        fake = self(self.drawn(labels, tf.random.split(key, 4)[0]))
        return self._results(*self.losses_of(tf.cast(images, tf.float32), fake, labels))

    def losses_of(self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """The discriminator's loss, without penalty, its logits of both, and the generator's loss."""
        judged = self.scored(real, labels), self.scored(fake, labels)
        losses, logits = OBJECTIVES[self.recipe.objective], [judged[0][0], judged[1][0]]
        discriminator = tf.reduce_mean(losses.discriminator(*logits) + _named(judged))
        generator = tf.reduce_mean(losses.generator(*logits) + _named(judged[1:]))
        return [discriminator, *logits, generator]

    def right(self, real: tf.Tensor, fake: tf.Tensor) -> list[tf.Tensor]:
        """How often logits of real images, of generated ones and of pairs are right, as in `metrics`."""
        threshold, pairs = OBJECTIVES[self.recipe.objective].threshold, real > fake
        right = [pairs] * 3 if threshold is None else [real > threshold, fake <= threshold, pairs]
        return [tf.reduce_mean(tf.cast(found, tf.float32)) for found in right]

    def drawn(self, labels: tf.Tensor, key: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
        """What the generator takes for so many images."""
        latents = tf.random.stateless_normal((tf.shape(labels)[0], *self.latent_shape), key)
        return [latents, self.shares(labels)] if self.conditional else latents

    def scored(self, images: tf.Tensor, labels: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
        """Logits (N, 1), and the cross-entropy of the classes (N, 1) where it names them, else zeros."""
        told = len(self.discriminator.inputs) == 2
        found = self.discriminator([images, self.shares(labels)] if told else images, training=training)
        if not isinstance(found, list | tuple):
            return [found, tf.zeros_like(found)]
        named = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, found[1])
        return [found[0], named[:, None]]

    def discriminator_turn(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor, keys: tf.Tensor
    ) -> list[tf.Tensor]:
        """The discriminator moves; its loss, and the logits before it moved.

        real, fake: images (N, H, W, C), float32; labels: their classes; keys: four random ones (4, 2).
        """
        seen = [self.recipe.augmented(real, keys[1]), self.recipe.augmented(fake, keys[2])]
        losses, moved = OBJECTIVES[self.recipe.objective], self.discriminator.trainable_variables
        if self.recipe.two_steps:
            return self._two_turns(*seen, labels)
        with tf.GradientTape() as tape:
            judged = [self.scored(images, labels, training=True) for images in seen]
            loss = tf.reduce_mean(losses.discriminator(judged[0][0], judged[1][0]) + _named(judged))
            total = loss + self._penalty(*seen, labels, keys[3])
        self._move(self.discriminator_optimizer, tape, total, moved)
        return [loss, judged[0][0], judged[1][0]]

    def _two_turns(self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """Real images, a step, generated ones, a step: as Bagrodia prints it, for minimax alone."""
        found, total = [], 0.0
        for images, sign in ((real, -1.0), (fake, 1.0)):
            with tf.GradientTape() as tape:
                logits, _ = self.scored(images, labels, training=True)
                loss = tf.reduce_mean(tf.nn.softplus(sign * logits))
            self._move(self.discriminator_optimizer, tape, loss, self.discriminator.trainable_variables)
            found, total = [*found, logits], total + loss
        return [total / 2, *found]

    def _penalty(self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """What the recipe asks for the discriminator's slopes, in every so many steps."""
        recipe = self.recipe
        if not (recipe.r1 or recipe.r2 or recipe.gradient_penalty):
            return tf.zeros(())
        due = self.optimizer.iterations.value % recipe.penalty_every == 0
        return tf.cond(
            due, lambda: recipe.penalty_every * self._slopes(real, fake, labels, key), lambda: tf.zeros(())
        )

    def _slopes(self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        def score(images: tf.Tensor) -> tf.Tensor:
            return self.scored(images, labels, training=True)[0]

        recipe, total = self.recipe, 0.0
        for weight, images in ((recipe.r1, real), (recipe.r2, fake)):
            if weight:
                total += weight / 2 * tf.reduce_mean(squared_gradient(score, images))
        if recipe.gradient_penalty:
            share = tf.random.stateless_uniform((tf.shape(real)[0], 1, 1, 1), key)
            total += recipe.gradient_penalty * tf.reduce_mean(gradient_penalty(score, real, fake, share))
        return total

    def generator_loss(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor, keys: tf.Tensor
    ) -> tf.Tensor:
        """What the generator is to lessen; arguments as in `discriminator_turn`."""
        losses = OBJECTIVES[self.recipe.objective]
        judged = self.scored(self.recipe.augmented(fake, keys[2]), labels, training=True)
        paired = judged[0]  # what a loss that does not ask for the real logits is given
        if losses.paired:
            paired = self.scored(self.recipe.augmented(real, keys[1]), labels, training=True)[0]
        return tf.reduce_mean(losses.generator(paired, judged[0]) + judged[1])

    def _moved_by_generator(self) -> list[keras.Variable]:
        both = self.discriminator.trainable_variables if self.recipe.moves_both else []
        return [*self.generator.trainable_variables, *both]

    def _move(
        self, optimizer: keras.optimizers.Optimizer, tape: tf.GradientTape, loss: tf.Tensor, moved: list
    ) -> None:
        gradients = tape.gradient(loss, [variable.value for variable in moved])
        optimizer.apply(gradients, moved)

    def take_average(self, *, after_step: bool) -> None:
        """One step of the averaged weights (Yazıcı et al. 2019), which reach back less far at the start.

        Without a decay they are the last ones, which are not copied after every step but before a validation.
        """
        if after_step != bool(self.recipe.ema_decay):
            return
        done = tf.cast(self.optimizer.iterations, tf.float32)
        kept = tf.minimum(self.recipe.ema_decay, (1 + done) / (WARMUP + done))
        for slow, fast in zip(self.average.weights, self.generator.weights, strict=True):
            if slow.dtype == "float32":
                slow.assign(kept * slow.value + (1 - kept) * fast.value)

    def _results(
        self, discriminator: tf.Tensor, real: tf.Tensor, fake: tf.Tensor, generator: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        values = [discriminator + generator, discriminator, generator, *self.right(real, fake)]
        for mean, value in zip(self.means.values(), values, strict=True):
            mean.update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}


def _named(judged: list[list[tf.Tensor]]) -> tf.Tensor:
    """Sum of the cross-entropies of the classes that a discriminator names."""
    return tf.add_n([entropy for _, entropy in judged])
