"""The German Traffic Sign Recognition Benchmark in the layouts in which people keep it.

Stallkamp, Schlipsing, Salmen, Igel: Man vs. computer, Neural Networks 32, 2012. 43 classes, 39,209 training
images in 1,307 tracks (about 30 views of one physical sign each), 12,630 test images.

Two oddities: training frames of one track look alike, so a split must keep tracks together; and eight test
images (00666, 02291, 03546, 03594, 04548, 09384, 09575, 11906) are copies of frames of class 14, track 23.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from helpers.datasets import downloads
from helpers.datasets.archives import DataError, Folder, Zip, check_name, file_md5, is_image, stamp
from helpers.signs import CLASS_NAMES

ADDRESS = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370"
TRAINING, TEST, TRUTH = (f"GTSRB_Final_{part}.zip" for part in ("Training_Images", "Test_Images", "Test_GT"))
MD5 = {
    TRAINING: "f33fd80ac59bff73c82d25ab499e03a3",
    TEST: "c7e4e6327067d32654124b0fe9e82185",
    TRUTH: "fe31e9c9270bbcd7b84b7f21a9d9d9e5",
}
LABELS = "GT-final_test.csv"
REMARKS = (
    "The official test images are of other tracks too, but which are of one track is not published: "
    "intervals on them are by image and somewhat too narrow. Eight (00666, 02291, 03546, 03594, 04548, "
    "09384, 09575, 11906) are pixel-identical to training frames of class 14, track 23."
)
_ROI = ("Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2")
# what a zip of any other name must hold to count as the training or the test part
_HOLDS = {
    "train": re.compile(r"(^|/)(Final_Training/|Train\.csv$|Train/\d+/)"),
    "test": re.compile(r"(^|/)(Final_Test/|Test\.csv$|Test/\d+\.)"),
}


class Place(NamedTuple):
    """A zip, or a folder of which only `entries` count (all where empty)."""

    path: Path
    entries: tuple[str, ...] = ()


class Record(NamedTuple):
    """One annotated image. `size` is (height, width); `box` is (x1, y1, x2, y2), both ends inclusive."""

    file: str
    label: int
    track: int
    size: tuple[int, int]
    box: tuple[int, int, int, int]


def locate(part: str, folders: Sequence[Path]) -> list[Place]:
    """Return where the `part` ("train" or "test") is: its images first, then other places of its labels.

    Official zips are preferred, then `gtsrb_<part>.zip`, extracted official folders, the Kaggle layout, and
    any other zip of either. With none of them, the official zips in the first folder, still to be fetched.
    """
    for folder in folders:
        if places := _present(part, folder):
            return places
    return [Place(folders[0] / name) for name in ((TRAINING,) if part == "train" else (TEST, TRUTH))]


def _present(part: str, folder: Path) -> list[Place]:
    truth = [Place(folder / TRUTH)] if part == "test" and (folder / TRUTH).exists() else []
    official = folder / (TRAINING if part == "train" else TEST)
    if official.exists():
        return [Place(official), *([Place(folder / TRUTH)] if part == "test" else [])]
    own = folder / f"gtsrb_{part}.zip"
    if own.exists():
        return [Place(own), *truth]
    for base in (folder / "GTSRB", folder):
        tree = base / ("Final_Training" if part == "train" else "Final_Test")
        if tree.is_dir():
            beside = [Place(b, (LABELS,)) for b in (base, folder) if part == "test" and (b / LABELS).exists()]
            return [Place(tree), *beside, *truth]
    table = f"{part.capitalize()}.csv"
    if (folder / table).exists() or (folder / part.capitalize()).is_dir():
        return [Place(folder, (table, part.capitalize()))]
    for path in sorted(folder.glob("*.zip")):
        if path.name in MD5 or re.fullmatch(r"gtsrb_(train|test)\.zip", path.name):
            continue
        archive = Zip(path)
        archive.close()
        if any(map(_HOLDS[part].search, archive.names)):
            return [Place(path), *truth]
    return []


def key(places: Sequence[Place]) -> str:
    """Return a key that changes when the files do. Official zips count by checksum, present or not yet."""
    return " ".join(MD5.get(place.path.name) or stamp(*place) for place in places)


def obtain(places: Sequence[Place]) -> None:
    """Download the official zips that are absent and check the md5 of all official ones."""
    for path in (place.path for place in places if place.path.name in MD5):
        name = path.name
        if path.exists():
            if file_md5(path) == MD5[name]:
                continue
            raise DataError(
                f"{path} has the wrong checksum (md5 is not the official {MD5[name]}): delete it and run "
                "again, or, if it is your own copy, rename it gtsrb_train.zip or gtsrb_test.zip."
            )
        try:
            downloads.fetch(f"{ADDRESS}/{name}", path, MD5[name])
        except DataError as error:
            raise DataError(
                f"GTSRB is not complete on this machine: {name} is missing, and {error}\n"
                f"Get {', '.join(MD5)} from {ADDRESS}/published-archive.html and put them into "
                f"{path.parent}, or point data_root (or the variable DATA_ROOT) to the folder that holds "
                "gtsrb/. The data set `signs` needs no download."
            ) from error


def read_training(archive: Folder | Zip) -> list[Record]:
    """Return the training records: from the csv of each class folder, or from Kaggle's Train.csv."""
    images = _by_stem(archive)
    tables = [name for name in archive.names if re.search(r"(^|/)\d{5}/GT-\d{5}\.csv$", name)]
    if not tables:
        return list(_records(archive, _table("Train.csv", [archive])[1], images))
    described = {PurePosixPath(name).parent for name in tables}
    for folder in sorted({PurePosixPath(name).parent for name in images.values()} - described):
        raise DataError(
            f"{archive.path}: {folder}/GT-{folder.name}.csv is missing, so the images beside it have no "
            "labels: get a complete copy of the archive."
        )
    return [record for table in tables for record in _records(archive, table, images)]


