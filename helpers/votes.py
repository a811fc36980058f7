"""What a classifier answered to many noisy copies of many images, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import metrics


@dataclass(frozen=True, eq=False)
class Votes:
    """What a classifier answered to N images x S sigmas x copies.

    Made by `stability.votes`. sigmas: (S,) grey levels; labels, clean: (N,) true class and answer without
    noise; counts: (N, S, K) copies answered as each class; failures: (N, S + 1) copies first misclassified at
    each sigma, the last: never; calibration: (S, bins, 3) copies, sum of confidences and right answers by
    confidence; sampled: (N, S, C, 3) PSNR in dB, probability of the true class and answer of C first copies.
    """

    sigmas: np.ndarray
    copies: int
    labels: np.ndarray
    clean: np.ndarray
    counts: np.ndarray
    failures: np.ndarray
    calibration: np.ndarray
    sampled: np.ndarray

    @property
    def hits(self) -> np.ndarray:
        """Copies that were answered rightly, (N, S)."""
        return self.counts[np.arange(len(self.labels)), :, self.labels]

    def shares(self, sigmas: Sequence[float] | None = None) -> np.ndarray:
        """Share of the copies answered rightly, (N, S): at all sigmas, or those given."""
        chosen = range(len(self.sigmas)) if sigmas is None else [self._place(sigma) for sigma in sigmas]
        return self.hits[:, chosen] / self.copies

    def accuracy(self, groups: ArrayLike | None = None, *, only_correct: bool = False) -> pd.DataFrame:
        """Accuracy at every sigma: sigma, the columns of `metrics.accuracy_row`, copies.

        only_correct: only images answered rightly without noise, as in the restoration paper.
        """
        rows = [self.overall([sigma], groups, only_correct=only_correct) for sigma in self.sigmas]
        return pd.DataFrame({"sigma": self.sigmas}).join(pd.DataFrame(rows))

    def overall(
        self,
        sigmas: Sequence[float] | None = None,
        groups: ArrayLike | None = None,
        *,
        only_correct: bool = False,
    ) -> dict[str, float]:
        """Accuracy over all copies at several sigmas, with intervals over images and over groups.

        NaN where only_correct leaves no image.
        """
        if groups is not None and len(groups) != len(self.labels):
            raise ValueError(
                f"{len(self.labels)} images but {len(groups)} groups: every image needs its group"
            )
        kept = self.clean == self.labels if only_correct else np.ones(len(self.labels), bool)
        if not kept.any():
            nothing = dict.fromkeys(("accuracy", "low", "high", "track_low", "track_high"), np.nan)
            return nothing | {"images": 0, "copies": self.copies}
        groups = None if groups is None else np.asarray(groups)[kept]
        return metrics.mean_row(self.shares(sigmas)[kept].mean(1), groups) | {"copies": self.copies}

    def class_report(self, class_names: Sequence[str], sigmas: Sequence[float] | None = None) -> pd.DataFrame:
        """Precision and recall of every class over all copies, as in Tables 2 to 6."""
        chosen = range(len(self.sigmas)) if sigmas is None else [self._place(sigma) for sigma in sigmas]
        confusion = np.zeros((self.counts.shape[-1],) * 2, np.int64)
        np.add.at(confusion, self.labels, self.counts[:, chosen].sum(1, dtype=np.int64))
        return metrics.class_report(confusion, class_names)

    def flips(self, sigma: float) -> tuple[int, int]:
        """Images right without noise of which a copy at sigma is wrong, and all that are right without."""
        right = self.clean == self.labels
        flipped = self.hits[:, self._place(sigma)] < self.copies
        return int((flipped & right).sum()), int(right.sum())

    def thresholds(self, share: float) -> np.ndarray:
        """Sigma by which a share of the copies has failed, (N,): 0 if wrong without noise, inf if never."""
        found = metrics.failure_threshold(self.failures, self.sigmas, share)
        return np.where(self.clean == self.labels, found, 0.0)

    def threshold_table(self, shares: Sequence[float] = (0.05, 0.5), *, seed: int = 0) -> pd.DataFrame:
        """`thresholds` of every image with 95 % intervals over its copies.

        Columns image, label, share, threshold, low, high.
        """
        parts, failures = [], self.failures.astype(np.int64)  # NumPy draws from no sums of unsigned counts
        for share in shares:
            reach = metrics.failure_threshold_interval(failures, self.sigmas, share, seed=seed)
            low, high = np.where((self.clean == self.labels)[:, None], reach, 0.0).T
            columns = {"image": np.arange(len(self.labels)), "label": self.labels, "share": share}
            parts.append(
                pd.DataFrame(columns | {"threshold": self.thresholds(share), "low": low, "high": high})
            )
        return pd.concat(parts, ignore_index=True)

    def class_threshold_table(self, class_names: Sequence[str], share: float = 0.05) -> pd.DataFrame:
        """Sigma by which a share of a class's copies has failed: class, name, threshold, low, high, images.

        Intervals: bootstrap over the images of the class. Classes without an image are left out.
        """
        rows = []
        for label in np.unique(self.labels):
            failures = self.failures[self.labels == label]
            found = metrics.group_failure_threshold(failures, self.sigmas, share)
            columns = dict(zip(("threshold", "low", "high"), found, strict=True))
            rows.append({"class": label, "name": class_names[label]} | columns | {"images": len(failures)})
        return pd.DataFrame(rows)

    def certified_table(self, radius: float = 50.0) -> pd.DataFrame:
        """What is certified at every sigma: share of images (%) at all and up to a radius, median radius.

        Radii are L2 norms in grey levels, see `radii`.
        """
        radii = self.radii()
        return pd.DataFrame(
            {
                "sigma": self.sigmas,
                "copies": self.copies,
                "certified": 100 * (radii > 0).mean(0),
                f"certified_{radius:g}": 100 * (radii >= radius).mean(0),
                "median_radius": np.median(radii, 0),
                "images": len(radii),
            }
        )

    def radii(self, alpha: float = 0.001) -> np.ndarray:
        """Certified L2 radius of the majority vote in grey levels, (N, S), see `metrics.certified_radius`."""
        return metrics.certified_radius(self.hits, self.copies, self.sigmas, alpha=alpha)

    def calibration_error(self) -> np.ndarray:
        """Expected calibration error at every sigma, (S,) in [0, 1]."""
        return metrics.expected_calibration_error(self.calibration)

    def _place(self, sigma: float) -> int:
        found = np.flatnonzero(self.sigmas == sigma)
        if not len(found):
            known = ", ".join(f"{known:g}" for known in self.sigmas)
            raise ValueError(f"sigma {sigma:g} was not measured: there is {known}")
        return int(found[0])
