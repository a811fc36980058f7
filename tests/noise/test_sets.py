import numpy as np
import pytest

from helpers import noise
from helpers.backend import tf

MODELS = {
    "gaussian": lambda images, **key: noise.gaussian(images, 20, **key),
    "salt_and_pepper": lambda images, **key: noise.salt_and_pepper(images, 0.2, **key),
    "periodic": lambda images, **key: noise.periodic(images, 20, **key),
    "mixture": lambda images, **key: noise.mixture(images, **key),
    "shot": lambda images, **key: noise.shot(images, 20, **key),
}

NINE_KINDS = ("gaussian", "periodic", "salt_and_pepper")


def grey(count, side=40, channels=3, level=128.0):
    return np.full((count, side, side, channels), level, np.float32)


def photographs(count, shape=(12, 10, 3), kind=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(kind)


def apply(model, images, **key):
    noisy = model(images, **{"seed": 1} | key)
    assert noisy.dtype == tf.float32
    assert noisy.shape == images.shape
    noisy = noisy.numpy()
    assert noisy.min() >= 0
    assert noisy.max() <= 255
    return noisy


def recognised(noisy):
    """Kind of noise on a grey image."""
    changed = noisy - 128
    if not changed.any():
        return "none"
    if set(np.unique(noisy)) <= {0, 128, 255}:
        return "salt_and_pepper"
    return "periodic" if (changed == changed[..., :1]).all() else "gaussian"


def test_mixture_never_exceeds_its_sets():
    images = grey(400, side=24)
    sets = noise.NINE_SETS
    deviations = {"gaussian": 50, "periodic": 64}
    noisy = apply(MODELS["mixture"], images)
    found = {kind: [] for kind in (*NINE_KINDS, "none")}
    for image in noisy:
        found[recognised(image)].append(image)
    for kind, largest in deviations.items():
        measured = [image.std() for image in found[kind]]
        assert max(measured) < 1.1 * largest
        assert min(measured) < 0.1 * largest  # weak noise too
    assert max((image != 128).mean() for image in found["salt_and_pepper"]) < 0.06
    waves = noise.mixture(images, seed=1, sets=sets[3:4], clean=0).numpy() - 128
    assert np.abs(waves).max() <= 2 * 16 + 1e-3


def test_mixture_may_hold_exactly_its_sets():
    images, noise_set = photographs(30), noise.NINE_SETS[4]
    exact = noise.mixture(images, seed=1, sets=(noise_set,), clean=0, weakest=1)
    np.testing.assert_array_equal(exact, noise_set(images, seed=1))


def test_mixture_may_start_above_zero():
    noisy = noise.mixture(grey(400, side=24), seed=1, sets=noise.NINE_SETS[2:3], clean=0, weakest=0.8)
    deviations = noisy.numpy().std((1, 2, 3))
    assert 0.9 * 40 < deviations.min() < 42
    assert 48 < deviations.max() < 1.1 * 50


def test_mixture_without_noise_gives_the_images_back():
    images = photographs(20)
    np.testing.assert_array_equal(noise.mixture(images, seed=1, clean=1.0), images)


def test_mixture_keeps_the_options_of_its_sets():
    pixels = noise.nine_sets(salt_and_pepper="1-2-4 % of pixels")[6:]
    noisy = noise.mixture(grey(200), seed=1, sets=pixels, clean=0).numpy()
    assert (noisy == noisy[..., :1]).all()
    assert (noisy != 128).any()


def test_the_nine_sets_stand_in_the_order_of_the_paper():
    assert [noise_set.name for noise_set in noise.NINE_SETS] == [
        *("gaussian min", "gaussian avg", "gaussian max"),
        *("periodic min", "periodic avg", "periodic max"),
        *("salt_and_pepper min", "salt_and_pepper avg", "salt_and_pepper max"),
    ]
    assert [noise_set.value for noise_set in noise.NINE_SETS] == [5, 25, 50, 16, 32, 64, 0.01, 0.02, 0.04]
    assert len(set(noise.NINE_SETS)) == 9


def test_the_unseen_sets_are_of_other_kinds_and_grow():
    assert not {s.kind for s in noise.UNSEEN_SETS} & {s.kind for s in noise.NINE_SETS}
    images = photographs(10)
    errors = [float(np.square(s(images, seed=0) - images).mean()) for s in noise.UNSEEN_SETS]
    for first in range(0, len(errors), 3):
        assert sorted(errors[first : first + 3]) == errors[first : first + 3]
    assert min(errors) > 0


@pytest.mark.parametrize(
    "noise_set", (*noise.NINE_SETS, *noise.UNSEEN_SETS), ids=lambda noise_set: noise_set.name
)
def test_a_set_is_its_model_at_its_level(noise_set):
    images = photographs(3)
    key = {"seed": 8, "indices": np.array([4, 9, 2]), "copy": 1}
    expected = noise.MODELS[noise_set.kind](images, noise_set.value, **noise_set.options, **key)
    np.testing.assert_array_equal(noise_set(images, **key), expected)


@pytest.mark.parametrize("kind", noise.READINGS)
def test_every_reading_builds_and_grows_with_its_level(kind):
    images = grey(4)
    first = {noise_set.kind: noise_set for noise_set in noise.NINE_SETS}
    for name, (levels, _) in noise.READINGS[kind].items():
        sets = noise.nine_sets(**{kind: name})
        assert len(sets) == 9
        mine = [noise_set for noise_set in sets if noise_set.kind == kind]
        assert [noise_set.level for noise_set in mine] == ["min", "avg", "max"]
        assert [noise_set.value for noise_set in mine] == list(levels)
        errors = [np.square(noise_set(images, seed=0) - images).mean() for noise_set in mine]
        assert 0 < errors[0] < errors[2]
        others = [noise_set for noise_set in sets if noise_set.kind != kind]
        assert all(noise_set in noise.NINE_SETS for noise_set in others)
        assert first[kind] in noise.nine_sets(**{kind: next(iter(noise.READINGS[kind]))})


@pytest.mark.parametrize(
    ("readings", "message"),
    [
        ({"gaussian": "loud"}, "unknown reading gaussian='loud': choose one of clipped, wrapped, cast"),
        ({"speckle": "any"}, "unknown reading speckle='any': choose one of gaussian, periodic"),
    ],
)
def test_unknown_readings_are_refused_with_the_known_ones(readings, message):
    with pytest.raises(ValueError, match=message):
        noise.nine_sets(**readings)
