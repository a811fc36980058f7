"""How a game is trained, as data: recipes, the papers' and this project's."""

from dataclasses import asdict, dataclass, fields

from helpers.backend import tf
from helpers.gans.losses import OBJECTIVES


@dataclass(frozen=True)
class Recipe:
    """How a game is trained. The defaults are this project's own recipe."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 0.0005  # of Adam, constant
    beta_1: float = 0.0
    beta_2: float = 0.99
    objective: str = "relativistic"  # a key of losses.OBJECTIVES
    r1: float = 0.1  # gamma: half of it weighs the squared gradient at real images, of them in [-1, 1]
    r2: float = 0.1  # the same at generated images
    penalty_every: int = 4  # steps from a penalty to the next, which weighs as much more (Karras et al. 2020)
    gradient_penalty: float = 0.0  # weight of the penalty of Wasserstein GANs, 10 there
    shift: float = 0.125  # augmentation: share of the side by which images are moved at most
    brightness: float = 0.2  # augmentation: share of 127.5 grey levels by which they are brightened at most
    ema_decay: float = 0.998  # decay of the generator's averaged weights; 0: they are the last ones
    two_steps: bool = False  # the discriminator moves after real images, and once more after generated ones
    moves_both: bool = False  # in its turn the generator moves the discriminator too, to be called real
    l1: float = 0.0  # of a translation: weight of the distance to the target, in units of 127.5 grey levels
    adversarial: bool = True  # without, a translation has that distance alone
    cycle: float = 0.0  # of a cycle: weight of the distance of what goes there and back, in the same units
    identity: float = 0.0  # the same of images that are what they should become, as a share of cycle

    def __post_init__(self) -> None:
        """Refuse unknown choices, what does not go together and numbers out of range by name."""
        if self.objective not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise ValueError(f"unknown objective {self.objective!r}: choose one of {known}")
        for name in ("epochs", "batch_size", "penalty_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("shift", "brightness", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be in [0, 1)")
        if self.two_steps and (self.objective != "minimax" or self.r1 or self.r2 or self.gradient_penalty):
            raise ValueError("separate turns are for the objective minimax without penalties")

    @property
    def precision(self) -> str:
        """Of the arithmetic: bfloat16 rounds what is left of a gradient of a gradient."""
        return "float32"

    def as_dict(self) -> dict[str, object]:
        """All fields by name."""
        return asdict(self)

    def refuse(self, names: tuple[str, ...]) -> None:
        """ValueError where a field of these names, of no use to a kind of game, is not as by default."""
        for field in fields(self):
            if field.name in names and (value := getattr(self, field.name)) != field.default:
                raise ValueError(
                    f"{field.name} is {value}: this kind of game has no use for it, leave it {field.default}"
                )

    def augmented(self, images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Images (N, H, W, C) moved and brightened at random, each by its own numbers; gradients pass.

        Zhao et al. (2020): what both kinds of images undergo, the discriminator cannot learn by heart.
        """
        count, height, width = tf.unstack(tf.shape(images)[:3])
        of_light, of_shift = tf.unstack(tf.random.split(key, 2))
        if self.brightness:
            amounts = tf.random.stateless_uniform(
                (count, 1, 1, 1), of_light, -self.brightness, self.brightness
            )
            images = images + 127.5 * amounts
        if self.shift:
            most = tf.cast(tf.round(self.shift * tf.cast(height, tf.float32)), tf.int32)
            steps = tf.random.stateless_uniform((count, 2), of_shift, -most, most + 1, tf.int32)
            rows = tf.clip_by_value(tf.range(height)[None] + steps[:, :1], 0, height - 1)
            columns = tf.clip_by_value(tf.range(width)[None] + steps[:, 1:], 0, width - 1)
            images = tf.gather(images, rows, axis=1, batch_dims=1)
            images = tf.gather(images, columns, axis=2, batch_dims=1)
        return images


_PLAIN = {"objective": "minimax", "r1": 0.0, "r2": 0.0, "shift": 0.0, "brightness": 0.0, "ema_decay": 0.0}
_SQUARES = _PLAIN | {"objective": "least_squares"}
RECIPES = {
    # Image-to-image translation using GANs, as its code is printed; there batches come in one order.
    "bagrodia": Recipe(50, 128, 0.0002, 0.5, 0.999, **_PLAIN, two_steps=True, moves_both=True),
    # Understanding classification failure, section 4.3: 20 to 200 epochs. The loss is not printed.
    "mehrotra": Recipe(200, 30, 0.0002, 0.5, 0.999, **_PLAIN),
    # Image-to-image translation with conditional adversarial networks (2017), section 3.3.
    "isola": Recipe(200, 1, 0.0002, 0.5, 0.999, **_PLAIN, l1=100.0),
    # Unpaired image-to-image translation (2017), sections 4 and 5.2. There the cycle weighs 10, beside a loss
    # of the generator that is twice ours; discriminators see older images too, and the rate falls at the end.
    "zhu": Recipe(200, 1, 0.0002, 0.5, 0.999, **_SQUARES, cycle=5.0, identity=0.5),
}
