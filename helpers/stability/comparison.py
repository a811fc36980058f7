"""Several networks under the same noise: one sweep each, one table for every question."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import classifiers, metrics, outputs
from helpers.stability.sweeps import CACHE, RESTORATION_SIGMAS, SIGMAS, Sweep, fill_all
from helpers.stability.votes import Votes

EVERY_SIGMA = tuple(sorted({*SIGMAS, *RESTORATION_SIGMAS}))
# What the two papers of Aghdam et al. average over: sigmas, and only images that are right without noise?
PROTOCOLS = {
    "all images, 12 sigmas": (SIGMAS, False),
    "correct images, 11 sigmas": (RESTORATION_SIGMAS, True),
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What networks answered to the same noisy copies.

    votes: network -> `Votes` of each of its trainings; groups: (N,) or None; class_names: one a label;
    overlap: network -> as in `metrics.trainings_reach`. Tables have a column network first. What is said of
    single images or classes is of the first training, as trainings cannot be averaged there.
    """

    votes: dict[str, list[Votes]]
    groups: np.ndarray | None
    class_names: Sequence[str]
    overlap: dict[str, float]

    def accuracy(self, *, only_correct: bool = False) -> pd.DataFrame:
        """Accuracy at every sigma, over trainings: sigma, the columns of `metrics.accuracy_row`, copies.

        Sigma 0, the images themselves, comes first; not with only_correct, see `Votes.accuracy`.
        """
        rows = []
        for network, (first, *_) in self.votes.items():
            for sigma in first.sigmas if only_correct else (0.0, *first.sigmas):
                row = {"network": network, "sigma": sigma}
                row |= self._row(network, [sigma] if sigma else [], only_correct)
                rows.append(row | {"copies": first.copies if sigma else 1})
        return pd.DataFrame(rows)

    def overall(self, dataset: str | None = None) -> pd.DataFrame:
        """Accuracy over many sigmas under both `PROTOCOLS`, over trainings, beside what the papers print.

        dataset: whose printed numbers stand in the column published; None: nobody's.
        """
        rows = [
            {"network": network, "protocol": protocol} | self._row(network, sigmas, only_correct)
            for protocol, (sigmas, only_correct) in PROTOCOLS.items()
            for network in self.votes
        ]
        printed = outputs.published("aghdam_overall").query("dataset == @dataset")
        return pd.DataFrame(rows).merge(
            printed[["network", "protocol", "published"]], "left", on=["network", "protocol"]
        )

    def gains(self, over: str, sigmas: Sequence[float] = SIGMAS) -> pd.DataFrame:
        """What every other network has over one, in points over these sigmas, paired by training and image.

        The columns of `metrics.difference_row`, and p_holm.
        """
        base = self._shares(over, sigmas, only_correct=False)
        rows = []
        for network in self.votes:
            if network != over:
                shares = self._shares(network, sigmas, only_correct=False)
                pairs = min(len(shares), len(base))
                options = {"overlap": self.overlap[network]}
                row = metrics.difference_row(shares[:pairs], base[:pairs], **options)
                rows.append({"network": network, "over": over} | row)
        table = pd.DataFrame(rows)
        return table.assign(p_holm=metrics.holm(table["p"]))

    def flips(self, sigma: float = 1) -> pd.DataFrame:
        """What noise of one sigma makes wrong, a row a training: training, and as `Votes.flips`."""
        rows = [
            {"network": network, "training": training} | votes.flips(sigma) | {"copies": votes.copies}
            for network, several in self.votes.items()
            for training, votes in enumerate(several)
        ]
        return pd.DataFrame(rows)

    def classes(self, dataset: str | None = None) -> pd.DataFrame:
        """`Votes.class_report` over the sigmas of the paper, beside what it prints for a data set."""
        table = self._tables(lambda votes: votes.class_report(self.class_names, SIGMAS))
        printed = outputs.published("aghdam_stability_classes").query("dataset == @dataset")
        printed = printed.rename(columns={name: f"published_{name}" for name in ("precision", "recall")})
        return table.merge(printed.drop(columns=["table", "dataset"]), "left", on=["network", "class"])

    def thresholds(self) -> pd.DataFrame:
        """`Votes.threshold_table`: the sigma by which a share of an image's copies has failed."""
        return self._tables(lambda votes: votes.threshold_table())

    def class_thresholds(self) -> pd.DataFrame:
        """`Votes.class_threshold_table`: the same of a class's copies."""
        return self._tables(lambda votes: votes.class_threshold_table(self.class_names, groups=self.groups))

    def certified(self) -> pd.DataFrame:
        """`Votes.certified_table`: what is certified at every sigma."""
        return self._tables(lambda votes: votes.certified_table())

    def radii(self) -> pd.DataFrame:
        """`Votes.radius_table`: the largest certified radius of every image."""
        return self._tables(lambda votes: votes.radius_table())

    def calibration(self) -> pd.DataFrame:
        """`Votes.calibration_table`: how far confidence is from accuracy at every sigma."""
        return self._tables(lambda votes: votes.calibration_table())

    def _tables(self, table) -> pd.DataFrame:
        parts = [table(several[0]).assign(network=network) for network, several in self.votes.items()]
        whole = pd.concat(parts, ignore_index=True)
        return whole[["network", *whole.columns.drop("network")]]

    def _row(self, network: str, sigmas: Sequence[float], only_correct: bool) -> dict[str, float]:
        shares = self._shares(network, sigmas, only_correct=only_correct)
        return metrics.mean_row(shares, self.groups, overlap=self.overlap[network])

    def _shares(self, network: str, sigmas: Sequence[float], *, only_correct: bool) -> np.ndarray:
        """Share of an image's copies at these sigmas that are right, (S, N); at none, the image itself.

        only_correct: NaN where the training has the image wrong without noise.
        """
        rows = []
        for votes in self.votes[network]:
            shares = votes.shares(sigmas).mean(1) if len(sigmas) else votes.right.astype(float)
            rows.append(np.where(votes.right, shares, np.nan) if only_correct else shares)
        return np.array(rows)


def compare(
    networks: Mapping[str, classifiers.Models],
    images,
    *,
    sigmas: Sequence[float] = EVERY_SIGMA,
    copies: int = 150,
    seed: int,
    cache: Path | None = CACHE,
) -> Comparison:
    """Sweep every network, all over the same noisy copies.

    networks: name -> classifier, or several trainings of it; images: `datasets.ImageSet`; others and errors
    as in `Sweep`.
    """
    trained = {name: classifiers.several(models) for name, models in networks.items()}
    with tempfile.TemporaryDirectory() as nowhere:
        protocol = {"sigmas": sigmas, "copies": copies, "seed": seed, "cache": cache or Path(nowhere)}
        asked = {}
        for name, several in trained.items():
            teams = getattr(several, "teams", [()] * len(several))
            pairs = zip(several, teams, strict=True)
            asked[name] = [
                Sweep(model, images.images, images.labels, members=team, **protocol) for model, team in pairs
            ]
        fill_all([sweep for sweeps in asked.values() for sweep in sweeps])
        votes = {name: [sweep.votes() for sweep in sweeps] for name, sweeps in asked.items()}
    overlap = {name: getattr(several, "overlap", 1.0) for name, several in trained.items()}
    return Comparison(votes, images.groups, images.class_names, overlap)
