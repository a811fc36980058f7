import tracemalloc
from dataclasses import fields

import numpy as np
import pytest
from scipy import stats

from helpers import classifiers, metrics, noise, outputs, stability
from helpers.backend import keras, tf
from helpers.noise import philox
from helpers.stability import sweeps

SIGMAS = (5, 20, 60, 90)  # the largest clip
COLUMNS = ["sigma", "accuracy", "low", "high", "track_low", "track_high", "images", "copies"]
layers = keras.layers


def by_grey(*levels, side=2, slope=0.1):
    """A classifier linear in the mean grey level: class k lies between levels k-1 and k."""
    model = keras.Sequential(
        [
            keras.Input((side, side, 3)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(levels) + 1),
        ],
        name="by_grey",
    )
    rises = np.tile(np.arange(len(levels) + 1) * slope / 3, (3, 1))
    model.set_weights([rises, -slope * np.cumsum([0, *levels])])
    return model


def greys(count, seed=0, low=60, high=200):
    """Even pictures of many grey levels."""
    levels = np.random.default_rng(seed).integers(low, high, count)
    return np.broadcast_to(levels[:, None, None, None], (count, 2, 2, 3)).astype(np.uint8)


def photographs(count=6, side=16):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    return by_grey(110, 150)


IMAGES = greys(10)
LABELS = np.searchsorted([110, 150], IMAGES[:, 0, 0, 0])
LABELS[3] = (LABELS[3] + 1) % 3  # wrong without noise


@pytest.fixture(scope="module")
def network():
    """An untrained CNN whose answers differ from image to image and from copy to copy."""
    keras.utils.set_random_seed(0)
    network = classifiers.cnn_baseline(16, 5)
    network.layers[-1].bias.assign(-classifiers.logits(network, photographs()).mean(0))
    network.layers[-1].kernel.assign(network.layers[-1].kernel * 20)
    network.layers[-1].bias.assign(network.layers[-1].bias * 20)
    return network


@pytest.fixture
def small(monkeypatch):
    """Chunks of 4 images and 3 copies."""
    monkeypatch.setattr(sweeps, "BLOCK", 4)
    monkeypatch.setattr(sweeps, "RUN", 3)


@pytest.fixture
def computed(monkeypatch):
    """The chunks that are computed from now on."""
    original, chunks = sweeps._observed, []

    def counted(*args):
        chunks.append(args[-2])
        return original(*args)

    monkeypatch.setattr(sweeps, "_observed", counted)
    return chunks


PROTOCOL = {"sigmas": SIGMAS, "copies": 7, "seed": 1}


def vote(model, images=IMAGES, labels=LABELS, **options):
    return stability.Sweep(model, images, labels, **PROTOCOL | {"cache": None} | options).votes()


def fill(model, **options):
    shard = options.pop("shard")
    return stability.Sweep(model, IMAGES, LABELS, **PROTOCOL | options).fill(shard)


def assert_same(one, other):
    for name in (field.name for field in fields(one)):
        first, second = np.asarray(getattr(one, name)), np.asarray(getattr(other, name))
        assert first.dtype == second.dtype, name
        np.testing.assert_array_equal(first, second, err_msg=name)


# The noise


def normal(seed, image, copy, shape):
    """The field of one image and copy, drawn on its own."""
    keys = philox.keys(tf.zeros((1, *shape)), seed, [image], copy)
    return philox.draw(philox.NORMAL, keys, philox.SWEEP, int(np.prod(shape))).numpy().reshape(shape)


def noisy_copies(images, sigmas, copies, seed):
    """clip(x + s z(seed, i, c)) image by image: (N, copies, S, H, W, C)."""
    shape = images.shape[1:]
    return np.array(
        [
            [
                [np.clip(image + np.float32(sigma) * field, 0, 255) for sigma in sigmas]
                for field in (normal(seed, number, copy, shape) for copy in range(copies))
            ]
            for number, image in enumerate(images.astype(np.float32))
        ]
    )


