import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from helpers import recognition
from helpers.__main__ import main
from helpers.recognition import signatures


def test_to_add_and_remove_somebody_touches_one_file(full, trial):
    people = full.folder / "people"
    before = {path.name: path.stat().st_mtime_ns for path in people.glob("*.npz")}
    full.enrol({"Zoë (2)": trial.probes[:2]})
    after = {path.name: path.stat().st_mtime_ns for path in people.glob("*.npz")}
    assert before.items() <= after.items() and len(after) == len(before) + 1
    full.remove("Zoë (2)")
    assert {path.name: path.stat().st_mtime_ns for path in people.glob("*.npz")} == before


def test_names_may_hold_any_character_but_not_climb(full, trial):
    full.enrol({"70 km/h": trial.probes[:1], "../x": trial.probes[:1], ".": trial.probes[:1]})
    assert {"70 km/h", "../x", "."} < set(full.names)
    assert not list(full.folder.parent.glob("x*"))
    assert {"70 km/h", "../x", "."} < set(full.index().names)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 300])
def test_names_that_cannot_be_shown_are_refused(gallery, trial, name):
    with pytest.raises(recognition.GalleryError, match="cannot be a name"):
        gallery.enrol({name: trial.probes[:1]})


def test_a_name_is_given_once(full, trial):
    with pytest.raises(recognition.GalleryError, match="in the gallery already"):
        full.enrol({trial.names[0].upper(): trial.probes[:1]})


def test_images_of_another_size_are_refused(gallery, trial):
    with pytest.raises(recognition.GalleryError, match="the gallery takes"):
        gallery.enrol({"x": trial.probes[:1, :8]})
    with pytest.raises(recognition.GalleryError, match="the gallery takes"):
        gallery.enrol({"x": trial.probes[:0]})


def test_who_is_of_the_public_is_refused(gallery, recognisers):
    with pytest.raises(recognition.GalleryError, match="Eve: the general network has learned from these"):
        gallery.enrol({"Eve": recognisers[0][0].fold.public.images[3:5]})


def test_who_is_enrolled_while_the_gallery_is_set_aside_is_told(gallery, recognisers, trial, monkeypatch):
    def slow(*given, **options):
        with pytest.warns(UserWarning, match="was of other layers"):
            recognition.Gallery.found(gallery.folder, recognisers[1][0], "resize")
        return enrol(*given, **options)

    enrol = signatures.enrol
    monkeypatch.setattr(signatures, "enrol", slow)
    with pytest.raises(recognition.GalleryError, match="founded anew meanwhile: enrol late once more"):
        gallery.enrol({"late": trial.enrolled[0]})
    assert recognition.Gallery(gallery.folder).names == []


def test_a_damaged_entry_is_named_and_the_rest_is_searched(full, trial):
    (full.folder / "people" / f"{trial.names[0]}.npz").write_bytes(b"PK no zip")
    with pytest.warns(UserWarning, match=rf"{trial.names[0]}\.npz is damaged"):
        index = full.index()
    assert set(index.names) == set(trial.names) - {trial.names[0]}
    index.identify(trial.probes[:1])


@pytest.mark.parametrize("change", ["made_by", "d0", "features", "d1", "d2"])
def test_an_entry_of_other_layers_is_left_out(full, trial, change):
    path = full.folder / "people" / f"{trial.names[0]}.npz"
    with np.load(path) as file:
        arrays = dict(file)
    others = {
        "made_by": np.array("other"),
        "d0": arrays["d0"][:, :2],
        "features": arrays["features"][:0],
        "d1": arrays["d1"] * np.nan,
        "d2": arrays["d2"].astype(str),
    }
    np.savez(path, **arrays | {change: others[change]})
    with pytest.warns(UserWarning, match=f"remove {trial.names[0]} and enrol anew"):
        assert set(full.index().names) == set(trial.names[1:])
    full.remove(trial.names[0])
    full.enrol({trial.names[0]: trial.enrolled[0]})
    assert set(full.index().names) == set(trial.names)


def test_the_same_layers_keep_their_people_and_others_set_them_aside(full, recognisers, trial):
    again = recognition.Gallery.found(full.folder, recognisers[0][0], "resize")
    assert again.names == sorted(trial.names)
    with pytest.warns(UserWarning, match=f"gallery-old-1 has it and its {len(trial.names)} people"):
        other = recognition.Gallery.found(full.folder, recognisers[1][0], "resize")
    assert other.names == []
    aside = full.folder.with_name("gallery-old-1")
    assert recognition.Gallery(aside).names == sorted(trial.names)


