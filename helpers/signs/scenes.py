"""Scenes around a rendered sign: pose, background, light, dirt and camera, each drawn from a generator.

Images are float32 (H, W, 3) in [0, 1] inside this module; every function takes the random generator as an
argument and draws nothing from anywhere else. No sensor noise is added: the scene is the clean signal.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from scipy.special import expit

BANK_SIZE = 48  # background textures
BANK_SIDE = 256  # their side in pixels


def pose(
    rng: Generator, *, yaw: float = 30.0, pitch: float = 15.0, roll: float = 5.0, aspect: float = 0.05
) -> np.ndarray:
    """Random homography (3, 3) of the sign's plane, coordinates in half sign sides.

    yaw, pitch: largest angles in degrees; roll: standard deviation in degrees; aspect: standard deviation of
    the logarithmic stretch of one axis. The sign is seen from a distance of two to eight of its sides.
    """
    a, b, c = np.radians([rng.uniform(-yaw, yaw), rng.uniform(-pitch, pitch), rng.normal(0, roll)])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    plane = about_z @ about_x @ about_y
    plane[:, 2] = 0, 0, 2 * rng.uniform(2, 8)  # the plane's third axis gives way to its distance
    stretch = np.exp(rng.normal(0, aspect))
    return np.diag([stretch, 1 / stretch, 1]) @ plane


def place(
    rng: Generator, rgba: np.ndarray, rim: np.ndarray, homography: np.ndarray, side: float
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Project a sign (S, S, 4) into an empty image: (H, W, 4) and its box x1, y1, x2, y2, ends inclusive.

    rim: (points, 2) outline in half sides, x and y in [-1, 1]; side: pixels of the longer side of the box.
    The margin around the box is 10 % and at least 5 pixels, as in GTSRB; the box has the small errors of an
    annotator.
    """
    jitter = np.eye(3) + rng.normal(0, 0.015, (3, 3)) * [[1, 1, 0], [1, 1, 0], [1, 1, 0]]
    homography = homography @ jitter
    points = homography @ np.vstack([rim.T, np.ones(len(rim))])
    points = points[:2] / points[2]
    low, high = points.min(1), points.max(1)
    scale = side / (high - low).max()
    box = (high - low) * scale
    margins = np.maximum(0.1 * box, 5) + rng.uniform(0, 1, 2)
    width, height = np.ceil(box + 2 * margins).astype(int)
    to_pixels = np.array(
        [[scale, 0, margins[0] - scale * low[0]], [0, scale, margins[1] - scale * low[1]], [0, 0, 1]]
    )
    half = rgba.shape[0] / 2
    to_plane = np.array([[1 / half, 0, 0.5 / half - 1], [0, 1 / half, 0.5 / half - 1], [0, 0, 1]])
    warped = cv2.warpPerspective(
        rgba, to_pixels @ homography @ to_plane, (width, height), flags=cv2.INTER_LINEAR
    )
    error = rng.normal(0, 0.02, 4) * np.tile(box, 2)
    corners = np.concatenate([margins, margins + box - 1]) + error
    limits = np.array([width, height, width, height]) - 1
    x1, y1, x2, y2 = np.clip(np.rint(corners), 0, limits).astype(int).tolist()
    return warped, (x1, y1, x2, y2)


