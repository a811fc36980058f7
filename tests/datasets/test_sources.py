import gzip
import io
import struct
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_sets import class_folders, encoded, picture, write_tree

from helpers import outputs, signs
from helpers.datasets import small_sets, sources
from helpers.datasets.archives import DataError


def arrays(pictures):
    return np.stack([pictures.read(index)[0] for index in range(len(pictures.labels))])


@pytest.mark.parametrize(
    ("root", "variable", "expected"),
    [
        ("data", None, outputs.ROOT / "data"),
        ("data", "/somewhere", "/somewhere"),
        ("data", "near", outputs.ROOT / "near"),
        ("/else", "/somewhere", "/else"),
    ],
)
def test_data_root(monkeypatch, root, variable, expected):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    if variable:
        monkeypatch.setenv("DATA_ROOT", variable)
    assert str(sources.data_root(root)) == str(expected)


@pytest.mark.parametrize("name", ["mnits", "folder:", "", "data/folder:x"])
def test_unknown_names_are_refused_with_the_known_ones(name):
    with pytest.raises(DataError, match=r"unknown data set .*signs, gtsrb, .*folder:<path>"):
        sources.check(name)


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


TRAIN, TEST = (np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8) for n in (20, 10))


def mnist_files(pack=gzip.compress, end=".gz"):
    labels = [np.arange(len(images), dtype=np.uint8) % 10 for images in (TRAIN, TEST)]
    contents = (TRAIN, labels[0], TEST, labels[1])
    return {f"{name}{end}": pack(idx(array)) for name, array in zip(small_sets.IDX, contents, strict=True)}


@pytest.fixture
def no_checksums(monkeypatch):
    monkeypatch.setattr(small_sets, "IDX_MD5", {})


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("packing", [(gzip.compress, ".gz"), (bytes, "")])
@pytest.mark.parametrize("place", ["", "raw/"])
@pytest.mark.usefixtures("no_checksums")
def test_idx_files(tmp_path, name, packing, place):
    write_tree(tmp_path / place / name, mnist_files(*packing))
    source = sources.read(name, tmp_path)
    assert len(source.class_names) == 10
    np.testing.assert_array_equal(arrays(source.train), np.repeat(TRAIN[..., None], 3, axis=3))
    np.testing.assert_array_equal(source.test.labels, np.arange(10))


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_other_images_under_the_official_names_are_refused(tmp_path, name):
    write_tree(tmp_path / name, mnist_files())
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz has the wrong checksum"):
        sources.read(name, tmp_path)


@pytest.mark.usefixtures("no_checksums")
def test_incomplete_and_swapped_idx_files_are_refused(tmp_path):
    files = mnist_files()
    folder = write_tree(tmp_path / "mnist", files)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(files["train-labels-idx1-ubyte.gz"])
    with pytest.raises(DataError, match="one of its files is another's"):
        sources.read("mnist", tmp_path)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.full(10, 77, np.uint8))))
    with pytest.raises(DataError, match="label 77"):
        sources.read("mnist", tmp_path)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        sources.read("mnist", tmp_path)


def cifar_files():
    rng = np.random.default_rng(0)
    return {
        file: np.concatenate(
            [np.full((4, 1), number, np.uint8), rng.integers(0, 256, (4, 3072), np.uint8)], axis=1
        ).tobytes()
        for number, file in enumerate(small_sets._CIFAR_FILES)
    }


