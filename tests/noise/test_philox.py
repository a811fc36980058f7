import numpy as np
import pytest

from helpers.backend import tf
from helpers.noise import philox

IMAGES = tf.zeros((6, 2, 2, 1))


def drawn(indices=None, *, images=IMAGES, seed=1, copy=0, stream=0, size=10, distribution=philox.NORMAL):
    keyed = philox.keys(images, seed, indices, copy)
    return philox.draw(distribution, keyed, stream, size).numpy()


def test_values_have_their_distribution():
    many = tf.zeros((2000, 1, 1, 1))
    normal = drawn(images=many, size=101)
    assert normal.mean() == pytest.approx(0, abs=0.01) and normal.std() == pytest.approx(1, abs=0.01)
    uniform = drawn(images=many, size=101, distribution=philox.UNIFORM)
    assert uniform.min() >= 0 and uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("size", [1, 4, 7, 4800])  # also counts that do not fill the generator's blocks
def test_values_of_an_image_do_not_depend_on_its_batch(size):
    whole = drawn(size=size)
    shuffled = [4, 0, 5, 2, 1, 3]
    np.testing.assert_array_equal(drawn(shuffled, size=size), whole[shuffled])
    np.testing.assert_array_equal(drawn([3, 4], images=IMAGES[:2], size=size), whole[3:5])


@pytest.mark.parametrize("change", [{"seed": 2}, {"copy": 1}, {"stream": 1}])
def test_another_key_gives_unrelated_values(change):
    one, other = drawn(size=4000).ravel(), drawn(size=4000, **change).ravel()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_images_are_unrelated():
    correlations = np.corrcoef(drawn(size=4000)) - np.eye(6)
    assert np.abs(correlations).max() < 0.08


@pytest.mark.parametrize("indices", [[0, 1], [5, 3], np.arange(7)])
def test_indices_of_another_length_are_refused(indices):
    with pytest.raises(ValueError, match="6 images need as many indices"):
        philox.keys(IMAGES, 0, indices, 0)


def test_every_stream_is_given_out_once():
    public = {name: value for name, value in vars(philox).items() if name[0] != "_" and name.isupper()}
    named = {name: value for name, value in public.items() if isinstance(value, int)}
    assert named.pop("STREAMS") == 8 and {"GAUSSIAN", "SHOT", "SWEEP", "EVOLUTION"} <= named.keys()
    assert len(set(named.values())) == len(named) and set(named.values()) <= set(range(8))
    values = {name: drawn(stream=stream).tobytes() for name, stream in named.items()}
    assert len(set(values.values())) == len(values)


@pytest.mark.parametrize("stream", [-1, philox.STREAMS])
def test_a_stream_of_another_copy_is_refused(stream):
    with pytest.raises(ValueError, match=f"stream {stream}: there are 0 to 7"):
        drawn(stream=stream)