@lru_cache(maxsize=1)
def background_bank() -> np.ndarray:
    """(BANK_SIZE, BANK_SIDE, BANK_SIDE, 3) textures, zero mean and unit variance, with natural statistics.

    Overlapping discs and boxes with power-law sizes (the dead leaves model: edges, scale invariance) plus a
    random field with amplitude 1/f (texture); chroma is a quarter of luminance, as in outdoor photographs.
    """
    rng = np.random.default_rng(43)
    frequencies = np.hypot(np.fft.fftfreq(BANK_SIDE)[:, None], np.fft.rfftfreq(BANK_SIDE)[None])
    amplitude = 1 / np.maximum(frequencies, 1 / BANK_SIDE)
    bank = np.empty((BANK_SIZE, BANK_SIDE, BANK_SIDE, 3), np.float32)
    for texture in bank:
        leaves = np.zeros((BANK_SIDE, BANK_SIDE, 3), np.float32)
        radii = np.sort(1 / rng.uniform(1 / 120, 1 / 4, 250))[::-1]  # large leaves lie below small ones
        for radius in radii:
            colour = rng.normal(0, 1) + rng.normal(0, 0.2, 3)
            centre, axes = rng.integers(0, BANK_SIDE, 2), (int(radius), int(radius * rng.uniform(0.1, 1)) + 1)
            cv2.ellipse(leaves, centre.tolist(), axes, rng.uniform(0, 180), 0, 360, colour.tolist(), -1)
        white = rng.normal(size=(3, BANK_SIDE, BANK_SIDE))
        field = np.fft.irfft2(np.fft.rfft2(white) * amplitude).transpose(1, 2, 0)
        field /= field.std()
        field = field[..., :1] + 0.15 * field
        mixed = cv2.GaussianBlur(leaves, (0, 0), 0.7) + rng.uniform(0.2, 1) * field
        texture[:] = (mixed - mixed.mean()) / mixed.std()
    return bank