def read_test(archives: Sequence[Folder | Zip]) -> list[Record]:
    """Return the test records; images come from the first archive, labels from the first that has them."""
    images = _by_stem(archives[0])
    if not any(PurePosixPath(name).name == "Test.csv" for name in archives[0].names):
        archive, table = _table(LABELS, archives)
        # the labels may come in another zip: their images are known by the file's name alone
        beside = PurePosixPath(table).parent
        images = {str(beside / PurePosixPath(name).stem): name for name in images.values()}
    else:
        archive, table = _table("Test.csv", archives)
    return list(_records(archive, table, images, tracks=False))


def _by_stem(archive: Folder | Zip) -> dict[str, str]:
    """Image files of an archive, by their path without suffix: a csv may say .ppm where .png lies."""
    return {name.rpartition(".")[0]: name for name in archive.names if is_image(name)}


def _table(wanted: str, archives: Sequence[Folder | Zip]) -> tuple[Folder | Zip, str]:
    for archive in archives:
        for name in sorted(archive.names, key=lambda name: name.count("/")):
            if PurePosixPath(name).name == wanted:
                return archive, name
    hint = {
        "Train.csv": "neither it nor the official GT-00000.csv … of each class folder is there",
        LABELS: f"the labels of the test images are in {TRUTH} (GT-final_test.test.csv has none)",
    }
    raise DataError(
        f"{archives[0].path}: {wanted} is missing ({hint.get(wanted, 'it holds the labels')}): "
        "put it beside the images, or get a complete copy of the archive."
    )


def _records(
    archive: Folder | Zip, table: str, images: dict[str, str], tracks: bool = True
) -> Iterator[Record]:
    """Read one csv, official (`;`) or Kaggle's (`,`); without `tracks` each image counts as its own."""
    text = archive.read(table).decode("utf-8-sig", errors="replace")
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    columns = rows.fieldnames or []
    file_column = "Filename" if "Filename" in columns else "Path"
    missing = [c for c in (file_column, "Width", "Height", *_ROI, "ClassId") if c not in columns]
    if missing:
        raise DataError(
            f"{table} in {archive.path} has no column {', '.join(missing)}: get the official file "
            "(labels of the test images come in " + TRUTH + ")."
        )
    row = None
    try:
        for index, row in enumerate(rows):
            if None in row.values():
                raise ValueError("values are missing")
            stem = str(PurePosixPath(table).parent / PurePosixPath(row[file_column]).with_suffix(""))
            label = int(row["ClassId"])
            if not 0 <= label < len(CLASS_NAMES):
                raise ValueError(f"class {label} is not one of 0 to {len(CLASS_NAMES) - 1}")
            height, width = int(row["Height"]), int(row["Width"])
            x1, y1, x2, y2 = (int(row[column]) for column in _ROI)
            if x1 > min(x2, width - 1) or y1 > min(y2, height - 1) or x2 < 0 or y2 < 0:
                raise ValueError("its box has no pixel of the image")
            yield Record(
                # where no such image lies, reading this name will say so
                images.get(stem) or check_name(row[file_column], archive.path),
                label,
                int(PurePosixPath(stem).name.split("_")[-2]) if tracks else index,
                (height, width),
                (x1, y1, x2, y2),
            )
    except DataError:
        raise
    except (ValueError, TypeError, IndexError, csv.Error) as error:
        raise DataError(
            f"{table} in {archive.path}, line {rows.line_num} cannot be used ({error}): "
            "get the official file."
        ) from error
    if row is None:
        raise DataError(f"{table} in {archive.path} has no rows: get the official file.")
