import io

import numpy as np
import pytest
from PIL import Image

from helpers import noise
from helpers.backend import tf

MODELS = {
    "gaussian": lambda images, **key: noise.gaussian(images, 20, **key),
    "salt_and_pepper": lambda images, **key: noise.salt_and_pepper(images, 0.2, **key),
    "periodic": lambda images, **key: noise.periodic(images, 20, **key),
    "mixture": lambda images, **key: noise.mixture(images, **key),
    "shot": lambda images, **key: noise.shot(images, 20, **key),
    "motion_blur": lambda images, **key: noise.motion_blur(images, 5, sigma=10, **key),
}

every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)

NINE_KINDS = ("gaussian", "periodic", "salt_and_pepper")

SHAPES = [(7, 5, 3), (1, 1, 1), (3, 3, 3), (8, 8, 4)]  # value counts that four divides and does not divide


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


@every_model
@pytest.mark.parametrize("shape", SHAPES)
def test_noise_is_the_same_whatever_the_batch_size(model, shape):
    images = photographs(6, shape)
    whole = apply(model, images)
    parts = [apply(model, images[i : i + 2], indices=np.arange(i, i + 2)) for i in (0, 2, 4)]
    single = [apply(model, images[i : i + 1], indices=[i]) for i in range(6)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(np.concatenate(single), whole)


@every_model
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [[5, 0, 3], [2, 1, 0], [4, 4, 4], [0, 2, 4], [1, 2, 3]])
def test_noise_follows_the_indices_in_any_order(model, shape, order):
    images = photographs(6, shape)
    np.testing.assert_array_equal(
        apply(model, images[order], indices=np.array(order)), apply(model, images)[order]
    )


@every_model
def test_one_call_gives_one_result_and_every_key_another(model):
    images = grey(4)
    first = apply(model, images, copy=3)
    np.testing.assert_array_equal(apply(model, images, copy=3), first)
    others = [
        apply(model, images, copy=0),
        apply(model, images, copy=4),
        apply(model, images, copy=3, seed=2),
        apply(model, images, copy=3, indices=np.arange(4) + 4),
    ]
    for other in others:
        assert not np.array_equal(other, first)


@every_model
def test_copies_come_back_in_any_order(model):
    images = photographs(3)
    copies = {copy: apply(model, images, copy=copy) for copy in (2, 0, 1)}
    for copy in range(3):
        np.testing.assert_array_equal(apply(model, images, copy=copy), copies[copy])


@every_model
def test_bytes_and_floats_get_the_same_noise(model):
    images = photographs(4)
    np.testing.assert_array_equal(apply(model, images), apply(model, images.astype(np.float32)))


@every_model
def test_large_seeds_and_indices_are_keys_of_their_own(model):
    images = grey(2)
    indices = np.array([2**40, 2**40 + 7])
    far = apply(model, images, seed=2**62 + 1, indices=indices)
    np.testing.assert_array_equal(apply(model, images, seed=2**62 + 1, indices=indices), far)
    assert not np.array_equal(far, apply(model, images, seed=2**62, indices=indices))
    assert not np.array_equal(far, apply(model, images, seed=2**62 + 1, indices=indices - 2**40))


def test_neighbouring_images_copies_and_seeds_share_no_noise():
    images = grey(3, side=64, channels=1)
    fields = [noise.gaussian(images, 20, seed=seed, copy=copy) for seed in (0, 1) for copy in (0, 1)]
    fields = np.concatenate([field.numpy() for field in fields]).reshape(12, -1)
    correlation = np.corrcoef(fields) - np.eye(12)
    assert np.abs(correlation).max() < 5 / np.sqrt(64 * 64)


@every_model
def test_an_empty_batch_stays_empty(model):
    assert model(np.zeros((0, 8, 8, 3), np.uint8), seed=1).shape == (0, 8, 8, 3)


@every_model
def test_noise_inside_a_pipeline_is_that_of_an_array(model):
    images = photographs(10)
    numbered = tf.data.Dataset.from_tensor_slices((images, np.arange(10))).batch(4)
    mapped = numbered.map(lambda batch, indices: model(batch, seed=1, indices=indices), num_parallel_calls=2)
    np.testing.assert_array_equal(np.concatenate(list(mapped.as_numpy_iterator())), apply(model, images))


@every_model
def test_noise_inside_a_pipeline_takes_a_seed_of_each_step(model):
    images = photographs(6)
    steps = tf.data.Dataset.from_tensor_slices(images).batch(3).enumerate()
    found = list(steps.map(lambda step, batch: model(batch, seed=step)).as_numpy_iterator())
    for step in range(2):
        batch = images[3 * step : 3 * step + 3]
        np.testing.assert_array_equal(found[step], apply(model, batch, seed=step))


