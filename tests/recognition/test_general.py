import numpy as np

from helpers.recognition import general


def test_features_have_norm_one_and_those_of_a_person_lie_together(recognisers, folds):
    model, trial = recognisers[0][0].general, folds[0].tested
    features = general.embed(model, trial.probes)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    cosines, same = features @ features.T, trial.shown[:, None] == trial.shown
    assert 1 - cosines[same].mean() < (1 - cosines[~same].mean()) / 3


def test_the_nearest_image_of_an_entry_counts():
    probes = np.array([[1.0, 0.0], [0.0, 1.0]])
    entries = [np.array([[0.6, 0.8], [1.0, 0.0]]), np.array([[0.0, -1.0]])]
    np.testing.assert_allclose(general.similarity(probes, entries), [[1, 0], [0.8, -1]])
