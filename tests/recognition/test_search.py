import numpy as np
import pytest

from helpers import recognition


def test_who_is_enrolled_is_found_and_who_is_not_is_nobody(full, trial, folds):
    index, right = full.index(), []
    for number, name in enumerate(trial.names):
        table = index.identify(trial.probes[trial.shown == number])
        right.append(table["name"].iloc[0] == name and bool(table["named"].iloc[0]))
        assert table["grade"].between(1, 10).all() and table["grade"].is_monotonic_decreasing
    assert np.mean(right) >= 0.75
    strangers = [index.identify(images)["grade"].iloc[0] for images in folds[0].held.enrolled]
    known = [index.identify(trial.probes[trial.shown == k])["grade"].iloc[0] for k in range(len(right))]
    assert np.mean(strangers) < np.mean(known)


def test_an_index_scores_as_the_signatures_do(full, trial):
    index = full.index()
    places, cosines, logits = index.search(trial.probes[:, None], 2)
    assert places.shape == cosines.shape == logits.shape == (len(trial.probes), 2)
    order = [index.names.index(name) for name in trial.names]
    alone = recognition.Signatures(list(index.discriminators), [], trial.probes.shape[1:]).logits(
        trial.probes
    )
    np.testing.assert_allclose(logits, np.take_along_axis(alone, places, 1), atol=1e-3)
    assert sorted(order) == list(range(len(trial.names)))


def test_of_more_entries_more_is_asked(full, trial):
    few, many = full.index(), full.index().grown(400, seed=0)
    scale = few.scale
    assert scale.threshold(400) > scale.threshold(len(few.names))
    for index in (few, many):
        table = index.identify(trial.probes[:1])
        odds = scale([table["cosine"].to_numpy(), table["signature"].to_numpy()])
        np.testing.assert_array_equal(table["named"], odds >= scale.threshold(len(index.names)))
        assert (np.diff(odds) <= 1e-6).all()


def test_an_empty_gallery_says_so(gallery, trial):
    with pytest.raises(ValueError, match="enrol somebody first"):
        gallery.index().identify(trial.probes[:1])


def test_many_clips_are_searched_as_each_alone_is(full, trial):
    index = full.index()
    clips = np.stack([trial.probes[trial.shown == k][:2] for k in range(len(trial.names))])
    many = np.concatenate([clips] * 7)  # more than one compiled batch
    together = index.search(many, 3)
    for number in (0, len(clips) - 1, len(many) - 1):
        alone = index.search(many[number : number + 1], 3)
        np.testing.assert_array_equal(alone[0][0], together[0][number])
        for one, all_of_them in zip(alone[1:], together[1:], strict=True):
            np.testing.assert_allclose(one[0], all_of_them[number], atol=1e-4)


def test_measures_of_a_clip_are_means_over_its_frames(full, trial):
    index, frames = full.index(), trial.probes[trial.shown == 0]
    _, _, logits = index.search(frames[None], 1)
    place = index.search(frames[None], 1)[0][0, 0]
    alone = recognition.Signatures(list(index.discriminators), [], frames.shape[1:]).logits(frames)
    assert logits[0, 0] == pytest.approx(alone[:, place].mean(), abs=1e-3)


def test_images_of_another_shape_are_refused(full, trial):
    with pytest.raises(ValueError, match="the gallery takes"):
        full.index().search(trial.probes[:1, None, :8])


def test_a_grown_index_has_as_many_entries_and_a_rate(full, trial):
    index = full.index().grown(30, seed=0)
    assert len(index.names) == len(set(index.names)) == 30
    assert index.rate(trial.probes, rounds=1) > 0