@pytest.mark.parametrize("sigma", [1, 5, 15, 25])
def test_gaussian_has_the_standard_deviation_asked_for(sigma):
    field = apply(lambda images, **key: noise.gaussian(images, sigma, **key), grey(200)) - 128
    count = field.size
    assert abs(field.mean()) < 5 * sigma / np.sqrt(count)
    assert abs(field.std() / sigma - 1) < 5 / np.sqrt(2 * count)
    within = (np.abs(field) < sigma).mean()
    assert abs(within - 0.6827) < 5 * np.sqrt(0.6827 * 0.3173 / count)


def test_gaussian_is_white():
    field = apply(MODELS["gaussian"], grey(100)) - 128
    for axis in (1, 2, 3):
        shifted = np.roll(field, 1, axis)
        assert abs((field * shifted).mean()) / field.var() < 5 / np.sqrt(field.size)


def test_gaussian_saturates_outside_the_range():
    for level, expected in ((0.0, 0.0), (255.0, 255.0)):
        noisy = apply(MODELS["gaussian"], grey(20, level=level))
        assert abs((noisy == expected).mean() - 0.5) < 5 * 0.5 / np.sqrt(noisy.size)


def free_field(images, sigma, **key):
    """The noise before any overflow, found on an image in the middle of a range without ends."""
    return apply(lambda images, **key: noise.gaussian(images, sigma, **key), np.full_like(images, 128), **key)


def test_overflow_follows_byte_arithmetic():
    images = photographs(8).astype(np.float32)
    field = free_field(images, 10, seed=4) - 128  # at 12 sigma nothing saturates
    options = {"seed": 4}
    np.testing.assert_allclose(
        noise.gaussian(images, 10, **options), np.clip(images + field, 0, 255), atol=1e-3
    )
    # Rounding of sums next to .5 may differ by the last bit of the field, a few times in many values.
    wrapped = noise.gaussian(images, 10, overflow="wrap", **options).numpy()
    expected = np.rint(images + field).astype(int).astype(np.uint8)
    assert (wrapped == expected).mean() > 0.999
    cast = noise.gaussian(images, 10, overflow="cast", **options).numpy()
    expected = np.clip(images + np.rint(field).astype(int).astype(np.uint8), 0, 255)
    assert (cast == expected).mean() > 0.999


def test_overflow_by_hand():
    dark, bright = grey(1, level=2.0), grey(1, level=253.0)
    signs = free_field(dark, 10, seed=3) < 128
    wrapped = noise.gaussian(dark, 10, seed=3, overflow="wrap").numpy()
    assert wrapped[signs].mean() > 150  # some values pass below zero and come back from above
    assert wrapped[~signs].max() < 100
    cast = noise.gaussian(bright, 10, seed=3, overflow="cast").numpy()
    assert (cast == 255).mean() > 0.85
    cast = noise.gaussian(dark, 10, seed=3, overflow="cast").numpy()
    assert (cast[signs] > 200).mean() > 0.9  # negative noise turns into white


def test_overflow_of_another_name_is_refused():
    with pytest.raises(ValueError, match="unknown overflow 'saturate': choose one of clip, wrap, cast"):
        noise.gaussian(grey(1), 5, seed=0, overflow="saturate")


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.4])
@pytest.mark.parametrize("per", ["channel", "pixel"])
def test_salt_and_pepper_are_half_of_the_fraction_each(fraction, per):
    noisy = noise.salt_and_pepper(grey(200), fraction, seed=5, per=per).numpy()
    draws = noisy.size if per == "channel" else noisy.size // 3
    tolerance = 5 * np.sqrt(fraction / 2 / draws)
    assert abs((noisy == 255).mean() - fraction / 2) < tolerance
    assert abs((noisy == 0).mean() - fraction / 2) < tolerance
    assert ((noisy == 0) | (noisy == 128) | (noisy == 255)).all()


def test_impulses_hit_values_or_whole_pixels():
    channel = noise.salt_and_pepper(grey(50), 0.2, seed=5).numpy()
    pixel = noise.salt_and_pepper(grey(50), 0.2, seed=5, per="pixel").numpy()
    assert (pixel == pixel[..., :1]).all()
    changed = (channel != 128).sum(-1)
    share_of_all_three = (changed == 3).mean()
    assert abs(share_of_all_three - 0.2**3) < 5 * np.sqrt(0.008 / changed.size)


@pytest.mark.parametrize(("fraction", "left"), [(0, 1.0), (1, 0.0)])
def test_none_and_all_of_the_values(fraction, left):
    assert (noise.salt_and_pepper(grey(5), fraction, seed=5).numpy() == 128).mean() == left


