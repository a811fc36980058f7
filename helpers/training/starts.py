"""Where a training starts: at weights made elsewhere, or at a copy of the model that has them.

Starts of equal layers are equal, whatever their weights: `fit` compiles their training once.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from helpers import classifiers
from helpers.backend import keras


@dataclass(frozen=True)
class Pretrained:
    """Builds `classifiers.pretrained` anew: backbone, image_size, classes, weights and output as there."""

    backbone: str
    image_size: int
    classes: int
    weights: str | Path = field(default="none", compare=False)
    output: bool = field(default=False, compare=False)

    def __call__(self) -> keras.Model:
        """A model; ValueError, OSError as for `classifiers.pretrained`."""
        options = {"weights": self.weights, "output": self.output}
        return classifiers.pretrained(self.backbone, self.image_size, self.classes, **options)


def start_by(
    weights: str | Path, start: Pretrained, rendered: Path, *, output: bool
) -> dict[str, Pretrained]:
    """The start with initial weights of a kind, by its name: none, signs, imagenet or file.

    weights: none | signs | imagenet | a file; start: of the same network; rendered: its file, trained on
    rendered signs; output: whether the output layer too is taken from there. Where the weights of ImageNet
    cannot be had, a line says so, and signs stand in. Raises what `classifiers.pretrained` does for a file.
    """
    if weights == "imagenet":
        try:
            classifiers.pretrained(start.backbone, start.image_size, start.classes, weights)
        except classifiers.Unavailable as error:
            print(f"signs stand in for imagenet: {error}")
            weights = "signs"
    if weights == "signs":
        return {weights: replace(start, weights=rendered, output=output)}
    kind = weights if weights in ("none", "imagenet") else "file"
    return {kind: replace(start, weights=weights)}


class Copy:
    """Builds copies of a trained model, for `fit` to train on."""

    def __init__(self, model: keras.Model):
        """model: any, that Keras can clone."""
        self.model, self.layers = model, classifiers.structure(model)

    def __call__(self) -> keras.Model:
        """A copy of its own: what is done to it leaves the model as it is."""
        copy = keras.models.clone_model(self.model)
        copy.set_weights(self.model.get_weights())
        return copy

    def __eq__(self, other: object) -> bool:
        """Whether copies have equal layers, whatever their weights."""
        return isinstance(other, Copy) and self.layers == other.layers

    def __hash__(self) -> int:
        """As for `__eq__`."""
        return hash(self.layers)