@pytest.mark.parametrize("which", ["model", "network"])
def test_the_votes_are_those_of_a_plain_loop(which, request, small):
    model = request.getfixturevalue(which)
    images = IMAGES[:6] if which == "model" else photographs()
    labels = LABELS[:6] if which == "model" else classifiers.predictions(model, images)
    copies, classes = 4, model.output_shape[-1]
    noisy = noisy_copies(images, SIGMAS, copies, seed=1)
    scores = np.array([[tf.nn.softmax(model(copy)) for copy in image] for image in noisy])
    counts = np.zeros((6, 4, classes), int)
    failures = np.zeros((6, 5), int)
    calibration = np.zeros((4, sweeps.BINS, 3))
    for image, label in enumerate(labels):
        for copy in range(copies):
            answers = scores[image, copy].argmax(1)
            failures[image, next((s for s in range(4) if answers[s] != label), 4)] += 1
            for sigma, answer in enumerate(answers):
                counts[image, sigma, answer] += 1
                sure = scores[image, copy, sigma, answer]
                place = min(int(sure * sweeps.BINS), sweeps.BINS - 1)
                calibration[sigma, place] += 1, sure, answer == label

    found = vote(model, images, labels, copies=copies)
    assert len(np.unique(counts.sum((0, 1)))) > 1 and 0 < failures[:, -1].sum() < failures.sum()
    assert noisy.min() == 0 and noisy.max() == 255  # some are clipped
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.failures, failures)
    np.testing.assert_array_equal(found.calibration[..., 0::2], calibration[..., 0::2])
    np.testing.assert_allclose(found.calibration[..., 1], calibration[..., 1], rtol=1e-5)
    np.testing.assert_array_equal(found.clean_predictions, classifiers.predictions(model, images))
    for copy in range(sweeps.SAMPLED):
        for sigma in range(4):
            psnr, score, answer = found.sampled[:, sigma, copy].T
            np.testing.assert_array_equal(psnr, np.float32(metrics.psnr(images, noisy[:, copy, sigma])))
            np.testing.assert_allclose(score, scores[np.arange(6), copy, sigma, labels], rtol=1e-4)
            np.testing.assert_array_equal(answer, scores[:, copy, sigma].argmax(1))


def test_the_fields_are_standard_normal_and_unrelated():
    images = tf.zeros((3, 64, 64, 1))
    keyed = [(seed, copy) for seed in (0, 1) for copy in (0, 1, 24)]
    drawn = [sweeps._field(images, *map(tf.constant, (seed, 0, copy))) for seed, copy in keyed]
    fields = np.array(drawn).reshape(18, -1)
    assert abs(fields.mean()) < 5 / np.sqrt(fields.size)
    assert abs(fields.var() - 1) < 5 * np.sqrt(2 / fields.size)
    assert stats.kstest(fields.ravel(), "norm").statistic < 2 / np.sqrt(fields.size)
    grey = np.full((3, 64, 64, 1), 128)
    gaussian = [noise.gaussian(grey, 1, seed=seed, copy=copy) for seed, copy in keyed]
    both = np.concatenate([fields, np.array(gaussian).reshape(18, -1) - 128])
    assert np.abs(np.corrcoef(both) - np.eye(36)).max() < 5 / 64


def test_accuracy_follows_the_normal_distribution():
    images = greys(500, low=90, high=150)
    mean = images[:, 0, 0, 0].astype(float)
    sigmas = np.array([5, 10, 20, 30])  # none clips: 3 standard deviations at least
    found = vote(by_grey(120), images, (mean >= 120).astype(int), sigmas=sigmas, copies=25)
    deviation = sigmas / np.sqrt(12)  # of the mean of 12 values
    share = stats.norm.cdf(np.abs(mean - 120)[:, None] / deviation)
    error = np.sqrt((share * (1 - share)).sum(0) / 25) / 500
    assert (np.abs(found.shares().mean(0) - share.mean(0)) < 5 * error).all()
    assert (error < 0.003).all() and share.mean(0)[-1] < 0.9  # sharp, and not of a trivial share


def test_one_field_scaled_makes_a_failed_copy_fail_at_every_larger_sigma():
    images = greys(40, low=100, high=150)
    labels = (images[:, 0, 0, 0] >= 120).astype(int)
    found = vote(by_grey(120), images, labels, sigmas=(4, 8, 15, 20), copies=10)
    np.testing.assert_array_equal(10 - found.hits, np.cumsum(found.failures, 1)[:, :-1])
    assert found.failures[:, 1:-1].any()