def test_per_of_another_name_is_refused():
    with pytest.raises(ValueError, match="unknown per 'image': choose channel or pixel"):
        noise.salt_and_pepper(grey(1), 0.1, seed=0, per="image")


@pytest.mark.parametrize("period", [4.0, 8.0, 20.0])
def test_wave_has_the_period_and_amplitude_asked_for(period):
    wave = noise.periodic(grey(6, side=80), 30, seed=2, period=period).numpy() - 128
    assert (wave == wave[..., :1]).all()
    spectrum = 2 * np.abs(np.fft.fft2(wave[..., 0])) / 80**2
    waves = round(80 / period)
    for image in spectrum:
        assert abs(image[0, waves] - 30) < 0.01
        assert abs(image[waves, 0] - 30) < 0.01
        image[[0, waves, 0, 80 - waves], [waves, 0, 80 - waves, 0]] = 0
        assert image.max() < 0.01  # and nothing else
    np.testing.assert_allclose(wave.std((1, 2, 3)), 30, rtol=1e-3)
    assert np.abs(wave).max() <= 60 + 1e-3


def test_wave_matches_its_formula_and_saturates():
    x = np.arange(40)
    wave = noise.periodic(grey(1, level=100.0), 90, seed=2, period=10.0).numpy()[0, ..., 0]
    free = noise.periodic(grey(1), 30, seed=2, period=10.0).numpy()[0, ..., 0]
    np.testing.assert_allclose(wave, np.clip(100 + 3 * (free - 128), 0, 255), atol=1e-3)
    along_x, along_y = free.mean(0) - 128, free.mean(1) - 128
    phase_x = np.angle(np.sum(along_x * np.exp(-2j * np.pi * x / 10))) + np.pi / 2
    phase_y = np.angle(np.sum(along_y * np.exp(-2j * np.pi * x / 10)))
    np.testing.assert_allclose(along_x, 30 * np.sin(2 * np.pi * x / 10 + phase_x), atol=1e-3)
    np.testing.assert_allclose(along_y, 30 * np.cos(2 * np.pi * x / 10 + phase_y), atol=1e-3)


def turns(wave, axis):
    """Phases of waves (N, 8, 8) of period 8 across an axis, as shares of a turn."""
    return np.angle(wave.mean(axis) @ np.exp(2j * np.pi * np.arange(8) / 8)) / (2 * np.pi) % 1


def test_phases_are_uniform():
    wave = noise.periodic(grey(400, side=8, channels=1), 30, seed=2).numpy()[..., 0] - 128
    for axis in (1, 2):
        gap = np.abs(np.sort(turns(wave, axis)) - np.linspace(0, 1, 400)).max()
        assert gap < 1.95 / np.sqrt(400)  # Kolmogorov-Smirnov at 0.1 %


def test_models_share_no_draws_under_one_seed():
    wave = noise.periodic(grey(800, side=8, channels=1), 30, seed=2).numpy()[..., 0] - 128
    # One value an image, so that both models take as many numbers from the generator.
    peppered = noise.salt_and_pepper(grey(800, side=1, channels=1), 0.5, seed=2).numpy().ravel() == 0
    assert 140 < peppered.sum() < 260
    direction = np.exp(2j * np.pi * turns(wave, 1)[peppered]).mean()
    assert abs(direction) < 0.25  # 200 phases in all directions


@pytest.mark.parametrize("light", [16, 64, 128, 192])
def test_shot_noise_grows_with_the_root_of_the_light(light):
    field = apply(lambda images, **key: noise.shot(images, 20, **key), grey(200, level=light)) - light
    assert abs(field.mean()) < 0.1
    assert field.std() == pytest.approx(20 * np.sqrt(light / 255), rel=0.01)


def test_shot_noise_leaves_black_alone_and_saturates_at_white():
    assert not apply(MODELS["shot"], grey(3, level=0)).any()
    white = apply(MODELS["shot"], grey(20, level=255))
    assert (white == 255).mean() == pytest.approx(0.5, abs=0.02)


def test_shot_and_gaussian_noise_are_drawn_apart():
    images = grey(3, side=64, level=255 / 2)
    fields = [
        noise.shot(images, 20, seed=1).numpy().ravel(),
        noise.gaussian(images, 20, seed=1).numpy().ravel(),
    ]
    assert abs(np.corrcoef(fields)[0, 1]) < 5 / np.sqrt(fields[0].size)


def test_blur_spreads_a_point_as_a_gaussian():
    point = np.zeros((1, 21, 21, 1), np.float32)
    point[0, 10, 10] = 255
    spread = noise.blur(point, 1.5).numpy()[0, :, :, 0]
    distance = np.arange(21) - 10
    expected = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * 1.5**2))
    np.testing.assert_allclose(spread, 255 * expected / expected.sum(), atol=1e-3)


