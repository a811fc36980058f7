"""Tiny data sets in the layouts of the real ones, as {name: bytes}, for the tests of the loaders."""

import io
import zipfile

import numpy as np
from PIL import Image

from helpers.datasets import ImageSet

HEADER = ["Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId"]
CLASSES, TRACKS, FRAMES, TESTS = 3, 4, 3, 6
COLOURS = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220]])


def picture(seed, height=12, width=10):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image, suffix=".png"):
    file = io.BytesIO()
    kind = {".ppm": "PPM", ".pgm": "PPM", ".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".bmp": "BMP"}[
        suffix
    ]
    Image.fromarray(image).save(file, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return file.getvalue()


def csv(rows, delimiter=";", header=HEADER):
    return "\n".join(delimiter.join(map(str, row)) for row in [header, *rows]).encode()


def training_frames():
    """(class, track, frame, picture) of every training frame."""
    return [
        (label, track, frame, picture(label * 100 + track * 10 + frame))
        for label in range(CLASSES)
        for track in range(TRACKS)
        for frame in range(FRAMES)
    ]


def test_pictures():
    return [(index, index % CLASSES, picture(1000 + index)) for index in range(TESTS)]


test_pictures.__test__ = False


def official_training(suffix=".ppm", top="GTSRB/", said=".ppm"):
    files = {}
    for label in range(CLASSES):
        folder, rows = f"{top}Final_Training/Images/{label:05d}", []
        for owner, track, frame, image in training_frames():
            if owner == label:
                stem = f"{track:05d}_{frame:05d}"
                files[f"{folder}/{stem}{suffix}"] = encoded(image, suffix)
                rows.append([stem + said, 10, 12, 2, 3, 7, 8, label])
        files[f"{folder}/GT-{label:05d}.csv"] = csv(rows)
    return files


def official_test(suffix=".ppm", top="GTSRB/"):
    files = {f"{top}Final_Test/Images/{i:05d}{suffix}": encoded(p, suffix) for i, _, p in test_pictures()}
    rows = [[f"{index:05d}.ppm", 10, 12, 2, 3, 7, 8] for index, _, _ in test_pictures()]
    return files | {f"{top}Final_Test/Images/GT-final_test.test.csv": csv(rows, header=HEADER[:-1])}


def official_truth():
    rows = [[f"{index:05d}.ppm", 10, 12, 2, 3, 7, 8, label] for index, label, _ in test_pictures()]
    return {"GT-final_test.csv": csv(rows)}


def kaggle():
    files, rows = {}, {"Train": [], "Test": []}
    for label, track, frame, image in training_frames():
        path = f"Train/{label}/{label:05d}_{track:05d}_{frame:05d}.png"
        files[path] = encoded(image)
        rows["Train"].append([10, 12, 2, 3, 7, 8, label, path])
    for index, label, image in test_pictures():
        files[f"Test/{index:05d}.png"] = encoded(image)
        rows["Test"].append([10, 12, 2, 3, 7, 8, label, f"Test/{index:05d}.png"])
    header = [*HEADER[1:], "Path"]
    return files | {f"{part}.csv": csv(rows[part], ",", header) for part in rows}


def class_folders(classes=("cat", "dog"), images=10):
    return {
        f"{name}/{index:02d}.png": encoded(picture(number * 100 + index))
        for number, name in enumerate(classes)
        for index in range(images)
    }


def write_zip(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def write_tree(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def squares(count, seed, shares=(1, 1, 1)):
    """Coloured squares on a noisy ground; the colour is the class."""
    rng = np.random.default_rng(seed)
    labels = np.resize(np.repeat(np.arange(3), shares), count)
    images = rng.integers(0, 256, (count, 16, 16, 3)) // 3
    for image, label in zip(images, labels, strict=True):
        x, y = rng.integers(0, 7, 2)
        image[y : y + 10, x : x + 10] = COLOURS[label] + rng.integers(-20, 21, 3)
    sizes = np.full((count, 2), 16)
    return ImageSet(images.astype(np.uint8), labels, np.arange(count), ("red", "green", "blue"), sizes)
