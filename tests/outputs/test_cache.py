import os

import numpy as np
import pytest

from helpers import outputs

ARRAYS = {"a": np.arange(5), "b": np.ones((2, 3))}


@pytest.fixture
def store(tmp_path):
    return outputs.Store(tmp_path / "store")


def test_arrays_come_back(store):
    assert store.arrays("one.npz") is None
    store.save("one.npz", ARRAYS)
    found = store.arrays("one.npz")
    assert set(found) == {"a", "b"} and all((found[name] == ARRAYS[name]).all() for name in ARRAYS)
    assert store.find("one.npz") == store.folder / "one.npz" and store.find("two.npz") is None


@pytest.mark.parametrize("damage", [lambda data: data[:-30], lambda data: b"", lambda data: b"x" * 99])
def test_damaged_arrays_are_none(store, damage):
    store.save("one.npz", ARRAYS)
    path = store.folder / "one.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert store.arrays("one.npz") is None
    store.save("one.npz", ARRAYS)
    assert store.arrays("one.npz") is not None


def test_a_piece_is_whole_or_not_there(store):
    with pytest.raises(KeyboardInterrupt), store.make("folder") as partial:
        partial.mkdir()
        (partial / "half").write_text("…")
        raise KeyboardInterrupt
    assert list(store.folder.iterdir()) == []
    with store.make("folder") as partial:
        partial.mkdir()
        (partial / "whole").write_text("…")
    assert (store.find("folder") / "whole").is_file()


def test_whoever_is_first_wins(store):
    with store.make("folder") as slow:
        slow.mkdir()
        (slow / "file").write_text("same")
        with store.make("folder") as fast:
            fast.mkdir()
            (fast / "file").write_text("same")
    assert [path.name for path in store.folder.iterdir()] == ["folder"]


def test_what_others_finish_meanwhile_is_no_error(store, monkeypatch):
    store.folder.mkdir()
    gone = store.folder / f".other.0{outputs.PARTIAL}.npz"  # seen, and renamed before it is looked at
    monkeypatch.setattr(type(store.folder), "glob", lambda self, pattern: [gone])
    store.save("one.npz", ARRAYS)
    assert store.arrays("one.npz") is not None


def test_what_a_kill_left_is_swept_after_a_day(store):
    store.save("one.npz", ARRAYS)
    for name, age in (("old", 2e5), ("new", 0)):
        left = store.folder / f".{name}.0{outputs.PARTIAL}"
        left.mkdir()
        os.utime(left, (os.stat(left).st_mtime - age,) * 2)
    store.save("two.npz", ARRAYS)
    assert sorted(path.name for path in store.folder.iterdir()) == [".new.0.partial", "one.npz", "two.npz"]


def test_a_full_disk_is_refused(store):
    with pytest.raises(OSError, match="free space"), store.make("one", needed=10**18):
        raise AssertionError("nothing may be begun")


def test_names_follow_content():
    assert outputs.named({"b": 1, "a": [2]}) == outputs.named({"a": [2], "b": 1}) != outputs.named({"a": [3]})


def test_removing_what_is_not_there_is_no_error(store):
    store.remove("nothing")
    store.save("one.npz", ARRAYS)
    store.remove("one.npz")
    assert store.find("one.npz") is None


def test_a_digest_is_of_values_shape_and_kind():
    array = np.arange(6, dtype=np.uint8)
    assert outputs.digest(array) == outputs.digest(array.copy()) == outputs.digest(np.repeat(array, 2)[::2])
    others = [array[::-1], array.reshape(2, 3), array.astype(np.int8)]
    assert len({outputs.digest(array), *map(outputs.digest, others)}) == 4
