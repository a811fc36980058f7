"""Layers that Keras lacks or computes slowly on a CPU, and the precision that models compute in.

`Halved` and `Doubled` are of restorers: they live here so that the file of a fused model loads without them.
"""

from helpers.backend import fast_bfloat16, keras, tf

ops = keras.ops

PRECISIONS = ("float32", "mixed_bfloat16")


def precision_here(precision: str) -> str:
    """A choice of `PRECISIONS`; "auto" is mixed_bfloat16 where that is fast here, else float32."""
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if fast_bfloat16() else "float32"


@keras.saving.register_keras_serializable("helpers")
class ColourConvolution(keras.layers.Layer):
    """A trained colour transform (a 1x1 convolution to as many channels), then a 'valid' convolution.

    Nothing is between the two (Aghdam et al. 2015 give the transform no activation), so their product is
    applied as one kernel. It is the same function with the same gradients, but the second convolution need
    not send any to the images: a training step of `aghdam` takes two thirds of the time.
    """

    def __init__(self, filters: int, size: int, **options: object):
        """filters: maps of the result; size: side of the kernel in pixels."""
        super().__init__(**options)
        self.filters, self.size = filters, size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create both pairs of weights for the channels of input_shape (N, H, W, C)."""
        channels = input_shape[-1]
        self.colours = self.add_weight((channels, channels), name="colours")
        self.offset = self.add_weight((channels,), "zeros", name="offset")
        self.kernel = self.add_weight((self.size, self.size, channels, self.filters), name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """(N, H, W, C) to (N, H - size + 1, W - size + 1, filters)."""
        kernel = ops.einsum("im,hwmo->hwio", self.colours, self.kernel)
        return ops.conv(images, kernel) + (self.bias + ops.einsum("m,hwmo->o", self.offset, self.kernel))

    def get_config(self) -> dict[str, object]:
        """What Keras stores to build the layer anew."""
        return {**super().get_config(), "filters": self.filters, "size": self.size}


@keras.saving.register_keras_serializable("helpers")
class FusedNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation of (N, H, W, C), by TensorFlow's fused kernel under that backend.

    Keras' own call is a dozen elementwise operations: without them, a training step of `compact` takes 0.84
    of the time, and 0.66 in bfloat16. The moving variance is the unbiased one.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """(N, H, W, C) to the same shape: by the batch's moments in training, else by the moving ones."""
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        learning = bool(training and self.trainable)
        moving = [self.moving_mean, self.moving_variance]
        given = [self.gamma, self.beta] if learning else [self.gamma, self.beta, *moving]
        normalised, *moments = tf.compat.v1.nn.fused_batch_norm(
            inputs, *map(tf.convert_to_tensor, given), epsilon=self.epsilon, is_training=learning
        )
        for old, new in zip(moving, moments, strict=True) if learning else ():
            old.assign(self.momentum * old + (1 - self.momentum) * new)
        return normalised


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


OWN = (ColourConvolution, FusedNormalization, Halved, Doubled)  # what model files may hold of this project's


def with_precision(model: keras.Model, precision: str) -> keras.Model:
    """The model, computing in one of `PRECISIONS`: itself if it does already, else a copy with its weights.

    mixed_bfloat16 rounds to 8 significant bits what goes into layers, grey levels included; weights, the
    first layer (the rescaling), the last (the logits) and depthwise convolutions, which it makes twice as
    slow on CPUs, stay float32. Of a model that holds others, such as an ensemble, the held ones change.
    Raises ValueError for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    given = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    held = {id(layer): with_precision(layer, precision) for layer in given if isinstance(layer, keras.Model)}
    exact = given if held else (given[0], given[-1])

    def chosen(layer: keras.layers.Layer) -> str:
        slow = isinstance(layer, keras.layers.DepthwiseConv2D)
        return "float32" if slow or layer in exact else precision

    def copy(layer: keras.layers.Layer | keras.Operation) -> keras.layers.Layer | keras.Operation:
        if id(layer) in held:
            return held[id(layer)]
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):  # slices, for example, have no type of their own
            config["dtype"] = chosen(layer)
        return type(layer).from_config(config)

    if all(
        held[id(layer)] is layer if id(layer) in held else layer.dtype_policy.name == chosen(layer)
        for layer in given
    ):
        return model
    twin = keras.models.clone_model(model, clone_function=copy)
    twin.set_weights(model.get_weights())
    return twin
