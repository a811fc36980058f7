"""What a model makes on its way: a row of pictures at epochs 1, 2, 4, … and at the last."""

from collections.abc import Callable, Mapping, Set

import numpy as np

from helpers.backend import keras, tf

ZOOM = 2  # of a strip in a notebook


class Strip:
    """Grows while a model trains, in a notebook before one's eyes; it is kept with the training."""

    def __init__(
        self,
        pictures: Callable[[keras.Model], np.ndarray] | None,
        ends: Set[int],
        rows: Mapping[int, np.ndarray],
    ):
        """pictures: uint8 (K, H, W, C) of a model, None for no strip; rows: by epoch, where one goes on.

        ends: the last epoch, and those after which the training is kept as if it ended there.
        """
        self.pictures, self.ends, self.rows = pictures, ends, dict(rows)
        self._shown = None

    def grow(self, model: keras.Model, epoch: int) -> None:
        """Add a row after an epoch, counted from 1, if it is due."""
        if self.pictures and (_power_of_two(epoch) or epoch in self.ends):
            self.rows[epoch] = self.pictures(model)
            self._show()

    def until(self, end: int) -> dict[int, np.ndarray]:
        """The rows of a training that ends after an epoch."""
        due = (epoch for epoch in self.rows if epoch == end or (epoch < end and _power_of_two(epoch)))
        return {epoch: self.rows[epoch] for epoch in due}

    def close(self) -> None:
        """Take it from the page: the notebook draws what was kept."""
        if self._shown:
            from IPython.display import HTML

            self._shown.update(HTML(""))

    def _show(self) -> None:
        from IPython import get_ipython  # here, so that a training outside of a notebook starts without it
        from IPython.display import Image, display

        if get_ipython() is None:
            return
        count, height, width, _ = next(iter(self.rows.values())).shape
        sides = {"width": ZOOM * count * width, "height": ZOOM * len(self.rows) * height}
        picture = Image(self.png(), **sides)
        if self._shown is None:
            self._shown = display(picture, display_id=True)
        else:
            self._shown.update(picture)

    def png(self) -> bytes:
        """All rows as one picture."""
        rows = [np.concatenate(list(images), axis=1) for images in self.rows.values()]
        return tf.io.encode_png(np.concatenate(rows)).numpy()


def _power_of_two(epoch: int) -> bool:
    return epoch & (epoch - 1) == 0
