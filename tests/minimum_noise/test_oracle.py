import linear
import numpy as np
import pytest

from helpers import metrics, minimum_noise
from helpers.backend import keras, tf
from helpers.minimum_noise.oracle import Oracle


def asked(count=6):
    model, images, labels, _ = linear.problem(count)
    return Oracle(model, images, labels), model, images, labels


def test_classes_are_ahead_by_their_logit_minus_the_true_one():
    oracle, model, _, labels = asked()
    candidates = np.random.default_rng(3).uniform(0, 255, (2, 5, *linear.SHAPE)).astype(np.float32)
    logits = model(candidates.reshape(10, *linear.SHAPE)).numpy().reshape(2, 5, -1)
    which = np.array([4, 1])
    found = oracle.ahead(which, candidates)
    for ahead, row, label in zip(found, logits, labels[which], strict=True):
        assert np.isneginf(ahead[:, label]).all()
        expected = row - row[:, [label]]
        np.testing.assert_allclose(np.delete(ahead, label, 1), np.delete(expected, label, 1), rtol=1e-5)


def test_every_question_is_counted():
    oracle, *_ = asked()
    assert oracle.queries.tolist() == [1] * 6  # the images themselves
    oracle.ahead(np.array([2, 5]), np.zeros((2, 7, *linear.SHAPE), np.float32))
    assert oracle.queries.tolist() == [1, 1, 8, 1, 1, 8]
    assert oracle.result().queries.tolist() == [2, 2, 9, 2, 2, 9]


def test_the_smallest_noise_that_makes_an_image_wrong_is_kept():
    oracle, model, images, labels = asked()
    least = linear.least_noise(model, images, labels)[[1, 3]]
    for size, wrong in ((5, True), (3, True), (4, True), (1, False)):
        oracle.keep(np.array([1, 3]), images[[1, 3]] + size * least, np.array([wrong, False]))
    found, expected = oracle.result(), np.linalg.norm(3 * least[0])
    np.testing.assert_allclose(found.norms[1], expected, rtol=1e-5)
    np.testing.assert_allclose(found.noise[1], 3 * least[0], atol=1e-4)
    assert np.isinf(found.norms[[0, 2, 3, 4, 5]]).all()
    assert found.success.tolist() == [False, True, False, False, False, False]
    np.testing.assert_allclose(found.trace["norm"], [5 / 3 * expected, expected], rtol=1e-5)
    np.testing.assert_allclose(found.after(1), found.norms)
    assert np.isinf(found.after(0)).all()
    table, noisy = found.table(model, images, labels, "by hand"), images[1:2] + found.noise[1:2]
    assert table.loc[1, ["l2", "linf", "psnr"]].tolist() == pytest.approx(
        [found.norms[1], np.abs(found.noise[1]).max(), metrics.psnr(images[1:2], noisy)[0]]
    )
    assert table.loc[[0, 2], ["l2", "linf", "psnr"]].isna().all(axis=None)
    assert table["rounded"].tolist() == [False, True, False, False, False, False]


def test_a_table_says_which_noise_survives_whole_grey_levels():
    image = np.full((1, *linear.SHAPE), 128, np.uint8)
    model = linear.classifier(classes=2)
    brightness = np.full((image.size, 2), [0.0, 0.01])
    threshold = -0.01 * (image.sum() + 0.2 * image.size)  # 0.2 brighter is enough
    model.set_weights([brightness, np.array([0.0, threshold])])
    for brighter, survives in ((0.3, False), (0.7, True)):
        oracle = Oracle(model, image, [0])
        oracle.replace(np.array([0]), image + np.float32(brighter))
        found = oracle.result()
        assert found.success.all()
        assert found.table(model, image, [0], "by hand")["rounded"].tolist() == [survives]


def test_images_that_are_wrong_already_need_no_noise():
    model, images, labels, _ = linear.problem()
    labels = np.where(np.arange(6) == 2, (labels + 1) % 3, labels)
    found = Oracle(model, images, labels).result()
    assert found.already_wrong.tolist() == [False, False, True, False, False, False]
    assert found.norms[2] == 0
    assert not found.success.any()
    assert found.predicted[2] != labels[2]
    assert found.margin[2] > 0
    assert (found.margin[found.predicted == labels] == 0).all()


def test_probabilities_are_handled_as_logits():
    model, images, labels, _ = linear.problem()
    shares = keras.Model(model.input, keras.layers.Softmax()(model.output))
    one, other = Oracle(model, images, labels), Oracle(shares, images, labels)
    np.testing.assert_allclose(one.clean, other.clean, atol=1e-4)
    np.testing.assert_allclose(one.result().margin, other.result().margin, atol=1e-5)


def test_a_score_that_is_no_number_stops_with_the_image_named():
    model, images, labels, _ = linear.problem()
    oracle = Oracle(model, images, labels)
    candidates = images[[3, 4]].astype(np.float32)[:, None].repeat(2, 1)
    candidates[1, 0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="image 4 with a score that is not a number"):
        oracle.ahead(np.array([3, 4]), candidates)


