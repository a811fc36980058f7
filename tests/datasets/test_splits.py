import numpy as np
import pytest

from helpers import datasets


@pytest.mark.parametrize("count", [3, 10, 47, 99])
def test_a_part_keeps_the_shares_of_the_classes(count):
    labels = np.repeat([0, 1, 2], [70, 25, 5])
    whole = datasets.ImageSet(
        np.zeros((100, 1, 1, 3), np.uint8), labels, np.arange(100), ("a", "b", "c"), np.zeros((100, 2))
    )
    shares = np.bincount(whole.part(count, seed=0).labels, minlength=3)
    assert shares.sum() == count
    assert shares.min() >= 1
    if count > 10:
        assert np.abs(shares - np.array([70, 25, 5]) * count / 100).max() < 1


def tracks_of(*frames, classes=2):
    """Images of so many tracks with these numbers of frames each, in every class; their pixels count them."""
    labels = np.repeat(np.arange(classes), sum(frames))
    groups = np.repeat(np.arange(classes * len(frames)), np.tile(frames, classes))
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 1, 3), np.uint8)
    return datasets.ImageSet(images, labels, groups, ("a", "b"), np.full((len(labels), 2), 9))


def test_a_part_has_whole_tracks_but_one_of_each_class_in_their_order():
    whole = tracks_of(4, 4, 4, 4)
    part = whole.part(20, seed=3)
    _, frames = np.unique(part.groups, return_counts=True)
    assert len(part) == 20 and sorted(frames) == [2, 2, 4, 4, 4, 4]
    places = part.images[:, 0, 0, 0]
    assert (np.diff(places) > 0).all()
    for name in ("labels", "groups", "sizes"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[places])
    again, other = (whole.part(20, seed=seed).images for seed in (3, 4))
    np.testing.assert_array_equal(again, part.images)
    assert not np.array_equal(other, part.images)


def test_split_by_group():
    labels = np.repeat([0, 0, 1, 1, 2, 3], 5)
    groups = np.repeat([0, 1, 2, 3, 4, 5], 5)
    stay, held = datasets.split_by_group(labels, groups, 0.1, seed=0)
    assert set(groups[stay]).isdisjoint(groups[held])
    np.testing.assert_array_equal(np.sort(np.concatenate([stay, held])), np.arange(30))
    np.testing.assert_array_equal(np.bincount(labels[held], minlength=4), [5, 5, 0, 0])  # single tracks stay
    again = datasets.split_by_group(labels, groups, 0.1, seed=0)[1]
    np.testing.assert_array_equal(again, held)
    others = {tuple(datasets.split_by_group(labels, groups, 0.1, seed=seed)[1]) for seed in range(8)}
    assert len(others) > 1


def test_split_by_group_takes_the_fraction_of_each_class():
    labels = np.repeat([0, 1], [200, 50])
    _, held = datasets.split_by_group(labels, np.arange(250), 0.2, seed=0)
    np.testing.assert_array_equal(np.bincount(labels[held]), [40, 10])
