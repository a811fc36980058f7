from dataclasses import replace

import numpy as np
import pytest

from helpers import recognition
from helpers.recognition import signatures

RECIPE = recognition.Recipe(steps=4, images=3, width=4)


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    monkeypatch.setattr(signatures, "CACHE", tmp_path / "signatures")
    return tmp_path / "signatures"


def test_a_signature_knows_its_person(recognisers, folds):
    trial = folds[0].tested
    logits = recognisers[0][0].signatures["signature"].logits(trial.probes)
    own = trial.shown[:, None] == np.arange(len(trial.names))
    assert logits.shape == own.shape
    assert logits[own].mean() > logits[~own].mean() + 1
    assert (logits.argmax(1) == trial.shown).mean() > 0.7


def test_generators_learn_only_where_they_play(fresh, folds):
    trial, public = folds[0].tested, folds[0].public.images
    both = signatures.enrol(trial.enrolled, public, RECIPE, seed=0)
    longer = signatures.enrol(trial.enrolled, public, replace(RECIPE, steps=8), seed=0)
    assert all((a != b).any() for a, b in zip(both.generators[::2], longer.generators[::2], strict=True))
    alone = replace(RECIPE, against=("others",))
    first = signatures.enrol(trial.enrolled, public, alone, seed=0)
    last = signatures.enrol(trial.enrolled, public, replace(alone, steps=8), seed=0)
    assert all((a == b).all() for a, b in zip(first.generators, last.generators, strict=True))
    assert all((a != b).any() for a, b in zip(first.discriminators, last.discriminators, strict=True))


def test_other_people_do_not_matter_to_who_never_meets_them(fresh, folds):
    trial, public = folds[0].tested, folds[0].public.images
    alone = replace(RECIPE, against=("generated",))
    one = signatures.enrol(trial.enrolled, public, alone, seed=0)
    other = signatures.enrol(trial.enrolled, public[::-1], alone, seed=0)
    assert all((a == b).all() for a, b in zip(one.discriminators, other.discriminators, strict=True))


def test_persons_do_not_matter_to_one_another(fresh, folds):
    people, public = folds[0].tested.enrolled, folds[0].public.images
    one = signatures.enrol(people, public, RECIPE, seed=0)
    changed = [people[0], *[images[::-1] // 2 for images in people[1:]]]
    other = signatures.enrol(changed, public, RECIPE, seed=0)
    for a, b in zip(one.discriminators, other.discriminators, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    assert any((a[1] != b[1]).any() for a, b in zip(one.discriminators, other.discriminators, strict=True))


def test_what_was_trained_is_found_again_and_a_seed_decides(fresh, folds):
    arguments = folds[0].tested.enrolled, folds[0].public.images, RECIPE
    one = signatures.enrol(*arguments, seed=0)
    (file,) = fresh.glob("*.npz")
    written = file.stat().st_mtime_ns
    again = signatures.enrol(*arguments, seed=0)
    anew = signatures.enrol(*arguments, seed=0, cache=False)
    assert file.stat().st_mtime_ns == written and len(list(fresh.glob("*.npz"))) == 1
    other = signatures.enrol(*arguments, seed=1)
    for name in ("discriminators", "generators"):
        for a, b, c in zip(getattr(one, name), getattr(again, name), getattr(anew, name), strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, c)
    assert (one.discriminators[0] != other.discriminators[0]).any()


def test_people_with_other_numbers_of_images_stand_side_by_side(fresh, folds):
    people = [images[: number + 1] for number, images in enumerate(folds[0].tested.enrolled)]
    found = signatures.enrol(people, folds[0].public.images, RECIPE, seed=0)
    assert len(found) == len(people) and np.isfinite(found.logits(people[0])).all()


def test_look_alikes_are_images_of_each_person(recognisers, folds):
    made = recognisers[0][0].signatures["signature"].generate(6, seed=0)
    assert made.shape == (len(folds[0].tested.names), 6, 16, 16, 3) and made.dtype == np.uint8


def test_look_alikes_of_grey_people_are_grey(fresh, folds):
    """Colours would give away at once what is no photograph."""
    people, public = folds[0].tested.enrolled, folds[0].public.images
    grey = [np.repeat(images[..., :1], 3, -1) for images in people]
    found = [
        signatures.enrol(images, public, RECIPE, seed=0).generate(4, seed=0) for images in (people, grey)
    ]
    assert [np.ptp(made, -1).max() > 0 for made in found] == [True, False]
    assert all(made.shape == (len(people), 4, 16, 16, 3) and np.ptp(made) > 100 for made in found)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"against": ("nobody",)}, "choose some of generated, others"), ({"steps": 0}, "steps is 0")],
)
def test_recipes_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        recognition.Recipe(**change)


def test_people_without_images_and_nobody_to_be_told_from_are_refused(folds):
    people, public = folds[0].tested.enrolled, folds[0].public.images
    with pytest.raises(ValueError, match="person 1 has no images"):
        signatures.enrol([people[0], people[1][:0]], public, RECIPE, seed=0)
    with pytest.raises(ValueError, match="no images of other people"):
        signatures.enrol(people, public[:0], RECIPE, seed=0)
    with pytest.raises(ValueError, match="multiples of 8"):
        signatures.enrol([images[:, :12] for images in people], public[:, :12], RECIPE, seed=0)


def test_a_loss_that_is_no_number_stops_with_advice(fresh, folds):
    wild = replace(RECIPE, learning_rate=float("nan"))
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        signatures.enrol(folds[0].tested.enrolled, folds[0].public.images, wild, seed=0)
    assert not list(fresh.glob("*.npz"))