def test_what_replaces_may_be_larger_and_counts_from_then_on():
    oracle, _, images, _ = asked()
    for size in (3, 40):
        oracle.count(np.array([1]), 10)
        oracle.replace(np.array([1]), images[[1]] + np.float32(size))
    np.testing.assert_allclose(oracle.norms[1], 40 * np.sqrt(8 * 8 * 3))
    oracle.keep(np.array([1]), images[[1]] + np.float32(50), np.array([True]))
    np.testing.assert_allclose(oracle.norms[1], 40 * np.sqrt(8 * 8 * 3))


def test_noise_that_the_last_question_denies_was_not_found():
    oracle, _, images, labels = asked()
    oracle.replace(np.array([1, 2]), images[[1, 2]] + np.float32(0.001))
    found = oracle.result()
    assert (found.predicted == labels).all()
    assert np.isinf(found.norms).all()
    assert not found.noise.any()


def test_what_does_not_fit_is_refused():
    model, images, labels, _ = linear.problem()
    with pytest.raises(ValueError, match=r"images \(6, 8, 7, 3\) do not fit"):
        Oracle(model, images[:, :, 1:], labels)
    with pytest.raises(ValueError, match="as many whole labels"):
        Oracle(model, images, labels[1:])


SEARCHES = {
    "search": lambda *problem, **options: minimum_noise.search(*problem, **{"queries": 600} | options),
    "evolutionary": lambda *problem, **options: minimum_noise.evolutionary(
        *problem, **{"generations": 60, "population": 10} | options
    ),
}


@pytest.fixture(params=SEARCHES)
def find(request):
    return SEARCHES[request.param]


def test_noise_is_found_that_does_what_is_said_of_it(find):
    model, images, labels, least = linear.problem()
    found = find(model, images, labels, seed=0)
    assert found.success.all()
    noisy = images + found.noise
    assert noisy.min() >= 0
    assert noisy.max() <= 255
    scores = tf.nn.softmax(model(noisy)).numpy()
    np.testing.assert_array_equal(found.predicted, scores.argmax(1))
    assert (found.predicted != labels).all()
    np.testing.assert_allclose(found.margin, scores.max(1) - scores[np.arange(6), labels], atol=1e-6)
    np.testing.assert_allclose(found.norms, np.linalg.norm(found.noise.reshape(6, -1), axis=1), rtol=1e-5)
    assert (found.norms >= 0.999 * least).all()
    for image, steps in found.trace.groupby("image"):
        assert (np.diff(steps["queries"]) >= 0).all()
        assert steps["norm"].iloc[-1] == found.norms[image]
    assert not found.interrupted


def test_a_search_depends_on_its_seed_and_image_only(find):
    model, images, labels, _ = linear.problem()
    whole = find(model, images, labels, seed=0)
    again = find(model, images, labels, seed=0)
    np.testing.assert_array_equal(whole.noise, again.noise)
    part = find(model, images[:4], labels[:4], seed=0)
    np.testing.assert_allclose(part.norms, whole.norms[:4], rtol=1e-3)
    assert not np.allclose(find(model, images, labels, seed=1).norms, whole.norms, rtol=1e-6)


def test_an_interrupt_returns_what_was_found(find, monkeypatch):
    model, images, labels, _ = linear.problem()
    complete = find(model, images, labels, seed=0)
    replace = minimum_noise.Oracle.replace

    def interrupted(self, *arguments):
        replace(self, *arguments)
        if np.isfinite(self.norms).all():
            raise KeyboardInterrupt

    monkeypatch.setattr(minimum_noise.Oracle, "replace", interrupted)
    found = find(model, images, labels, seed=0)
    assert found.interrupted
    assert (found.queries < complete.queries).all()
    assert found.success.all()


def test_images_that_are_wrong_already_cost_nothing(find):
    model, images, labels, _ = linear.problem()
    labels = np.where(np.arange(6) == 2, (labels + 1) % 3, labels)
    found = find(model, images, labels, seed=0)
    assert found.queries[2] == 2  # the image, and the last look
    assert found.already_wrong.sum() == 1
    assert found.success.sum() == 5


def test_images_that_are_all_wrong_already_are_not_searched(find):
    model, images, labels, _ = linear.problem()
    found = find(model, images, (labels + 1) % 3, seed=0)
    assert found.already_wrong.all()
    assert (found.queries == 2).all()
    assert not found.noise.any()


def test_a_single_grey_image_is_searched(find):
    pixels = keras.Input((8, 8, 1))
    model = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Flatten()(pixels)))
    kernel = np.random.default_rng(0).normal(0, 0.01, (64, 2))
    model.set_weights([kernel, -128 * kernel.sum(0)])
    image = np.random.default_rng(1).integers(118, 139, (1, 8, 8, 1), np.uint8)
    label = model(image.astype(np.float32)).numpy().argmax(1).astype(np.uint8)
    assert find(model, image, label, seed=0).success.all()


def test_saturated_images_are_searched_too(find):
    model, images, labels, _ = linear.problem()
    images = np.where(images > 128, 255, 0).astype(np.uint8)
    labels = model(images.astype(np.float32)).numpy().argmax(1)
    found = find(model, images, labels, seed=0)
    noisy = images + found.noise
    assert 0 <= noisy.min() <= noisy.max() <= 255
