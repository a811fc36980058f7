"""A small crowd that can be told apart, and one recogniser of it for all tests."""

import numpy as np
import pytest

from helpers import recognition, training
from helpers.datasets import ImageSet
from helpers.recognition import signatures
from helpers.training import fitting

PEOPLE, EACH, SIDE = 18, 8, 16


def faces(seed=0, people=PEOPLE):
    """Patterns of a few colours, one a person, in other light each time."""
    rng = np.random.default_rng(seed)
    patterns = np.kron(rng.uniform(40, 215, (people, 4, 4, 3)), np.ones((1, SIDE // 4, SIDE // 4, 1)))
    light = rng.uniform(0.8, 1.2, (people, EACH, 1, 1, 1))
    images = patterns[:, None] * light + rng.normal(0, 6, (people, EACH, SIDE, SIDE, 3))
    images = np.rint(np.clip(images, 0, 255)).astype(np.uint8).reshape(-1, SIDE, SIDE, 3)
    labels, names = np.repeat(np.arange(people), EACH), tuple(f"p{k}" for k in range(people))
    return ImageSet(images, labels, np.arange(len(labels)), names, np.full((len(labels), 2), SIDE))


@pytest.fixture(scope="session")
def folds():
    return recognition.folds(faces(), 3, enrolled=4, probes=3, public_images=None, seed=0)


@pytest.fixture(scope="session")
def caches(tmp_path_factory):
    """Trainings of these tests are kept for these tests alone."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "CACHE", folder / "signatures")
        patch.setattr(fitting, "CACHE", folder / "trainings")
        yield folder


@pytest.fixture(scope="session")
def options():
    return {
        "general_recipe": training.Recipe(24, 0.003, batch_size=16),
        "recipe": recognition.Recipe(steps=120, images=4, width=4),
    }


@pytest.fixture(scope="session")
def recognisers(caches, folds, options):
    return recognition.fit_all(folds[:2], seeds=[0, 1], **options)


@pytest.fixture
def gallery(tmp_path, recognisers):
    return recognition.Gallery.found(tmp_path / "gallery", recognisers[0][0], "resize")


@pytest.fixture
def trial(folds):
    return folds[0].tested


@pytest.fixture
def full(gallery, trial):
    gallery.enrol(dict(zip(trial.names, trial.enrolled, strict=True)))
    return gallery
