import numpy as np

from helpers.training import batching


def test_balanced_sampling_draws_the_images_of_a_class_equally_often():
    labels = np.array([0, 1, 1, 1])
    draws = np.concatenate([batching._order(labels, True, (5, epoch)) for epoch in range(1000)])
    np.testing.assert_allclose(np.bincount(draws) / 4000, [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=0.035)
