"""What a classifier answered to many noisy copies of many images, and what follows from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import metrics
from helpers.stability.certainty import certified_radius, expected_calibration_error


@dataclass(frozen=True, eq=False)
class Votes:
    """What a classifier answered to N images x S sigmas x copies.

    Made by `stability.votes`. sigmas: (S,) grey levels; labels, clean_predictions: (N,) true class and answer
    without noise; counts: (N, S, K) copies answered as each class; failures: (N, S + 1) copies first
    misclassified at each sigma, the last: never; calibration: (S, bins, 3) copies, sum of confidences and
    right answers by confidence; sampled: (N, S, C, 3) PSNR in dB, probability of the true class and answer of
    C first copies. All counts are int64.
    """

    sigmas: np.ndarray
    copies: int
    labels: np.ndarray
    clean_predictions: np.ndarray
    counts: np.ndarray
    failures: np.ndarray
    calibration: np.ndarray
    sampled: np.ndarray

    @classmethod
    def merged(
        cls,
        sigmas: np.ndarray,
        copies: int,
        labels: np.ndarray,
        parts: Iterable[tuple[slice, dict[str, np.ndarray]]],
    ) -> "Votes":
        """Votes of runs of copies of blocks of images, added up as they come: none is kept.

        parts: the images of a block, and the fields of one run of their copies; what does not depend on the
        copies (clean_predictions), and sampled, in the first run only.
        """
        fields: dict[str, np.ndarray] = {}
        for images, part in parts:
            for name, values in part.items():
                by_image = name != "calibration"
                if name not in fields:
                    shape = (len(labels), *values.shape[1:]) if by_image else values.shape
                    fields[name] = np.zeros(shape, values.dtype)
                fields[name][images if by_image else ...] += values
        return cls(sigmas, copies, labels, **fields)

    @property
    def right(self) -> np.ndarray:
        """Which images are answered rightly without noise, (N,) bool."""
        return self.clean_predictions == self.labels

    @property
    def hits(self) -> np.ndarray:
        """Copies that were answered rightly, (N, S)."""
        return self.counts[np.arange(len(self.labels)), :, self.labels]

    def shares(self, sigmas: Sequence[float] | None = None) -> np.ndarray:
        """Share of the copies answered rightly, (N, S): at all sigmas, or those given."""
        return self.hits[:, self._places(sigmas)] / self.copies

    def accuracy(self, groups: ArrayLike | None = None, *, only_correct: bool = False) -> pd.DataFrame:
        """Accuracy at every sigma: sigma, the columns of `metrics.accuracy_row`, copies.

        The first row is sigma 0, the images themselves, which count as one copy each. only_correct: only
        images answered rightly without noise, as in the restoration paper; sigma 0, 100 % then, is left out.
        """
        rows = [self.overall([sigma], groups, only_correct=only_correct) for sigma in self.sigmas]
        table = pd.DataFrame({"sigma": self.sigmas}).join(pd.DataFrame(rows))
        if only_correct:
            return table
        clean = {"sigma": 0.0} | metrics.accuracy_row(self.right, groups) | {"copies": 1}
        return pd.concat([pd.DataFrame([clean]), table], ignore_index=True)

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
        groups = self._grouped(groups)
        kept = self.right if only_correct else np.ones(len(self.labels), bool)
        if not kept.any():
            nothing = dict.fromkeys(("accuracy", "low", "high", "track_low", "track_high"), np.nan)
            return nothing | {"images": 0, "copies": self.copies}
        groups = None if groups is None else groups[kept]
        return metrics.mean_row(self.shares(sigmas)[kept].mean(1), groups) | {"copies": self.copies}

    def class_report(self, class_names: Sequence[str], sigmas: Sequence[float] | None = None) -> pd.DataFrame:
        """Precision and recall of every class over all copies, as in Tables 2 to 6.

        Columns class, name, precision, recall, f1, copies (of the class, at all these sigmas); NaN as in
        `metrics.per_class_report`.
        """
        report = metrics.class_report(self._confusion(sigmas), class_names)
        return report.rename(columns={"images": "copies"})

    def class_counts(self, classes: int, sigmas: Sequence[float] | None = None) -> np.ndarray:
        """Copies of every true class that are wrong, and all of them: (classes, 2).

        Raises ValueError where the votes are for another number of classes.
        """
        confusion = self._confusion(sigmas)
        if classes != len(confusion):
            raise ValueError(f"the votes are for {len(confusion)} classes, not {classes}")
        every = confusion.sum(1)
        return np.stack([every - np.diag(confusion), every], axis=1)

    def flips(self, sigma: float) -> dict[str, int]:
        """What noise of one sigma makes wrong of the images that are right without noise.

        flipped: such images of which a copy is wrong; images: all of them; flipped_copies: their copies that
        are wrong; copies: all copies of them.
        """
        wrong = self.copies - self.hits[self.right, self._place(sigma)]
        images = {"flipped": int((wrong > 0).sum()), "images": len(wrong)}
        return images | {"flipped_copies": int(wrong.sum()), "copies": len(wrong) * self.copies}

    def thresholds(self, share: float) -> np.ndarray:
        """Sigma by which a share of the copies has failed, (N,): 0 if wrong without noise, inf if never."""
        return metrics.failure_threshold(*self._from_zero(), share)

    def threshold_table(self, shares: Sequence[float] = (0.05, 0.5)) -> pd.DataFrame:
        """`thresholds` of every image with 95 % intervals over its copies.

        Columns image, label, share, threshold, low, high.
        """
        parts = []
        for share in shares:
            reach = metrics.failure_threshold_interval(self.failures, self.sigmas, share)
            low, high = np.where(self.right[:, None], reach, 0.0).T  # wrong at sigma 0: no chance in it
            columns = {"image": np.arange(len(self.labels)), "label": self.labels, "share": share}
            columns |= {"threshold": self.thresholds(share), "low": low, "high": high}
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def class_threshold_table(
        self,
        class_names: Sequence[str],
        shares: Sequence[float] = (0.05, 0.5),
        groups: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Sigma by which a share of a class's copies has failed.

        Columns class, name, share, threshold, low, high, images. All copies of an image that is wrong without
        noise have failed at sigma 0. Intervals: bootstrap over the images of the class, or over whole groups
        (N,). Classes without an image are left out.
        """
        groups, rows = self._grouped(groups), []
        failures, sigmas = self._from_zero()
        for share, label in product(shares, np.unique(self.labels)):
            members = self.labels == label
            tracks = None if groups is None else groups[members]
            found = metrics.group_failure_threshold(failures[members], sigmas, share, tracks)
            columns = dict(zip(("threshold", "low", "high"), found, strict=True))
            named = {"class": label, "name": class_names[label], "share": share}
            rows.append(named | columns | {"images": members.sum()})
        return pd.DataFrame(rows)

    def certified_table(self) -> pd.DataFrame:
        """What is certified at every sigma: share of images (%) with a radius above 0, and the radii in L2.

        Columns sigma, copies, certified, median_radius and radius_90 (the 90th percentile) over all images,
        largest (the radius of an image all of whose copies are right: so many certify no more), images.
        Radii in grey levels, see `radii`.
        """
        radii = self.radii()
        return pd.DataFrame(
            {
                "sigma": self.sigmas,
                "copies": self.copies,
                "certified": 100 * (radii > 0).mean(0),
                "median_radius": np.median(radii, 0),
                "radius_90": np.quantile(radii, 0.9, axis=0),
                "largest": certified_radius(self.copies, self.copies, self.sigmas),
                "images": len(radii),
            }
        )

    def radii(self, alpha: float = 0.001) -> np.ndarray:
        """Certified L2 radius of the majority vote in grey levels, (N, S), see `certified_radius`."""
        return certified_radius(self.hits, self.copies, self.sigmas, alpha=alpha)

    def radius_table(self, alpha: float = 0.001) -> pd.DataFrame:
        """The largest certified L2 radius of every image: columns image, label, radius, sigma.

        Radius in grey levels, 0 where no sigma certifies any, and sigma the one that certifies it. alpha, the
        chance that one of an image's radii is too large, is shared among the sigmas.
        """
        radii = self.radii(alpha / len(self.sigmas))
        columns = {"image": np.arange(len(radii)), "label": self.labels, "radius": radii.max(1)}
        return pd.DataFrame(columns | {"sigma": np.where(radii.any(1), self.sigmas[radii.argmax(1)], np.nan)})

    def calibration_table(self) -> pd.DataFrame:
        """How far confidence is from accuracy at every sigma, in percent.

        Columns sigma, accuracy, confidence, gap, ece. gap: mean confidence minus accuracy, above 0 for a
        classifier too sure of itself; ece: see `expected_calibration_error`.
        """
        copies, *sums = self.calibration.sum(1).T
        confidence, right = (100 * part / copies for part in sums)
        ece = 100 * expected_calibration_error(self.calibration)
        columns = {"accuracy": right, "confidence": confidence, "gap": confidence - right, "ece": ece}
        return pd.DataFrame({"sigma": self.sigmas} | columns)

    def _confusion(self, sigmas: Sequence[float] | None) -> np.ndarray:
        """Copies by true and predicted class at several sigmas, (K, K)."""
        confusion = np.zeros((self.counts.shape[-1],) * 2, np.int64)
        np.add.at(confusion, self.labels, self.counts[:, self._places(sigmas)].sum(1))
        return confusion

    def _from_zero(self) -> tuple[np.ndarray, np.ndarray]:
        """`failures` (N, S + 2) and `sigmas` (S + 1,) from 0 on, where every copy of a wrong image fails."""
        wrong = np.where(self.right, 0, self.copies)[:, None]
        later = np.where(self.right[:, None], self.failures, 0)
        return np.concatenate([wrong, later], axis=1), np.array([0, *self.sigmas])

    def _grouped(self, groups: ArrayLike | None) -> np.ndarray | None:
        if groups is not None and len(groups) != len(self.labels):
            raise ValueError(
                f"{len(self.labels)} images but {len(groups)} groups: every image needs its group"
            )
        return None if groups is None else np.asarray(groups)

    def _places(self, sigmas: Sequence[float] | None) -> list[int]:
        return list(range(len(self.sigmas))) if sigmas is None else [self._place(sigma) for sigma in sigmas]

    def _place(self, sigma: float) -> int:
        found = np.flatnonzero(self.sigmas == sigma)
        if not len(found):
            known = ", ".join(f"{known:g}" for known in self.sigmas)
            raise ValueError(f"sigma {sigma:g} was not measured: there is {known}")
        return int(found[0])