def test_a_linear_classifier_is_certified_below_its_distance_only():
    images = greys(20, low=135, high=150)
    distance = (images[:, 0, 0, 0] - 120.0) * np.sqrt(12)  # every value moves by as much
    radii = vote(by_grey(120), images, np.ones(20, int), sigmas=(20, 40), copies=100).radii()
    assert (radii < distance[:, None]).all() and (radii[:, 1] > 0.35 * distance).all()


def test_fewer_sigmas_change_no_number_at_those_that_stay(network):
    images = photographs()
    labels = classifiers.predictions(network, images)
    every, some = (vote(network, images, labels, sigmas=sigmas) for sigmas in (SIGMAS, SIGMAS[1::2]))
    np.testing.assert_array_equal(some.counts, every.counts[:, 1::2])
    np.testing.assert_array_equal(some.calibration, every.calibration[1::2])
    np.testing.assert_array_equal(some.sampled, every.sampled[:, 1::2])
    np.testing.assert_array_equal(some.clean_predictions, every.clean_predictions)
    assert every.hits.max() > every.hits.min()


def test_another_seed_gives_other_copies(model):
    one, other = vote(model), vote(model, seed=2)
    assert not np.array_equal(one.sampled[..., 0], other.sampled[..., 0])


def test_changed_weights_are_seen(tmp_path):
    model = by_grey(110, 150)
    before = vote(model, cache=tmp_path)
    model.layers[-1].bias.assign([0, -1e6, -1e6])
    after = vote(model, cache=tmp_path)
    assert (before.counts[..., 0] < 7).any() and (after.counts[..., 0] == 7).all()


# Copies, chunks and the cache


def test_more_copies_contain_the_first_and_reuse_their_chunks(model, tmp_path, computed):
    first = vote(model, copies=25, cache=tmp_path)
    assert computed == [((0, 10), (0, 25))]
    both = vote(model, copies=50, cache=tmp_path)
    assert computed == [((0, 10), (0, 25)), ((0, 10), (25, 50))]
    again = vote(model, copies=25, cache=tmp_path)
    assert len(computed) == 2
    assert_same(again, first)
    assert_same(vote(model, copies=50), both)
    for name in ("counts", "failures"):
        added = getattr(both, name).astype(int) - getattr(first, name)
        assert (added >= 0).all() and (added.sum(-1) == 25).all()
    assert (both.calibration >= first.calibration).all()
    np.testing.assert_array_equal(both.calibration[..., 0].sum(1), 50 * 10)
    np.testing.assert_array_equal(both.sampled, first.sampled)
    np.testing.assert_array_equal(both.clean_predictions, first.clean_predictions)


def test_nothing_that_is_kept_grows_with_the_copies(model, tmp_path, small):
    few, many = (vote(model, copies=copies, cache=tmp_path / str(copies)) for copies in (3, 30))
    for field in fields(few):
        one, other = (np.asarray(getattr(found, field.name)) for found in (few, many))
        assert (one.shape, one.dtype) == (other.shape, other.dtype), field.name
    for path in sorted(tmp_path.rglob("*.npz")):
        shapes = {name: values.shape for name, values in np.load(path).items()}
        images = min(4, 10 - int(path.name.split("-")[0]))
        assert shapes.pop("counts") == (images, 4, 3) and shapes.pop("failures") == (images, 5)
        assert shapes.pop("calibration") == (4, sweeps.BINS, 3)
        first = {"clean_predictions": (images,), "sampled": (images, 4, sweeps.SAMPLED, 3)}
        assert shapes == (first if "-0000-" in path.name else {})


def test_more_copies_than_two_bytes_count(model, instant, monkeypatch):
    monkeypatch.setattr(sweeps, "RUN", 2**15)
    assert vote(model, copies=2**16).copies == 2**16


def test_a_single_copy_is_enough(model):
    found = vote(model, copies=1)
    assert found.sampled.shape == (10, 4, 1, 3) and (found.counts.sum(-1) == 1).all()