def background(rng: Generator, height: int, width: int, place: dict[str, float | np.ndarray]) -> np.ndarray:
    """A piece of background (height, width, 3) around `place`, the track's own spot; bright sky exceeds 1.

    place: dict with texture number, position, zoom, brightness, contrast and colour (see `spot`).
    """
    texture = background_bank()[place["texture"]]
    span = BANK_SIDE * place["zoom"] * rng.uniform(0.9, 1.1)
    left, top = (place["position"] + rng.normal(0, 0.02, 2)) * (BANK_SIDE - span)
    step = np.array([[span / width, 0, left], [0, span / height, top]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    piece = cv2.warpAffine(texture, step, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return place["colour"] * np.maximum(place["brightness"] * (1 + place["contrast"] * piece), 0)


def spot(rng: Generator) -> dict[str, float | np.ndarray]:
    """Where a sign stands: the background of a whole track."""
    sky = rng.random() < 0.25  # a bright, even background
    return {
        "texture": rng.integers(BANK_SIZE),
        "position": rng.random(2),
        "zoom": np.exp(rng.uniform(np.log(0.1), np.log(0.8))),
        "brightness": rng.uniform(0.6, 1.3) if sky else 0.8 * rng.beta(1.2, 2.5),
        "contrast": rng.uniform(0.01, 0.1) if sky else rng.uniform(0.3, 0.8),
        "colour": _tint(rng, 0.06),
    }


def paint(rng: Generator) -> tuple[np.ndarray, float]:
    """Colours of one physical sign: a (3, 3) matrix and an offset, for fading, dust and lamp colours."""
    fade = rng.beta(1, 4)  # towards grey
    matrix = (1 - fade) * np.eye(3) + fade * np.full((3, 3), 1 / 3) + rng.normal(0, 0.04, (3, 3))
    return matrix.astype(np.float32), rng.uniform(0, 0.15) * fade


def light(rng: Generator, height: int, width: int, base: dict[str, float | np.ndarray]) -> np.ndarray:
    """Illumination (height, width, 3) of a sign: gain, gradient, colour cast and soft shadows.

    base: the track's gain and colour cast (see `lamp`).
    """
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle, slope = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15)
    field = 1 + slope * (np.cos(angle) * x + np.sin(angle) * y)
    if rng.random() < base["shadow"]:
        field = field * _shadow(rng, x, y)
    gain = base["gain"] * np.exp(rng.normal(0, 0.1))
    return gain * field[..., None] * base["cast"]


def lamp(rng: Generator) -> dict[str, float | np.ndarray]:
    """Light on a whole track: gain (log-uniform, dusk to glare), colour cast, haze, chance of shadows."""
    return {
        "gain": np.exp(rng.uniform(np.log(0.12), np.log(1.8))),
        "cast": _tint(rng, 0.06),
        "haze": rng.beta(0.7, 9),
        "veil": rng.uniform(0.2, 0.9),
        "shadow": rng.choice([0.0, 0.1, 0.9], p=[0.5, 0.3, 0.2]),
    }


def _tint(rng: Generator, strength: float) -> np.ndarray:
    """Channel gains (3,) along the daylight axis, warm to blue, with a little green or magenta."""
    warm, green = rng.normal(0, strength), rng.normal(0, 0.3 * strength)
    return np.exp(np.array([warm, green, 0.04 - warm])).astype(np.float32)


def _shadow(rng: Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Multiplier in (0, 1]: the shadow of an edge or of foliage."""
    depth, softness = rng.uniform(0.25, 0.8), rng.uniform(0.02, 0.3)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        height = np.cos(angle) * x + np.sin(angle) * y - rng.uniform(-0.7, 0.7)
    else:
        texture = background_bank()[rng.integers(BANK_SIZE), ..., 0]
        left, top, span = *rng.integers(0, BANK_SIDE // 2, 2), rng.integers(24, BANK_SIDE // 2)
        piece = texture[top : top + span, left : left + span]
        height = 0.5 * cv2.resize(piece, x.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return 1 - depth * expit(height / softness)


def dirt(rng: Generator, rgba: np.ndarray) -> np.ndarray:
    """Spots, stickers and branches over a sign (H, W, 4), premultiplied alpha; returns a changed copy."""
    height, width = rgba.shape[:2]
    rgb, alpha = rgba[..., :3].copy(), rgba[..., 3:]
    for _ in range(rng.poisson(0.6)):
        cover = np.zeros((height, width), np.float32)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if rng.random() < 0.6:
            axes = (int(width * rng.uniform(0.02, 0.15)) + 1, int(height * rng.uniform(0.02, 0.15)) + 1)
            cv2.ellipse(cover, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
        else:
            reach = rng.uniform(-1, 1, 2) * [width, height]
            end = (int(x + reach[0]), int(y + reach[1]))
            cv2.line(cover, (int(x), int(y)), end, 1.0, max(1, int(width * rng.uniform(0.01, 0.06))))
        cover = cv2.GaussianBlur(cover, (0, 0), width * rng.uniform(0.005, 0.03)) * rng.uniform(0.3, 1)
        colour = rng.uniform(0.05, 0.7) + rng.normal(0, 0.06, 3)
        rgb += cover[..., None] * (alpha * colour.astype(np.float32) - rgb)
    return np.dstack([rgb, alpha])


def camera(rng: Generator, image: np.ndarray, *, defocus: float = 1.0, motion: float = 1.0) -> np.ndarray:
    """What lens, movement and electronics do: coarse resolution, blurs, sharpening halos, tone curve.

    defocus, motion: factors on the blur strengths. The image keeps its size.
    """
    height, width = image.shape[:2]
    if rng.random() < 0.3:  # seen at a lower resolution than stored
        share = rng.uniform(0.5, 0.95)
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    sigma = defocus * rng.gamma(1.2, 0.3) * (0.7 + min(height, width) / 100)
    if sigma > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    if rng.random() < 0.3 * motion:
        length = rng.uniform(0.03, 0.11) * width
        angle = rng.normal(0, 0.5) if rng.random() < 0.7 else rng.uniform(0, np.pi)
        image = cv2.filter2D(image, -1, _line(length, angle), borderType=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:  # cameras sharpen, and leave halos
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 1.5))
        image = image + rng.uniform(0.3, 1.8) * (image - soft)
    return np.clip(image, 0, 1) ** rng.uniform(0.8, 1.35)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """A uint8 image (H, W, 3) after JPEG compression at a quality from 1 to 100."""
    _, code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]


def _line(length: float, angle: float) -> np.ndarray:
    """Kernel of a straight movement over `length` pixels."""
    reach = int(np.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    steps = np.linspace(-length / 2, length / 2, 4 * reach + 3)
    points = reach + np.rint(np.outer(steps, [np.sin(angle), np.cos(angle)])).astype(int)
    np.add.at(kernel, (points[:, 0], points[:, 1]), 1)
    return kernel / kernel.sum()