def test_blur_keeps_flat_images_and_is_not_random():
    np.testing.assert_allclose(noise.blur(grey(2, level=200), 2), 200, atol=1e-3)
    images = photographs(5)
    np.testing.assert_array_equal(noise.blur(images, 1, seed=1), noise.blur(images, 1, seed=2, copy=3))
    assert noise.blur(images[:0], 1).shape == images[:0].shape


def test_motion_blur_draws_a_point_into_a_line_of_its_length_through_it():
    points = np.zeros((200, 21, 21, 1), np.float32)
    points[:, 10, 10] = 255
    lines = apply(lambda images, **key: noise.motion_blur(images, 8, **key), points)[..., 0]
    np.testing.assert_allclose(lines.sum((1, 2)), 255, rtol=1e-4)
    place = np.arange(21) - 10
    middles = [(lines * other).sum((1, 2)) / 255 for other in (place[:, None], place)]
    np.testing.assert_allclose(middles, 0, atol=1e-3)
    spread = (lines * (place[:, None] ** 2 + place**2)).sum((1, 2)) / 255
    # of sixteen places on a line of length 8, and of the bilinear kernel, up to 1/4 a direction
    expected = np.mean(np.linspace(-4, 4, 16) ** 2)
    assert ((spread > expected - 1e-3) & (spread < expected + 0.5)).all()
    crossed = (lines * np.multiply.outer(place, place)).sum((1, 2)) / 255
    along = (lines * place**2).sum((1, 2)) / 255
    turns = np.arctan2(2 * crossed, 2 * along - spread) / (2 * np.pi)  # of a direction, in half circles
    assert abs(np.exp(2j * np.pi * turns).mean()) < 0.25  # all directions


def test_motion_blur_keeps_flat_images_and_adds_noise_of_its_sigma():
    images = grey(50)
    np.testing.assert_allclose(noise.motion_blur(images, 6, seed=0), 128, atol=1e-3)
    field = apply(lambda images, **key: noise.motion_blur(images, 6, sigma=10, **key), images) - 128
    assert field.std() == pytest.approx(10, rel=0.01)
    np.testing.assert_array_equal(noise.motion_blur(images, 0, sigma=10, seed=0), images)


def test_jpeg_is_what_pillow_reads_from_its_file():
    (image,) = photographs(1, shape=(24, 16, 3))
    image = np.asarray(Image.fromarray(image).resize((64, 48), Image.Resampling.BICUBIC))
    for loss in (10, 50, 90):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=100 - loss, subsampling=2)
        read = np.asarray(Image.open(file)).astype(float)
        found = noise.jpeg(image[None], loss).numpy()[0]
        assert np.abs(found - read).mean() < 0.1 * np.abs(read - image).mean()


def test_jpeg_takes_grey_images_and_is_not_random():
    images = photographs(3, shape=(16, 16, 1))
    first = apply(noise.jpeg, images, loss=60)
    np.testing.assert_array_equal(apply(noise.jpeg, images, loss=60, seed=2, copy=1), first)
    assert noise.jpeg(images[:0], 60).shape == images[:0].shape


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        (noise.gaussian, [0, 5, 50]),
        (noise.salt_and_pepper, [0, 0.01, 0.4]),
        (noise.periodic, [0, 16, 64]),
        (noise.shot, [0, 10, 60]),
        (noise.blur, [0, 0.7, 2]),
        (noise.motion_blur, [0, 2, 9]),
        (noise.jpeg, [0, 40, 95]),
    ],
)
def test_every_image_may_have_its_own_level(model, levels):
    images = photographs(3)
    together = model(images, np.array(levels), seed=6).numpy()
    for index, level in enumerate(levels):
        alone = model(images[index : index + 1], level, seed=6, indices=[index]).numpy()
        np.testing.assert_array_equal(together[index], alone[0])
    np.testing.assert_array_equal(together[0], images[0])
    assert np.abs(together[2] - images[2]).mean() > np.abs(together[1] - images[1]).mean() > 0


def recognised(noisy):
    """Kind of noise on a grey image."""
    changed = noisy - 128
    if not changed.any():
        return "none"
    if set(np.unique(noisy)) <= {0, 128, 255}:
        return "salt_and_pepper"
    return "periodic" if (changed == changed[..., :1]).all() else "gaussian"


def test_mixture_takes_every_kind_equally_often_and_leaves_some_clean():
    noisy = apply(MODELS["mixture"], grey(1000, side=24))
    kinds = [recognised(image) for image in noisy]
    shares = {kind: kinds.count(kind) / 1000 for kind in set(kinds)}
    assert abs(shares["none"] - 0.1) < 0.05  # a weak salt & pepper leaves a few untouched too
    for kind in NINE_KINDS:
        assert abs(shares[kind] - 0.3) < 0.075