@pytest.mark.parametrize("finished", [0, 5, 8])
def test_a_killed_sweep_resumes_where_it_was(finished, model, tmp_path, small, computed, monkeypatch):
    whole = vote(model)
    chunks = computed.copy()
    assert len(chunks) == 9

    def killed(store, name, arrays):
        if len(computed) > finished:
            raise KeyboardInterrupt
        save(store, name, arrays)

    save = outputs.Store.save

    computed.clear()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(outputs.Store, "save", killed)
        vote(model, cache=tmp_path)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == finished and {path.suffix for path in kept} <= {".npz"}
    computed.clear()
    assert_same(vote(model, cache=tmp_path), whole)
    assert computed == chunks[finished:]
    computed.clear()
    assert_same(vote(model, cache=tmp_path), whole)
    assert computed == []


def truncated(data):
    return data[: len(data) // 2]


def emptied(_):
    return b""


def garbled(data):
    """The first compressed block is of a type that does not exist."""
    place = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    return data[:place] + bytes([data[place] | 0b110]) + data[place + 1 :]


def unsupported(data):
    """The archive's directory asks for another way of compression."""
    place = data.index(b"PK\x01\x02") + 10
    return data[:place] + b"\x63" + data[place + 1 :]


def shortened(data):
    """The archive's directory ends after its first file, as one whose comment is longer than it is."""
    place = data.index(b"PK\x01\x02") + 33
    return data[:place] + b"\xff" + data[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "copies"),
    [
        (truncated, "0000-0003"),
        (emptied, "0003-0006"),
        (garbled, "0000-0003"),
        (unsupported, "0003-0006"),
        (shortened, "0000-0003"),
        (shortened, "0003-0006"),
    ],
)
def test_a_damaged_chunk_is_computed_again(damage, copies, model, tmp_path, small, computed):
    whole = vote(model, cache=tmp_path)
    path = next(tmp_path.rglob(f"000004-{copies}.npz"))
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    computed.clear()
    assert_same(vote(model, cache=tmp_path), whole)
    assert computed == [((4, 8), tuple(map(int, copies.split("-"))))]
    with np.load(path) as healed:
        assert "counts" in healed and "failures" in healed and "calibration" in healed


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_shards_in_any_order_are_the_whole(order, model, tmp_path, small, computed):
    whole = vote(model)
    chunks = computed.copy()
    for number in order:
        computed.clear()
        fill(model, cache=tmp_path, shard=(number, 3))
        assert computed == chunks[number::3]
    computed.clear()
    assert_same(vote(model, cache=tmp_path), whole)
    assert computed == []


def test_a_shard_without_chunks_is_no_error(model, tmp_path, computed):
    fill(model, cache=tmp_path, shard=(4, 5))
    assert computed == []


def test_a_shard_computes_only_what_is_not_there(model, tmp_path, small, computed):
    fill(model, cache=tmp_path, shard=(1, 2))
    chunks = computed.copy()
    damaged = sorted(tmp_path.rglob("*.npz"))[0]
    damaged.write_bytes(b"")
    computed.clear()
    fill(model, cache=tmp_path, shard=(0, 1))
    again = [chunk for chunk in computed if chunk in chunks]
    assert len(computed) == 9 - len(chunks) + 1
    assert [chunk.name for chunk in again] == [damaged.name]
    assert fill(model, cache=tmp_path, shard=(0, 1)) is None and len(computed) == 9 - len(chunks) + 1


@pytest.mark.parametrize(("images", "blocks"), [(1, [(0, 1)]), (8, [(0, 4), (4, 8)]), (9, [(0, 4), (4, 9)])])
def test_no_block_holds_a_single_image_unless_it_is_the_only_one(images, blocks, monkeypatch):
    monkeypatch.setattr(sweeps, "BLOCK", 4)
    pictures = np.zeros((images, *IMAGES.shape[1:]), np.uint8)
    sweep = stability.Sweep(by_grey(110, 150), pictures, np.zeros(images, int), copies=1, seed=0)
    assert [chunk.images for chunk in sweep.chunks()] == blocks


