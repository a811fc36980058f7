"""Where a training starts: for one that goes on from trained weights, a copy of the model that has them."""

from helpers import classifiers
from helpers.backend import keras


class Copy:
    """Builds copies of a trained model, for `fit` to train on; those of equal layers are compiled once."""

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
