"""Several restorers on the same degraded images: asked once, read in many ways."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers import classifiers, metrics, outputs
from helpers.backend import keras, tf
from helpers.datasets import ImageSet
from helpers.restoration.learning import psnr
from helpers.restoration.networks import multiply_adds, pattern

Restorer = keras.Model | Callable[[np.ndarray], np.ndarray]  # a network, or a filter of whole batches
BLOCK = 64  # images of a batch: the maps of L11 are wide
BORDER = 6  # pixels at each side that the zeros around an image can reach through L11


@dataclass(frozen=True, eq=False)
class Restored:
    """How near to the clean images restorers came.

    before: noise -> PSNR in dB of the degraded images, (S, N) of S samples of N images; after: (restorer,
    noise) -> the same of the restored ones, (T, S, N) of its T trainings; inner: what they gained without the
    outer `BORDER` pixels, (T, S, N); ssim_before, ssim_after: of the first sample alone, (N,) and (T, N);
    costs: restorer -> multiply-adds a pixel, None of filters; groups: (N,) or None.
    """

    before: dict[str, np.ndarray]
    after: dict[tuple[str, str], np.ndarray]
    inner: dict[tuple[str, str], np.ndarray]
    ssim_before: dict[str, np.ndarray]
    ssim_after: dict[tuple[str, str], np.ndarray]
    costs: dict[str, int | None]
    groups: np.ndarray | None

    def quality(self, patches: Mapping[str, int] | None = None) -> pd.DataFrame:
        """A row per noise and restorer: mean PSNR, what it gained, and SSIM.

        patches: restorer -> how many it was trained on. Columns noise, restorer, multiply_adds, psnr_before,
        psnr, gain with low and high (dB), inner (the gain without the border) with inner_low and inner_high,
        ssim_before, ssim, images, samples, trainings, and patches if given. Intervals cover images and
        trainings.
        """
        rows = []
        for (restorer, noise), found in self.after.items():
            before = self.before[noise]
            row = {"noise": noise, "restorer": restorer, "multiply_adds": self.costs[restorer]}
            row |= {"psnr_before": before.mean(), "psnr": found.mean()}
            row |= self._gained(found - before, self.inner[restorer, noise])
            row |= {"ssim_before": self.ssim_before[noise].mean()}
            row |= {"ssim": self.ssim_after[restorer, noise].mean(), "images": before.shape[1]}
            rows.append(row | {"samples": len(before), "trainings": len(found)})
        table = pd.DataFrame(rows).astype({"multiply_adds": "Int64"})
        if patches is None:
            return table
        return table.assign(patches=table["restorer"].map(patches).astype("Int64"))

    def hits(self, noise: str, restorers: Sequence[str], published: str | None = None) -> pd.DataFrame:
        """How often each restorer comes first, or among the first two, by PSNR (restoration, Table 2).

        published: a table of `data/published` with counts top_1 and top_2. Columns restorer, top_1, top_2 (%
        of the samples, mean over trainings), samples, and the published shares, if they are of the same
        restorers: shares among others say nothing. Trainings meet by number, as far as all have them.
        """
        trainings = min(len(self.after[name, noise]) for name in restorers)
        found = np.stack([self.after[name, noise][:trainings] for name in restorers])  # (R, T, S, N)
        places = (-found).argsort(0, kind="stable").argsort(0)
        table = pd.DataFrame(
            {
                "restorer": name,
                "top_1": 100 * (place == 0).mean(),
                "top_2": 100 * (place < 2).mean(),
                "samples": place[0].size,
            }
            for name, place in zip(restorers, places, strict=True)
        )
        if published is None:
            return table
        printed = outputs.published(published).set_index("restorer")
        if set(printed.index) != set(restorers):
            return table
        printed = (100 * printed / printed["top_1"].sum()).add_prefix("published_")
        return table.merge(printed.reset_index(), on="restorer")

    def lines(self, noise: str, degree: int = 1, most: float = np.inf) -> pd.DataFrame:
        """PSNR after as a polynomial of the PSNR before, of the first trainings (restoration, Figure 3).

        most: PSNR before, in dB, of the samples that are fitted. Columns restorer, and a coefficient of every
        power, psnr_0 first.
        """
        rows, fitted_to = [], self.before[noise] <= most
        before = self.before[noise][fitted_to]
        for (restorer, of), found in self.after.items():
            if of == noise:
                fitted = np.polynomial.Polynomial.fit(before, found[0][fitted_to], degree).convert().coef
                powers = {f"psnr_{power}": value for power, value in enumerate(fitted)}
                rows.append({"restorer": restorer} | powers)
        return pd.DataFrame(rows)

    def gains(self, over: str) -> pd.DataFrame:
        """What every other restorer has over one, in dB, paired by training, image and sample.

        A filter meets every training. Columns noise, restorer, over, gain with low and high, inner (without
        the border) with inner_low and inner_high, images, trainings.
        """
        rows = []
        for (restorer, noise), found in self.after.items():
            if restorer != over:
                base, inner = self.after[over, noise], self.inner[restorer, noise]
                is_filter = None in (self.costs[restorer], self.costs[over])
                pairs = slice(None if is_filter else min(len(found), len(base)))
                gained = found[pairs] - base[pairs]
                row = {"noise": noise, "restorer": restorer, "over": over}
                row |= self._gained(gained, inner[pairs] - self.inner[over, noise][pairs])
                rows.append(row | {"images": gained.shape[2], "trainings": len(gained)})
        return pd.DataFrame(rows)

    def _gained(self, whole: np.ndarray, inner: np.ndarray) -> dict[str, float]:
        """Both of (T, S, N), as columns with their ends."""
        row = {}
        for name, prefix, gains in (("gain", "", whole), ("inner", "inner_", inner)):
            ends = metrics.crossed_interval(gains.mean(1), self.groups)
            row |= zip((name, f"{prefix}low", f"{prefix}high"), ends, strict=True)
        return row


def compare(
    restorers: Mapping[str, Restorer | Sequence[keras.Model]],
    images: ImageSet,
    noises: Mapping[str, Callable[..., tf.Tensor]],
    *,
    samples: int = 1,
    seed: int,
) -> Restored:
    """Let every restorer restore the same degraded images.

    restorers: name -> network, several trainings of it, or a filter; noises: name -> a callable
    ``noise(images, seed=…, indices=…, copy=…)`` such as a `helpers.noise.NoiseSet`; samples: degraded
    versions of every image, that of image i keyed by (seed, i, sample). Raises ValueError without images, or
    where they are all border.
    """
    if not len(images):
        raise ValueError("no images: restorers need at least one")
    if min(images.images.shape[1:3]) <= 2 * BORDER:
        sides = "x".join(map(str, images.images.shape[1:3]))
        raise ValueError(f"images of {sides} pixels are all border: more than {2 * BORDER} are needed")
    trained = {name: _callables(restorer) for name, restorer in restorers.items()}
    shape = (samples, len(images))
    before = {noise: np.empty(shape, np.float32) for noise in noises}
    after = {
        (name, noise): np.empty((len(several), *shape), np.float32)
        for noise in noises
        for name, several in trained.items()
    }
    inner = {key: np.empty_like(values) for key, values in after.items()}
    ssim_before = {noise: np.empty(shape[1]) for noise in noises}
    ssim_after = {key: np.empty((len(found), shape[1])) for key, found in after.items()}
    total = len(noises) * samples * len(images)
    with tqdm(total=total, desc="restoring", unit="image", delay=1) as bar:
        for first in range(0, len(images), BLOCK):
            part = slice(first, first + BLOCK)
            clean = tf.cast(images.images[part], tf.float32)
            indices = np.arange(first, first + len(clean))
            for noise, degrade in noises.items():
                for sample in range(samples):
                    noisy = degrade(clean, seed=seed, indices=indices, copy=sample)
                    before[noise][sample, part], inner_before = _psnrs(clean, noisy).numpy()
                    if sample == 0:
                        ssim_before[noise][part] = metrics.ssim(clean, noisy)
                    for name, several in trained.items():
                        for number, restore in enumerate(several):
                            restored = restore(noisy)
                            at = number, sample, part
                            after[name, noise][at], inner_after = _psnrs(clean, restored).numpy()
                            inner[name, noise][at] = inner_after - inner_before
                            if sample == 0:
                                ssim_after[name, noise][number, part] = metrics.ssim(clean, restored)
                    bar.update(len(clean))
    size = images.images.shape[1:]
    costs = {
        name: None if _is_filter(restorer) else multiply_adds(classifiers.several(restorer)[0], size)
        for name, restorer in restorers.items()
    }
    return Restored(before, after, inner, ssim_before, ssim_after, costs, images.groups)


def examples(
    restorer: keras.Model, clean: np.ndarray, noises: Sequence[Callable[..., tf.Tensor]], *, seed: int
) -> tuple[np.ndarray, ...]:
    """What `plots.restored` shows: each image under a noise of its own, the pattern, and the restored image.

    clean: (N, H, W, C) in [0, 255]; noises: N of them. Returns clean, noisy, patterns, restored and pairs of
    PSNR in dB.
    """
    pairs = enumerate(zip(clean, noises, strict=True))
    noisy = np.concatenate([degrade(image[None], seed=seed, indices=[k]) for k, (image, degrade) in pairs])
    patterns, restored = pattern(restorer)(noisy).numpy(), classifiers.compiled(restorer)(noisy).numpy()
    clean32 = tf.cast(clean, tf.float32)
    quality = [*zip(psnr(clean32, noisy).numpy(), psnr(clean32, restored).numpy(), strict=True)]
    return clean, noisy, patterns, restored, quality


def _callables(restorer: Restorer | Sequence[keras.Model]) -> list[Callable]:
    if _is_filter(restorer):
        return [restorer]
    return [classifiers.compiled(model) for model in classifiers.several(restorer)]


def _is_filter(restorer: Restorer | Sequence[keras.Model]) -> bool:
    return callable(restorer) and not isinstance(restorer, keras.Model)


@tf.function(reduce_retracing=True)
def _psnrs(clean: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """PSNR in dB of whole images and of their middle, (2, N)."""
    inner = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return tf.stack([psnr(clean, images), psnr(clean[inner], images[inner])])
