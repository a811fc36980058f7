import linear
import numpy as np
import pytest

from helpers.minimum_noise import attacks

SEEING = {
    "ddn": attacks.ddn(60),
    "deepfool": attacks.deepfool(20),
    "fmn": attacks.fmn(100),
    "carlini_wagner": attacks.carlini_wagner(60, 3),
}


@pytest.mark.parametrize("name", SEEING)
def test_attacks_that_see_gradients_come_near_the_least_noise(name):
    model, images, labels, least = linear.problem()
    found = attacks.attack(SEEING[name], model, images, labels, seed=0)
    assert found.success.all()
    assert (found.norms >= 0.999 * least).all()
    assert (found.norms <= 1.3 * least).all()
    assert (found.predicted != labels).all()
    assert (found.gradients > 0).all()
    assert (found.gradients <= found.queries).all()
    noisy = images + found.noise
    assert 0 <= noisy.min() <= noisy.max() <= 255


def test_hop_skip_jump_sees_no_gradients():
    model, images, labels, least = linear.problem()
    found = attacks.attack(attacks.hop_skip_jump(5), model, images, labels, seed=0)
    assert found.success.all()
    assert not found.gradients.any()
    assert (found.queries > 500).all()
    assert (found.after(600) > found.norms).all()
    assert (found.norms < 3 * least).all()


def test_hop_skip_jump_needs_a_neighbour_of_another_class():
    model, images, labels, _ = linear.problem(12)
    alone = labels == labels[0]
    found = attacks.attack(attacks.hop_skip_jump(1), model, images[alone], labels[alone], seed=0)
    assert not found.success.any()
    assert (found.queries == 2).all()


def test_every_question_and_gradient_is_counted(monkeypatch):
    model, images, labels, _ = linear.problem()
    asked, scores = [], attacks.Oracle.__init__

    def counting(self, *arguments):
        scores(self, *arguments)
        ask = self.scores
        self.scores = lambda batch: (asked.append(len(batch)), ask(batch))[1]

    monkeypatch.setattr(attacks.Oracle, "__init__", counting)
    found = attacks.attack(attacks.ddn(7), model, images, labels, seed=0)
    assert found.queries.sum() == len(images) + sum(asked)
    assert (found.gradients == 7).all()


def test_images_that_are_wrong_already_are_left_alone():
    model, images, labels, _ = linear.problem()
    labels = np.where(np.arange(6) == 2, (labels + 1) % 3, labels)
    found = attacks.attack(attacks.ddn(5), model, images, labels, seed=0)
    assert found.already_wrong[2]
    assert found.queries[2] == 2
    assert found.gradients[2] == 0
    assert found.success.sum() == 5


def test_a_model_whose_score_is_no_number_stops_the_attack():
    model, images, labels, _ = linear.problem()
    asked = []

    def failing(batch):
        asked.append(len(batch))
        return model(batch) * (np.nan if len(asked) > 4 else 1.0)

    def broken(self, *arguments):
        scores(self, *arguments)
        self.scores = failing

    scores = attacks.Oracle.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attacks.Oracle, "__init__", broken)
        with pytest.raises(ValueError, match="image 0 with a score that is not a number"):
            attacks.attack(attacks.ddn(20), model, images, labels, seed=0)