def test_who_is_removed_leaves_no_trace(full, trial):
    full.remove(trial.names[0])
    assert not [path for path in full.folder.rglob("*") if trial.names[0] in path.name]


def test_two_enrolments_at_once_lose_nobody_and_do_not_mix(gallery, trial):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda k: gallery.enrol({f"new {k}": trial.enrolled[k]}), range(2)))
    assert gallery.names == ["new 0", "new 1"]
    together = gallery.index()
    gallery.remove("new 0")
    gallery.enrol({"new 0": trial.enrolled[0]})
    for one, other in zip(together.discriminators, gallery.index().discriminators, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_name_is_given_once_to_two_who_ask_at_once(gallery, trial):
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(gallery.enrol, {name: trial.enrolled[0]}) for name in ("Anna", "anna")]
    refused = [isinstance(each.exception(), recognition.GalleryError) for each in asked]
    assert sorted(refused) == [False, True] and len(gallery.names) == 1


def test_no_gallery_and_damaged_ones_are_refused_by_name(gallery, tmp_path):
    with pytest.raises(recognition.GalleryError, match="holds no gallery: notebook 11"):
        recognition.Gallery(tmp_path)
    manifest = gallery.folder / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(json.dumps(json.loads(text) | {"format": 99}))
    with pytest.raises(recognition.GalleryError, match="format 99"):
        recognition.Gallery(gallery.folder)
    manifest.write_text(text[:20])
    with pytest.raises(recognition.GalleryError, match="damaged"):
        recognition.Gallery(gallery.folder)
    manifest.write_text(text)
    for damaged in ("[]", '{"format": 1}', json.dumps(json.loads(text) | {"scale": {"slopes": [1, 1]}})):
        manifest.write_text(damaged)
        with pytest.raises(recognition.GalleryError, match="damaged"):
            recognition.Gallery(gallery.folder)
    manifest.write_text(text)
    (gallery.folder / "general.keras").write_bytes(b"no network")
    with pytest.raises(recognition.GalleryError, match="not the network of this gallery"):
        recognition.Gallery(gallery.folder)


def pictures(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).resize((30, 40)).save(folder / f"{number}.png")
    return str(folder)


def test_the_command_line_enrols_identifies_and_removes(full, trial, tmp_path, capsys):
    place, one = str(full.folder), pictures(tmp_path / "one", trial.enrolled[0])
    full.remove(trial.names[0])
    assert main(["enrol", place, "newcomer", one]) == 0
    assert f"newcomer is enrolled with {len(trial.enrolled[0])} images" in capsys.readouterr().out
    assert main(["identify", place, one]) == 0
    assert "newcomer, grade" in capsys.readouterr().out
    assert main(["remove", place, "newcomer"]) == 0
    assert main(["remove", place, "newcomer"]) == 2
    assert "newcomer is not in the gallery" in capsys.readouterr().err


def test_the_command_line_refuses_what_it_cannot_read(full, trial, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for given, message in (
        ("empty", "holds no pictures"),
        ("bad.png", "not a readable image"),
        ("absent.png", "cannot be read"),
    ):
        assert main(["enrol", str(full.folder), "x", str(tmp_path / given)]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "empty" / "inner").mkdir()
    assert main(["enrol", str(full.folder), "x", str(tmp_path / "empty")]) == 2
    assert "give the pictures of one person at a time" in capsys.readouterr().err
    assert main(["enrol", str(full.folder), str(tmp_path / "bad.png"), str(tmp_path / "bad.png")]) == 2
    assert "give the name of the person before the pictures" in capsys.readouterr().err
    assert main(["identify", str(tmp_path), str(tmp_path / "bad.png")]) == 2
    assert "holds no gallery" in capsys.readouterr().err


def test_a_killed_enrolment_leaves_the_gallery_whole(full, trial, tmp_path):
    """Killed while it writes: no half entry, and the name is free."""
    code = (
        "import os, numpy as np\n"
        "from helpers import outputs, recognition\n"
        "def die(*a, **k): os._exit(9)\n"
        f"gallery = recognition.Gallery({str(full.folder)!r})\n"
        "os.replace = die\n"
        f"gallery.enrol({{'late': np.load({str(tmp_path / 'images.npy')!r})}})\n"
    )
    np.save(tmp_path / "images.npy", trial.enrolled[0])
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 9
    assert full.names == sorted(trial.names)
    full.enrol({"late": trial.enrolled[0]})
    assert "late" in full.index().names
