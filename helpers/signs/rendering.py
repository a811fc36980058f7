"""The 43 German traffic signs of GTSRB, rendered: pictograms of this project in random scenes.

Every frame depends on (seed, index) alone, and carries no sensor noise: the clean signal is known exactly,
so PSNR and minimum noise measured on rendered signs are exact.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import resvg_py
from numpy.random import Generator

from helpers import outputs
from helpers.signs import scenes
from helpers.signs.names import CLASS_NAMES

PICTOGRAMS = outputs.ROOT / "data" / "signs"
LARGEST = 256  # side of the largest rasterised pictogram in pixels
FRAMES_PER_TRACK = 10
# Training images per class of GTSRB (Stallkamp et al. 2012), which a rendered set follows.
GTSRB_COUNTS = (
    210, 2220, 2250, 1410, 1980, 1860, 420, 1440, 1410, 1470, 2010, 1320, 2100, 2160, 780, 630, 420, 1110,
    1200, 210, 360, 330, 390, 510, 270, 1500, 600, 240, 540, 270, 450, 780, 240, 689, 420, 1200, 390, 210,
    2070, 300, 360, 240, 240,
)  # fmt: skip
GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Frame:
    """One rendered view of one sign."""

    image: np.ndarray  # (height, width, 3) uint8
    roi: tuple[int, int, int, int]  # x1, y1, x2, y2 of the sign in pixels, both ends inclusive
    label: int
    track: int


def render(class_id: int, size: int, *, seed: int) -> np.ndarray:
    """One rendered sign as uint8 (size, size, 3), cut at its box.

    class_id: 0 … 42; size: pixels; seed: an integer from 0; the same arguments give the same image.
    """
    _check(class_id)
    sign = _Sign(class_id, _generator(seed, class_id, stream=4))
    image, (x1, y1, x2, y2) = sign.view(_generator(seed, class_id, stream=5), size)
    return cv2.resize(image[y1 : y2 + 1, x1 : x2 + 1], (size, size), interpolation=cv2.INTER_AREA)


def drawing(class_id: int, size: int, *, seed: int) -> np.ndarray:
    """One drawing as uint8 (size, size, 3), on one grey: seen from ahead, without scene, dirt or camera.

    Arguments as in `render`. Which of the class's drawings, its place and its size differ from seed to seed.
    """
    _check(class_id)
    rng, drawings = _generator(seed, class_id, stream=6), pictograms(class_id)
    levels = drawings[rng.integers(len(drawings))].levels
    rgba = next((level for level in reversed(levels) if level.shape[0] >= size), levels[0])
    scale = rng.uniform(0.85, 1.0) * size / rgba.shape[0]
    corner = rng.uniform(0, size - scale * rgba.shape[0], 2)
    matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
    placed = cv2.warpAffine(rgba, matrix, (size, size), flags=cv2.INTER_LINEAR)
    scene = placed[..., :3] + rng.uniform(0.2, 0.8) * (1 - placed[..., 3:])
    return np.clip(scene * 255 + 0.5, 0, 255).astype(np.uint8)


def frame(index: int, *, seed: int, frequencies: str = "gtsrb", jpeg: int | None = None) -> Frame:
    """Frame number `index` of the endless rendered set `seed`; ten consecutive frames show one sign.

    frequencies: ``gtsrb`` follows the class frequencies of the real training set, ``uniform`` does not.
    jpeg: quality (1 to 100) of a compression at native resolution, None for none; its artefacts become part
    of the clean signal.
    """
    track, step = divmod(index, FRAMES_PER_TRACK)
    label = _label(track, seed, frequencies)
    sign = _Sign(label, _generator(seed, track, stream=1))
    image, roi = sign.view(_generator(seed, index, stream=2), sign.resolution(step))
    return Frame(image if jpeg is None else scenes.compressed(image, jpeg), roi, label, track)


def labels_and_tracks(count: int, *, seed: int, frequencies: str = "gtsrb") -> tuple[np.ndarray, np.ndarray]:
    """Labels (count,) and track numbers (count,) of the first frames of a rendered set, as in `frame`."""
    tracks = np.arange(count) // FRAMES_PER_TRACK
    labels = np.array([_label(track, seed, frequencies) for track in range(tracks.max(initial=-1) + 1)], int)
    return labels[tracks], tracks


def digest() -> str:
    """Hexadecimal digest of the drawings and of the code that makes frames of them."""
    total = hashlib.sha256(json.dumps(outputs.rests_on(frame, labels_and_tracks)).encode())
    for path in sorted(PICTOGRAMS.glob("*.svg")):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


@cache
def pictograms(class_id: int) -> tuple["Pictogram", ...]:
    """All drawings of a class as `Pictogram`s; FileNotFoundError where there is none."""
    paths = sorted(PICTOGRAMS.glob(f"{class_id:02d}*.svg"))
    if not paths:
        raise FileNotFoundError(f"no drawing of class {class_id} in {PICTOGRAMS.name}/: restore the folder")
    return tuple(_rasterised(path.read_text(encoding="utf-8")) for path in paths)


@dataclass(frozen=True)
class Pictogram:
    """A rasterised drawing."""

    levels: tuple[np.ndarray, ...]  # mipmaps, largest first: float32 (side, side, 4), premultiplied, [0, 1]
    rim: np.ndarray  # (points, 2) convex outline, x and y in [-1, 1]


def _rasterised(svg: str) -> Pictogram:
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=LARGEST, height=LARGEST))
    bgra = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    rgba = cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA).astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    levels = [rgba]
    while levels[-1].shape[0] > 16:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    covered = np.argwhere(rgba[..., 3] > 0.5)[:, ::-1].astype(np.float32)
    rim = cv2.convexHull(covered)[:, 0] * (2 / LARGEST) + (1 / LARGEST - 1)
    return Pictogram(tuple(levels), rim)


def _check(class_id: int) -> None:
    if class_id not in range(len(CLASS_NAMES)):
        raise ValueError(f"no sign has class {class_id}: choose 0 to {len(CLASS_NAMES) - 1}")


def _generator(seed: int, number: int, *, stream: int) -> Generator:
    """Random generator of a sign or frame; streams from 1 on (numpy takes a trailing 0 for nothing)."""
    if seed < 0:
        raise ValueError(f"seed is {seed}: rendering needs one from 0 on")
    return np.random.default_rng([seed, number, stream])


def _label(track: int, seed: int, frequencies: str) -> int:
    """Class of a track. A golden-ratio sequence keeps every prefix of the set close to the frequencies."""
    shares = {"gtsrb": GTSRB_COUNTS, "uniform": (1,) * len(CLASS_NAMES)}
    if frequencies not in shares:
        raise ValueError(f"unknown frequencies {frequencies!r}: choose gtsrb or uniform")
    edges = np.cumsum(shares[frequencies])
    place = (_generator(seed, 0, stream=3).random() + track * GOLDEN) % 1
    return int(np.searchsorted(edges, place * edges[-1], side="right"))


class _Sign:
    """One physical sign: what its frames have in common."""

    def __init__(self, label: int, rng: Generator):
        drawings = pictograms(label)
        self.drawing = drawings[rng.integers(len(drawings))]
        self.spot, self.lamp, self.paint = scenes.spot(rng), scenes.lamp(rng), scenes.paint(rng)
        self.pose, self.dirt = scenes.pose(rng), rng.integers(2**31)
        # The distributions of GTSRB's boxes: the first of a track has 21 pixels, the last 81 (medians).
        self.far = np.clip(np.exp(rng.normal(np.log(21), 0.3)), 15, 85)
        self.near = np.clip(self.far * np.exp(np.abs(rng.normal(1.25, 0.4))), 15, 204)

    def resolution(self, step: int) -> float:
        """Side of the sign in pixels at a step of the track: the distance shrinks evenly."""
        share = step / (FRAMES_PER_TRACK - 1)
        return 1 / ((1 - share) / self.far + share / self.near)

    def view(self, rng: Generator, side: float) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """An image (H, W, 3) of the sign in its scene, about `side` pixels large, and its box."""
        levels = self.drawing.levels
        rgba = next((level for level in reversed(levels) if level.shape[0] >= 1.2 * side), levels[0])
        rgba = scenes.dirt(np.random.default_rng(self.dirt), rgba)
        matrix, offset = self.paint
        rgba[..., :3] = rgba[..., :3] @ matrix.T + offset * rgba[..., 3:]
        rgba, box = scenes.place(rng, rgba, self.drawing.rim, self.pose, side)
        height, width = rgba.shape[:2]
        scene = scenes.background(rng, height, width, self.spot)
        cover = rgba[..., 3:]
        scene += rgba[..., :3] * scenes.light(rng, height, width, self.lamp) - cover * scene
        scene += self.lamp["haze"] * (self.lamp["veil"] - scene)
        scene = scenes.camera(rng, scene)
        image = np.clip(scene * 255 + 0.5, 0, 255).astype(np.uint8)
        return image, box
