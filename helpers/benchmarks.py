"""How fast the workbook's parts are on this machine: what `make bench` prints. Run it on an idle machine."""

import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np

from helpers import classifiers, datasets, noise, widgets
from helpers.backend import tf

REPEATS = 5  # the median of so many is reported, after one call that is not counted


def findings(data_root: str, images: int = 4096) -> Iterator[tuple[str, str]]:
    """Yield what was measured and its speed, on so many images; GTSRB where `data_root` has it."""
    grey = np.random.default_rng(0).integers(0, 256, (images, 40, 40, 3), np.uint8)
    model = classifiers.cnn_baseline(40, 43)
    rate = images / _seconds(lambda: _noisy(grey))
    yield "gaussian noise", f"{rate:,.0f} images/s at 40 x 40 x 3"
    rate = images / _seconds(lambda: classifiers.logits(model, grey))
    yield "baseline, forward", f"{rate:,.0f} images/s at 40 x 40 x 3"
    rate = images / _seconds(lambda: classifiers.logits(model, grey, noise=noise.NINE_SETS[1]))
    yield "baseline under noise", f"{rate:,.0f} images/s at 40 x 40 x 3"
    slider = widgets.NoiseSlider(grey[:10], np.zeros(10, int), ("none",) * 43, model)
    yield "noise slider", f"{1000 * _seconds(lambda: _tick(slider)):.0f} ms a tick"
    with tempfile.TemporaryDirectory() as cache:
        seconds = _once(lambda: _load("signs", 48, data_root, cache, train_images=images, test_images=43))
        yield "rendering signs", f"{(images + 43) / seconds:,.0f} images/s at 48 px"
        try:
            seconds = _once(lambda: _load("gtsrb", 40, data_root, cache))
        except datasets.DataError as error:
            yield "preparing gtsrb", f"not measured: {error}"
            return
        yield "preparing gtsrb", f"{seconds:.1f} s to 40 px"
        seconds = _seconds(lambda: _load("gtsrb", 40, data_root, cache))
        yield "gtsrb from the cache", f"{seconds:.3f} s"


def _noisy(images: np.ndarray, batch_size: int = 2048) -> tf.Tensor:
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size]
        noisy = noise.gaussian(batch, 25, seed=0, indices=np.arange(first, first + len(batch)))
    return noisy.numpy()


def _tick(slider: widgets.NoiseSlider) -> None:
    slider.level.value = (slider.level.value + 0.1) % 1


def _load(name: str, size: int, data_root: str, cache: str, **counts: int) -> None:
    datasets.load(name, size, "roi", data_root, cache=cache, **counts)


def _once(call: Callable) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _seconds(call: Callable) -> float:
    call()
    return float(np.median([_once(call) for _ in range(REPEATS)]))
