import numpy as np
import pytest

from helpers.backend import tf
from helpers.training import Recipe, augmentation

SEED = (3, 4)
SIDE = 41


def photographs(count=4, shape=(16, 12, 3)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def spot(x, y, count=64):
    """Images of a soft bright spot around (x, y), pixels from the centre."""
    columns, rows = np.meshgrid(*[np.arange(SIDE) - SIDE // 2] * 2)
    image = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4)
    return np.repeat(image[None, ..., None], count, axis=0).astype(np.float32)


def places(images):
    """Centre of the light, x and y from the middle of the image, (N, 2)."""
    images = np.asarray(images, np.float64)[..., 0]
    offsets = np.arange(SIDE) - SIDE // 2
    light = images.sum((1, 2))
    return np.stack([images.sum(1) @ offsets / light, images.sum(2) @ offsets / light], 1)


def test_no_strength_changes_nothing():
    images = photographs()
    for function in (augmentation.affine, augmentation.photometric, augmentation.AUGMENTATIONS["none"]):
        changed = function(images, SEED)
        assert changed.dtype == tf.float32
        np.testing.assert_allclose(changed, images, atol=1e-3)


def test_rotation_moves_a_spot_along_a_circle():
    found = places(augmentation.affine(spot(12, 0), SEED, rotation=30))
    np.testing.assert_allclose(np.hypot(*found.T), 12, atol=0.05)
    angles = np.degrees(np.arctan2(found[:, 1], found[:, 0]))
    assert np.abs(angles).max() <= 30.1
    assert angles.min() < -20
    assert angles.max() > 20


def test_rotation_keeps_angles_in_images_that_are_not_square():
    image = np.zeros((64, 21, 61, 1), np.float32)
    image[:, 10, 22:39] = 255  # a bar along x
    turned = augmentation.affine(image, SEED, rotation=30).numpy()[..., 0]
    rows, columns = np.mgrid[-10:11, -30:31]
    light = turned.sum((1, 2))
    xx, yy, xy = ((turned * part).sum((1, 2)) / light for part in (columns**2, rows**2, columns * rows))
    long = (xx + yy) / 2 + np.hypot((xx - yy) / 2, xy)
    np.testing.assert_allclose(long, (17**2 - 1) / 12, rtol=0.05)


def test_shift_moves_by_at_most_its_share_in_both_directions():
    found = places(augmentation.affine(spot(0, 0), SEED, shift=0.2))
    assert np.abs(found).max() <= 0.2 * SIDE + 0.01
    assert (found.max(0) > 0.13 * SIDE).all()
    assert (found.min(0) < -0.13 * SIDE).all()
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.4


def test_scale_moves_a_spot_along_its_direction():
    found = places(augmentation.affine(spot(8, 6), SEED, scale=0.25)) / [8, 6]
    assert found.min() >= 1 / 1.26
    assert found.max() <= 1.26
    assert (found.max(0) > 1.15).all()
    assert (found.min(0) < 0.87).all()


def test_shear_moves_across_by_the_tangent():
    found = places(augmentation.affine(spot(0, 10), SEED, shear=0.3))
    np.testing.assert_allclose(found[:, 1], 10, atol=0.05)
    assert np.abs(found[:, 0]).max() <= 3.05
    assert found[:, 0].min() < -2
    assert found[:, 0].max() > 2
    np.testing.assert_allclose(
        places(augmentation.affine(spot(10, 0), SEED, shear=0.3)), [[10, 0]] * 64, atol=0.05
    )


def test_rotated_images_are_scaled_along_their_own_axes():
    ends = [places(augmentation.affine(spot(*end), SEED, rotation=25, scale=0.3)) for end in ((9, 0), (0, 9))]
    back = np.linalg.inv(np.stack(ends, 2) / 9)  # from the new image to the old one
    products = back @ back.transpose(0, 2, 1)
    np.testing.assert_allclose(products[:, 0, 1], 0, atol=0.02)
    zooms = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
    assert zooms.min() > 1 / 1.31
    assert zooms.max() < 1.31
    assert np.abs(zooms[:, 0] - zooms[:, 1]).max() > 0.2


def test_the_centre_stays_where_it_is():
    found = places(augmentation.affine(spot(0, 0), SEED, rotation=40, scale=0.3, shear=0.3))
    np.testing.assert_allclose(found, 0, atol=0.05)


def test_borders_are_filled_with_the_nearest_value():
    images = np.full((16, 20, 20, 3), 77, np.float32)
    moved = augmentation.affine(images, SEED, rotation=40, shift=0.3, scale=0.3, shear=0.3)
    np.testing.assert_allclose(moved, images, atol=1e-3)


def test_photometric_gain_and_offset_stay_in_their_bounds():
    images = np.linspace(100, 150, 200, dtype=np.float32).reshape(1, 10, 20, 1).repeat(100, 0)
    changed = augmentation.photometric(images, SEED, brightness=0.1, contrast=0.4).numpy()
    gains = changed.std((1, 2, 3)) / images[0].std()
    offsets = changed.mean((1, 2, 3)) - images[0].mean()
    assert 0.6 <= gains.min() < 0.68
    assert 1.32 < gains.max() <= 1.4001
    assert -25.51 <= offsets.min() < -20
    assert 20 < offsets.max() <= 25.51
    expected = images.mean() + gains[:, None, None, None] * (images - images.mean())
    np.testing.assert_allclose(changed, expected + offsets[:, None, None, None], atol=1e-2)


@pytest.mark.parametrize("name", augmentation.AUGMENTATIONS)
def test_every_augmentation_keeps_shape_and_range(name):
    images = photographs(8)
    augment = augmentation.AUGMENTATIONS[name]
    changed = augment(images, SEED)
    assert changed.dtype == tf.float32
    assert changed.shape == images.shape
    assert changed.numpy().min() >= 0
    assert changed.numpy().max() <= 255
    np.testing.assert_array_equal(augment(images, SEED), changed)
    np.testing.assert_array_equal(augment(images.astype(np.float32), tf.constant(SEED)), changed)
    if name != "none":
        for other in ((4, 4), (3, 5)):
            assert not np.array_equal(augment(images, other), changed)
        same = augment(np.repeat(images[:1], 8, axis=0), SEED).numpy()
        assert len({image.tobytes() for image in same}) == 8  # each image is changed in its own way


@pytest.mark.parametrize("name", augmentation.AUGMENTATIONS)
def test_every_augmentation_works_inside_a_pipeline(name):
    images = photographs(8)
    augment = augmentation.AUGMENTATIONS[name]
    batches = tf.data.Dataset.from_tensor_slices(images).batch(4).map(lambda batch: augment(batch, SEED))
    found = np.concatenate(list(batches.as_numpy_iterator()))
    np.testing.assert_allclose(found[:4], augment(images[:4], SEED), atol=1e-2)


def test_paper_flips_both_ways_and_camera_neither():
    # A spot in one corner leaves it only by a flip: rotations by 40 degrees stay in its quadrant's reach.
    images = spot(9, 9, count=400)
    quadrants = np.sign(places(augmentation.paper(images, SEED))).astype(int)
    found, counts = np.unique(quadrants, axis=0, return_counts=True)
    assert found.tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert counts.min() > 60  # of 100
    assert (places(augmentation.camera(images, SEED)) > 0).all()


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="unknown augmentation 'papers': choose one of none, camera, paper"):
        Recipe(augmentation="papers")