@pytest.mark.parametrize("packed", [False, True])
def test_cifar_in_its_binary_version(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(small_sets, "_CIFAR_IMAGES", 4)
    files = cifar_files()
    folder = write_tree(tmp_path / "cifar10" / "cifar-10-batches-bin", files)
    if packed:
        with tarfile.open(tmp_path / "cifar10" / "cifar-10-binary.tar.gz", "w:gz") as tar:
            tar.add(folder, "cifar-10-batches-bin")
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    source = sources.read("cifar10", tmp_path)
    np.testing.assert_array_equal(source.train.labels, np.repeat(np.arange(5), 4))
    np.testing.assert_array_equal(source.test.labels, [5] * 4)
    red_green_blue = np.frombuffer(files["test_batch.bin"][1:3073], np.uint8).reshape(3, 32, 32)
    image, box = source.test.read(0)
    np.testing.assert_array_equal(image, np.moveaxis(red_green_blue, 0, 2))
    assert box is None


def test_damaged_cifar_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(small_sets, "_CIFAR_IMAGES", 4)
    folder = write_tree(tmp_path / "cifar10" / "cifar-10-batches-bin", cifar_files())
    (folder / "data_batch_3.bin").write_bytes(b"short")
    with pytest.raises(DataError, match=r"data_batch_3\.bin .* wrong size"):
        sources.read("cifar10", tmp_path)
    folder = tmp_path / "raw" / "cifar10"
    write_tree(folder, {"cifar-10-binary.tar.gz": gzip.compress(io.BytesIO(b"x" * 2000).getvalue())[:60]})
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is damaged"):
        sources.read("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_without_files_keras_fetches(tmp_path, monkeypatch, name):
    colour = (3,) if name == "cifar10" else ()
    made = np.random.default_rng(0).integers(0, 256, (5, 8, 8, *colour), np.uint8)
    labels = np.arange(5, dtype=np.uint8)[:, None]
    loader = SimpleNamespace(load_data=lambda: ((made, labels), (made, labels)))
    monkeypatch.setattr("helpers.backend.keras.datasets", SimpleNamespace(**{name: loader}))
    source = sources.read(name, tmp_path)
    np.testing.assert_array_equal(source.train.labels, np.arange(5))
    np.testing.assert_array_equal(arrays(source.test)[..., 0], made[..., 0] if colour else made)


def failing(error):
    def load(**_):
        raise error

    return load


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_offline_keras_says_what_to_do(tmp_path, monkeypatch, name):
    loader = SimpleNamespace(load_data=failing(Exception("URL fetch failure")))
    monkeypatch.setattr("helpers.backend.keras.datasets", SimpleNamespace(**{name: loader}))
    with pytest.raises(DataError, match=rf"URL fetch failure.*{tmp_path / 'raw' / name}.*DATA_ROOT.*`signs`"):
        sources.read(name, tmp_path)


def test_class_folders_are_in_alphabetical_order_whatever_their_length(tmp_path):
    folder = write_tree(tmp_path / "mine", class_folders(("dark", "bright", "2", "10")))
    assert sources.read(f"folder:{folder}", tmp_path).class_names == ("2", "10", "bright", "dark")


def test_faces_from_a_tree_of_persons(tmp_path):
    persons = [f"s{number}" for number in range(1, 12)]
    files = {
        f"{person}/{i}.pgm": encoded(picture(i, 8, 6)[..., 0], ".pgm")
        for person in persons
        for i in range(1, 4)
    }
    write_tree(tmp_path / "faces", files | {"README": b"ORL"})
    source = sources.read("faces", tmp_path)
    assert source.class_names == tuple(persons)  # s2 before s10
    assert source.test is None
    assert source.test_fraction == 0.3
    np.testing.assert_array_equal(source.train.labels, np.repeat(np.arange(11), 3))
    assert len(set(source.train.groups)) == 33
    image, box = source.train.read(0)
    assert image.shape == (8, 6, 3)
    assert box is None


def test_without_a_tree_scikit_learn_fetches_the_faces(tmp_path, monkeypatch):
    import sklearn.datasets

    bunch = SimpleNamespace(images=np.full((4, 64, 64), 0.5, np.float32), target=np.array([0, 0, 1, 1]))
    monkeypatch.setattr(sklearn.datasets, "fetch_olivetti_faces", lambda **_: bunch)
    source = sources.read("faces", tmp_path)
    assert source.class_names == ("s1", "s2")
    assert (source.train.read(3)[0] == 128).all()
    monkeypatch.setattr(sklearn.datasets, "fetch_olivetti_faces", failing(OSError("no route")))
    with pytest.raises(DataError, match=r"no route.*s1 … s40.*`signs`"):
        sources.read("faces", tmp_path)


def test_a_folder_per_class(tmp_path):
    files = class_folders(("10 pence", "2 pence")) | {
        "note.txt": b"",
        ".hidden/x.png": b"",
        "2 pence/a.csv": b"",
    }
    files["2 pence/deep/er.png"] = encoded(picture(9))
    source = sources.read(f"folder:{write_tree(tmp_path, files)}", tmp_path)
    assert source.class_names == ("2 pence", "10 pence")
    np.testing.assert_array_equal(np.bincount(source.train.labels), [11, 10])
    image, box = source.train.read(10)
    np.testing.assert_array_equal(image, picture(9))
    assert box is None


def test_a_class_folder_without_images_is_named(tmp_path):
    write_tree(tmp_path, class_folders() | {"empty/readme.txt": b""})
    with pytest.raises(DataError, match=r"empty has no images"):
        sources.read(f"folder:{tmp_path}", tmp_path)


def test_a_folder_without_classes_and_an_absent_one_are_refused(tmp_path):
    write_tree(tmp_path, {"a.png": encoded(picture(0))})
    with pytest.raises(DataError, match="has 0 class folders"):
        sources.read(f"folder:{tmp_path}", tmp_path)
    for ask in (sources.read, sources.key):
        with pytest.raises(DataError, match="nowhere is not a folder"):
            ask(f"folder:{tmp_path / 'nowhere'}", tmp_path)


def test_a_class_folder_that_links_outside_is_refused(tmp_path):
    folder = write_tree(tmp_path / "set", class_folders())
    write_tree(tmp_path / "private", {"x.png": encoded(picture(0))})
    (folder / "fox").symlink_to(tmp_path / "private")
    for ask in (sources.read, sources.key):
        with pytest.raises(DataError, match="fox is a link that climbs out"):
            ask(f"folder:{folder}", tmp_path)


def test_signs_are_rendered_frame_by_frame(tmp_path):
    source = sources.read("signs", tmp_path, seed=3, train_images=25, test_images=12)
    assert source.class_names == signs.CLASS_NAMES
    for part, count, seed in ((source.train, 25, 6), (source.test, 12, 7)):
        labels, tracks = signs.labels_and_tracks(count, seed=seed)
        np.testing.assert_array_equal(part.labels, labels)
        np.testing.assert_array_equal(part.groups, tracks)
        image, box = part.read(count - 1)
        frame = signs.frame(count - 1, seed=seed)
        np.testing.assert_array_equal(image, frame.image)
        assert box == frame.roi
        assert frame.label == labels[-1]
    assert source.train.sizes is None  # every frame has a size of its own
    assert not np.array_equal(source.train.read(0)[0], source.test.read(0)[0])


def test_signs_have_a_number_of_images_of_their_own(tmp_path):
    source = sources.read("signs", tmp_path, seed=0, train_images=None, test_images=None)
    assert len(source.train.labels) == 12_900
    assert len(source.test.labels) == 4_300
    assert set(source.train.labels) == set(source.test.labels) == set(range(43))


def test_signs_never_share_a_seed_between_train_and_test(tmp_path):
    made = [sources.read("signs", tmp_path, seed=seed, train_images=10, test_images=10) for seed in range(3)]
    frames = {part.read(0)[0].tobytes() for source in made for part in (source.train, source.test)}
    assert len(frames) == 6


def test_signs_are_keyed_by_their_drawings(tmp_path):
    assert sources.key("signs", tmp_path) == signs.digest()
