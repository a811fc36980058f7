"""How a classifier is trained, as data: recipes, the papers' and this project's."""

from dataclasses import dataclass, replace

from helpers import classifiers
from helpers.noise import NoiseSet
from helpers.training import augmentation


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained. The defaults are this project's own recipe."""

    epochs: int = 24
    learning_rate: float = 0.003  # peak of the cosine schedule, or the constant rate
    schedule: str = "cosine"  # cosine (warm-up, then to zero: see tasks.cosine) | constant
    batch_size: int = 128
    weight_decay: float = 0.02  # of AdamW; 0 is plain Adam
    label_smoothing: float = 0.1
    augmentation: str = "camera"  # a key of augmentation.AUGMENTATIONS
    noise: tuple[NoiseSet, ...] = ()  # noise.mixture of these sets over every batch
    clean: float = 0.1  # share of the images that the noise leaves as they are
    weakest: float = 0.0  # of a set's level: noise is drawn between that share of it and all of it
    balanced: bool = False  # draw all classes equally often
    precision: str = "float32"  # of the arithmetic: a choice of classifiers.PRECISIONS

    def __post_init__(self) -> None:
        """Refuse unknown choices and numbers out of range by name."""
        choices = {
            "schedule": SCHEDULES,
            "augmentation": augmentation.AUGMENTATIONS,
            "precision": classifiers.PRECISIONS,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(known)}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")


SCHEDULES = ("cosine", "constant")
# Mehrotra and Dalal, section 4.3: Adam, learning rate 0.01, 10 epochs; the batch size is Keras' default.
PAPER = Recipe(
    epochs=10,
    learning_rate=0.01,
    schedule="constant",
    batch_size=32,
    weight_decay=0.0,
    label_smoothing=0.0,
    augmentation="none",
)
# The printed rate nearly stops the training; Adam's usual rate comes nearest to the paper's accuracies.
NEAREST = replace(PAPER, learning_rate=0.001)
