import numpy as np
import pytest

from helpers import recognition
from helpers.datasets import ImageSet


def crowd(groups, frames=1):
    """People with so many groups of frames each; an image's first pixels are its person, group and frame."""
    rows = [(p, g, f) for p, count in enumerate(groups) for g in range(count) for f in range(frames)]
    rows = np.array(rows, np.uint8)
    images = np.zeros((len(rows), 16, 16, 3), np.uint8)
    images[:, 0, :3, 0] = rows
    numbers = rows[:, 0].astype(int) * 100 + rows[:, 1]
    names = tuple(f"p{number}" for number in range(len(groups)))
    return ImageSet(images, rows[:, 0].astype(int), numbers, names, np.full((len(rows), 2), 16))


def known(images):
    return [tuple(image[0, :3, 0].tolist()) for image in images]


OPTIONS = {"enrolled": 3, "probes": 2, "public_images": None, "seed": 0}


def test_everybody_is_tested_once_and_is_nowhere_else_in_that_fold():
    folds = recognition.folds(crowd([6] * 10), 5, **OPTIONS)
    assert sorted(name for fold in folds for name in fold.tested.names) == sorted(f"p{k}" for k in range(10))
    for fold in folds:
        tested, held, public = map(set, (fold.tested.names, fold.held.names, fold.public.class_names))
        assert len(tested | held | public) == len(tested) + len(held) + len(public) == 10
        assert set(fold.public.labels) == set(range(len(public)))
        shown = [fold.public.class_names[label] for label in fold.public.labels]
        assert shown == [f"p{person}" for person, _, _ in known(fold.public.images)]


def test_enrolled_images_and_probes_are_of_other_groups():
    for fold in recognition.folds(crowd([2, 4, 5, 6, 7, 8], frames=4), 3, **OPTIONS):
        for trial in (fold.held, fold.tested):
            for number, name in enumerate(trial.names):
                enrolled, probes = known(trial.enrolled[number]), known(trial.probes[trial.shown == number])
                assert {f"p{person}" for person, _, _ in enrolled + probes} == {name}
                assert not {group for _, group, _ in enrolled} & {group for _, group, _ in probes}
                assert len(set(enrolled)) == 3 and len(set(probes)) == 2


def test_other_groups_come_before_other_frames():
    fold = recognition.folds(crowd([6] * 6, frames=5), 3, **OPTIONS)[0]
    assert all(len({group for _, group, _ in known(images)}) == 3 for images in fold.tested.enrolled)


def test_who_has_one_group_is_of_the_public():
    for fold in recognition.folds(crowd([1, 6, 6, 6, 6, 6, 6], frames=2), 3, **OPTIONS):
        assert "p0" in fold.public.class_names


def test_the_public_has_as_many_images_as_asked_for():
    fold = recognition.folds(crowd([8] * 6), 3, **OPTIONS | {"public_images": 4})[0]
    assert np.bincount(fold.public.labels).tolist() == [4, 4]


def test_fewer_enrolled_images_are_some_of_the_same_and_the_probes_stay():
    fold = recognition.folds(crowd([6] * 6), 3, **OPTIONS)[0]
    less = fold.with_enrolled(1)
    for trial, before in ((less.held, fold.held), (less.tested, fold.tested)):
        assert [known(images) for images in trial.enrolled] == [
            known(images)[:1] for images in before.enrolled
        ]
        assert trial.probes is before.probes


def test_a_seed_decides():
    one, same, other = (recognition.folds(crowd([6] * 9), 3, **OPTIONS | {"seed": s})[0] for s in (1, 1, 2))
    assert one.tested.names == same.tested.names != other.tested.names


@pytest.mark.parametrize(("groups", "count"), [([6] * 10, 2), ([6] * 5, 3), ([1] * 20, 3)])
def test_too_few_people_or_folds_are_refused(groups, count):
    with pytest.raises(ValueError, match="three folds at least, of two people each"):
        recognition.folds(crowd(groups), count, **OPTIONS)
