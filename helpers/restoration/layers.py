"""Between an image and its four sub-images of half the size."""

from helpers.backend import keras, tf

ops = keras.ops


@keras.saving.register_keras_serializable("helpers")
class Halved(keras.layers.Layer):
    """Pixels of every 2x2 square become channels; an odd side first repeats its last row or column."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """(N, H, W, C) to (N, ceil(H / 2), ceil(W / 2), 4 C)."""
        height, width = ops.shape(images)[1:3]
        rows = ops.minimum(ops.arange(height + height % 2), height - 1)
        columns = ops.minimum(ops.arange(width + width % 2), width - 1)
        even = ops.take(ops.take(images, rows, axis=1), columns, axis=2)
        corners = [even[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return ops.concatenate(corners, axis=-1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the result, sides None where they are open."""
        sides = (side and (side + 1) // 2 for side in shape[1:3])
        return (shape[0], *sides, 4 * shape[3])


@keras.saving.register_keras_serializable("helpers")
class Doubled(keras.layers.Layer):
    """What `Halved` did, undone: channels become the pixels of 2x2 squares."""

    def call(self, parts: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        """parts: (N, h, w, 4 C); images: (N, H, W, …) that were halved; to (N, H, W, C)."""
        count, height, width, channels = ops.shape(parts)
        squares = ops.reshape(parts, (count, height, width, 2, 2, channels // 4))
        whole = ops.reshape(
            ops.transpose(squares, (0, 1, 3, 2, 4, 5)), (count, 2 * height, 2 * width, channels // 4)
        )
        return whole[:, : ops.shape(images)[1], : ops.shape(images)[2]]

    def compute_output_shape(
        self, parts_shape: tuple[int | None, ...], images_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Shape of the result."""
        return (*images_shape[:3], parts_shape[3] // 4)