@pytest.fixture
def instant(monkeypatch):
    """Chunks that cost nothing, to see where they go."""

    def observed(teams, images, labels, sigmas, seed, chunk, advance):
        count, sigmas, classes = len(labels), len(sigmas), teams[0][0].output_shape[-1]
        part = {
            "counts": np.zeros((count, sigmas, classes), np.int64),
            "failures": np.zeros((count, sigmas + 1), np.int64),
            "calibration": np.zeros((sigmas, sweeps.BINS, 3)),
            "clean_predictions": np.zeros(count, np.int64),
            "sampled": np.zeros((count, sigmas, sweeps.SAMPLED, 3), np.float32),
        }
        return [part]

    monkeypatch.setattr(sweeps, "_observed", observed)


@pytest.mark.parametrize("work", [vote, lambda model, **options: fill(model, shard=(0, 1), **options)])
def test_memory_does_not_grow_with_the_copies(work, model, tmp_path, instant, monkeypatch):
    monkeypatch.setattr(sweeps, "RUN", 1)
    monkeypatch.setattr(sweeps, "BINS", 5000)  # a chunk of 480 kB
    peaks = []
    for copies in (3, 30):
        tracemalloc.start()
        work(model, copies=copies, cache=tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 4.8e5 < peaks[0] < peaks[1] + 2e5 and peaks[1] < peaks[0] + 4.8e5


def folders(path):
    return len(list(path.iterdir()))


def other_image():
    images = IMAGES.copy()
    images[9, 1, 1, 2] += 1
    return images


@pytest.mark.parametrize(
    "change",
    [
        {"images": other_image()},
        {"images": IMAGES[::-1]},
        {"images": IMAGES.astype(np.float32)},
        {"images": IMAGES.view(np.int8)},
        {"labels": np.where(np.arange(10) == 9, (LABELS + 1) % 3, LABELS)},
        {"images": IMAGES[:9], "labels": LABELS[:9]},
        {"seed": 2},
        {"sigmas": SIGMAS[:3]},
        {"sigmas": (5, 20, 60, 91)},
    ],
)
def test_another_protocol_lies_in_another_folder(change, model, tmp_path, instant):
    vote(model, cache=tmp_path)
    vote(model, cache=tmp_path)
    assert folders(tmp_path) == 1
    vote(model, cache=tmp_path, **change)
    assert folders(tmp_path) == 2


def test_another_model_lies_in_another_folder(model, tmp_path, instant):
    for other in (model, by_grey(110, 151), by_grey(110, 150, slope=0.2), by_grey(110, 150, side=None)):
        vote(other, cache=tmp_path)
    assert folders(tmp_path) == 4


def test_images_of_another_shape_and_the_same_bytes_are_others(tmp_path, instant):
    model = by_grey(110, side=None)
    images = np.full((3, 2, 6, 3), 100, np.uint8)
    for shape in (images.shape, (3, 6, 2, 3), (3, 3, 4, 3)):
        vote(model, images.reshape(shape), [0, 0, 1], cache=tmp_path)
    assert folders(tmp_path) == 3


def test_the_same_protocol_is_found_again(model, tmp_path, instant):
    vote(model, cache=tmp_path)
    model.save(tmp_path / "model.keras")
    loaded = classifiers.load(tmp_path / "model.keras", 2, 3)
    (tmp_path / "model.keras").unlink()
    for same in (by_grey(110, 150), loaded):
        vote(same, cache=tmp_path)
    vote(model, labels=LABELS.tolist(), sigmas=np.array(SIGMAS, np.float32), seed=np.int64(1), cache=tmp_path)
    vote(model, labels=LABELS.astype(np.uint8), images=np.asfortranarray(IMAGES), cache=str(tmp_path))
    assert folders(tmp_path) == 1


# What a sweep returns and refuses


def test_a_sweep_is_a_table_of_accuracies(model, tmp_path):
    given = {"sigmas": SIGMAS, "copies": 7, "seed": 1, "cache": tmp_path}
    table = stability.sweep(model, IMAGES, LABELS, **given)
    assert table.columns.tolist() == COLUMNS
    assert table["sigma"].tolist() == [0, *SIGMAS]
    hits = vote(model).hits
    np.testing.assert_allclose(table["accuracy"], [90, *(100 * hits.sum(0) / 70)])
    assert (table["images"] == 10).all() and table["copies"].tolist() == [1, 7, 7, 7, 7]
    assert (table["low"] < table["accuracy"]).all() and (table["accuracy"] < table["high"]).all()
    assert table[["track_low", "track_high"]].isna().all(axis=None)
    tracks = stability.sweep(model, IMAGES, LABELS, groups=np.arange(10) // 2, **given)
    assert tracks.drop(columns=["track_low", "track_high"]).equals(
        table.drop(columns=["track_low", "track_high"])
    )
    assert (tracks["track_low"] < tracks["accuracy"]).all()
    assert (tracks["accuracy"] < tracks["track_high"]).all()


def test_the_papers_sigmas_are_those_measured_without_a_word(model, instant):
    found = stability.Sweep(model, IMAGES, LABELS, copies=1, seed=0, cache=None).votes()
    assert found.sigmas.tolist() == [1, 2, 4, 8, 10, 14, 18, 20, 25, 30, 35, 40]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": IMAGES[:0], "labels": []}, "no images: at least one is needed"),
        ({"images": IMAGES[:, :1]}, r"images \(10, 1, 2, 3\) do not fit .* input \(None, 2, 2, 3\)"),
        ({"images": IMAGES[..., 0]}, r"images \(10, 2, 2\) do not fit the model's input"),
        ({"images": IMAGES[..., :1]}, r"images \(10, 2, 2, 1\) do not fit the model's input"),
        (
            {"labels": LABELS[:9]},
            r"10 images and 3 classes need as many whole labels from 0 to 2, not \(9,\) from 0 to 2",
        ),
        ({"labels": []}, r"10 images .*, not \(0,\) from 0.0 to 0.0"),
        ({"labels": LABELS[:, None]}, r"as many whole labels from 0 to 2, not \(10, 1\)"),
        ({"labels": LABELS + 1}, r"not \(10,\) from 0 to 3"),
        ({"labels": LABELS - 1}, r"not \(10,\) from -1 to 1"),
        ({"labels": LABELS / 2}, r"not \(10,\) from 0.0 to 1.0"),
        ({"sigmas": ()}, r"sigmas \[\]: give ascending standard deviations above zero"),
        ({"sigmas": (0, 1)}, r"sigmas \[0.0, 1.0\]: give ascending"),
        ({"sigmas": (-1, 1)}, r"sigmas \[-1.0, 1.0\]: give ascending"),
        ({"sigmas": (1, 1)}, "give ascending"),
        ({"sigmas": (2, 1)}, "give ascending"),
        ({"sigmas": [[1, 2]]}, "give ascending"),
        ({"sigmas": (1, np.nan)}, r"sigmas \[1.0, nan\]: give ascending"),
        ({"sigmas": [np.nan]}, "give ascending"),
        ({"sigmas": (1, np.inf)}, r"sigmas \[1.0, inf\]: give ascending"),
        ({"copies": 0}, "copies is 0: it must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(change, message, model, tmp_path, computed):
    with pytest.raises(ValueError, match=message):
        vote(**{"model": model, "cache": tmp_path} | change)
    assert computed == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"copies": 0}, "copies is 0: it must be at least 1"),
        ({"sigmas": (2, 1)}, "give ascending"),
        ({"shard": (2, 2)}, "shard 2 of 2: number them from 0 to 1"),
        ({"shard": (-1, 2)}, "shard -1 of 2: number them from 0 to 1"),
        ({"cache": None}, "a shard leaves its chunks in the cache: name a folder"),
    ],
)
def test_a_shard_that_does_not_fit_is_refused(change, message, model, tmp_path, computed):
    with pytest.raises(ValueError, match=message):
        fill(model, **{"cache": tmp_path, "shard": (0, 2)} | change)
    assert computed == [] and list(tmp_path.iterdir()) == []


def test_a_model_for_any_size_takes_any_size():
    found = vote(by_grey(110, side=None), np.full((2, 5, 4, 3), 100, np.uint8), [0, 1])
    assert found.clean_predictions.tolist() == [0, 0]
