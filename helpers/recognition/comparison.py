"""Which system recognises people, by how many images, frames and under which noise."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import metrics, training
from helpers.recognition.general import embed
from helpers.recognition.protocol import Fold, Trial
from helpers.recognition.search import SHORTLIST
from helpers.recognition.systems import Recogniser, grade

Trainings = Sequence[Sequence[Recogniser]]  # by training and fold
POINTS = 400  # of a curve, at most
RANKS = (1, 5, SHORTLIST)


def fit_all(folds: Sequence[Fold], *, seeds: Iterable[int], **options: object) -> list[list[Recogniser]]:
    """Of every training (seed) the recognisers of all folds; options and errors: of `Recogniser`."""
    return [[Recogniser(fold, seed=seed, **options) for fold in folds] for seed in seeds]


@dataclass(frozen=True, eq=False)
class Matches:
    """Log-odds of probes against entries, of every system, training and fold.

    log_odds: by system, training and fold (N, P); shown: of each fold (N,), a place among its P entries;
    thresholds: by system, training and fold, below which nobody is named; names: of each fold, its entries;
    enrolled: images of a person, at most.
    """

    log_odds: dict[str, list[list[np.ndarray]]]
    shown: list[np.ndarray]
    thresholds: dict[str, list[list[float]]]
    names: list[tuple[str, ...]]
    enrolled: int

    def errors(self) -> pd.DataFrame:
        """A row a system: how often it is wrong, in percent.

        Columns, those of shares each with its ends `_low` and `_high` over people and trainings: system; eer,
        the equal error rate of all pairs; of the closed set rank_1, the right person first, and rank_5 and
        rank_10, as long as a shortlist (NaN where there are no more entries); of the open set named, known
        people who are named rightly, and false_accepts, strangers who are named, as which every probe counts
        once, without its own entry; grade_own, grade_other, mean grades of pairs; entries, enrolled, people,
        probes, trainings.
        """
        return pd.DataFrame([self._row(system) for system in self.log_odds])

    def differences(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """A row a pair of systems, the first less the second, in points.

        Columns systems; eer with its ends; rank_1 with its ends, and of that p, by person and training as
        `metrics.difference_row` has it, corrected over the table by Holm (p_holm); people, trainings.
        """
        rows = []
        for one, other in pairs:
            rate = metrics.equal_error_interval(*self._pairs(one), less=self._pairs(other)[0])
            first = (self._by_person(self._within(system, 1)) for system in (one, other))
            found = metrics.difference_row(*first)
            row = {"systems": f"{one} - {other}"} | _percent("eer", np.array(rate))
            row |= _percent("rank_1", np.array([found[end] for end in ("difference", "low", "high")]) / 100)
            rows.append(row | {"p": found["p"], "people": found["images"], "trainings": found["trainings"]})
        table = pd.DataFrame(rows)
        table.insert(table.columns.get_loc("p") + 1, "p_holm", metrics.holm(table["p"]))
        return table

    def curves(self) -> pd.DataFrame:
        """False accepts and rejects (%) of every system at every threshold, all trainings together."""
        found = []
        for system in self.log_odds:
            scores, genuine, _ = (np.concatenate(parts) for parts in self._pairs(system))
            rates = metrics.roc(scores[genuine], scores[~genuine])
            kept = np.unique(np.linspace(0, len(rates) - 1, POINTS).astype(int))
            found.append(rates.iloc[kept].assign(system=system))
        table, errors = pd.concat(found, ignore_index=True), ["false_accepts", "false_rejects"]
        return table.assign(**100 * table[errors])

    def clips(self, frames: int) -> "Matches":
        """So many images of one person at a time, instead of single probes: the mean of their log-odds.

        The threshold stays that of single ones. What is left over of a person's probes counts nowhere.
        ValueError where nobody has as many.
        """
        places = {fold: _clips(shown, frames) for fold, shown in enumerate(self.shown)}
        places = {fold: clips for fold, clips in places.items() if clips}
        if not places:
            raise ValueError(f"no person has {frames} probes: take fewer frames")
        fused = {
            system: [
                [np.stack([row[fold][clip].mean(0) for clip in clips]) for fold, clips in places.items()]
                for row in rows
            ]
            for system, rows in self.log_odds.items()
        }
        shown = [self.shown[fold][[clip[0] for clip in clips]] for fold, clips in places.items()]
        thresholds = {
            system: [[row[fold] for fold in places] for row in rows]
            for system, rows in self.thresholds.items()
        }
        return Matches(fused, shown, thresholds, [self.names[fold] for fold in places], self.enrolled)

    def _row(self, system: str) -> dict[str, object]:
        entries = max(map(len, self.names))
        scores, genuine, people = (np.concatenate(parts) for parts in self._pairs(system))
        ranks = {f"rank_{rank}": self._within(system, rank) for rank in RANKS if entries > rank}
        row = {"system": system} | _percent("eer", metrics.equal_error_interval(*self._pairs(system)))
        for rank in RANKS:
            row |= _percent(f"rank_{rank}", (np.nan,) * 3)
        for name, found in (ranks | self._open(system)).items():
            row |= _percent(name, self._interval(found))
        row |= {"grade_own": grade(scores[genuine]).mean(), "grade_other": grade(scores[~genuine]).mean()}
        row |= {"entries": entries, "enrolled": self.enrolled, "people": len(np.unique(people))}
        return row | {"probes": sum(map(len, self.shown)), "trainings": len(self.log_odds[system])}

    def _interval(self, right: np.ndarray) -> np.ndarray:
        """Share of (S, N) with its ends by person and training, in [0, 1]: (3,)."""
        row = metrics.accuracy_row(right, self._people())
        by = "" if np.isnan(row["track_low"]) else "track_"  # where a person has one probe, both are the same
        return np.array([row["accuracy"], row[f"{by}low"], row[f"{by}high"]]) / 100

    def _by_person(self, right: np.ndarray) -> np.ndarray:
        """Means of (S, N) over the probes of each person, (S, people): probes of one err together."""
        counts = np.bincount(self._people())
        sums = np.stack([np.bincount(self._people(), row) for row in right])
        return sums[:, counts > 0] / counts[counts > 0]

    def _people(self) -> np.ndarray:
        """Whom each probe shows, counted over all folds."""
        starts = np.cumsum([0, *map(len, self.names)])
        return np.concatenate([own + start for own, start in zip(self.shown, starts, strict=False)])

    def _pairs(self, system: str) -> tuple[list, list, list]:
        """Scores, whether genuine, and the person shown, of all pairs of a training, a list each."""
        scores = [np.concatenate([found.ravel() for found in row]) for row in self.log_odds[system]]
        own = [
            shown[:, None] == np.arange(len(names))
            for shown, names in zip(self.shown, self.names, strict=True)
        ]
        genuine = np.concatenate([matrix.ravel() for matrix in own])
        persons = np.repeat(self._people(), np.concatenate([np.full(len(m), m.shape[1]) for m in own]))
        return scores, [genuine] * len(scores), [persons] * len(scores)

    def _within(self, system: str, rank: int) -> np.ndarray:
        """Whether the person shown is among the first so many, (S, N)."""
        return np.stack(
            [
                np.concatenate([_rank(found, own) < rank for found, own in zip(row, self.shown, strict=True)])
                for row in self.log_odds[system]
            ]
        )

    def _open(self, system: str) -> dict[str, np.ndarray]:
        """Whether known people are named rightly, and whether strangers are named, (S, N) each."""
        known, strangers = [], []
        for row, thresholds in zip(self.log_odds[system], self.thresholds[system], strict=True):
            for found, own, threshold in zip(row, self.shown, thresholds, strict=True):
                mine = found[np.arange(len(own)), own]
                known.append((mine == found.max(1)) & (mine >= threshold))
                others = np.where(own[:, None] == np.arange(found.shape[1]), -np.inf, found)
                strangers.append(others.max(1) >= threshold)
        shape = (len(self.log_odds[system]), -1)
        return {
            "named": np.concatenate(known).reshape(shape),
            "false_accepts": np.concatenate(strangers).reshape(shape),
        }


def matches(trainings: Trainings, noise: Callable[..., ArrayLike] | None = None, *, seed: int = 0) -> Matches:
    """All probes against who is tested in their fold; noise: on the probes, such as a `noise.NoiseSet`."""
    folds = [recogniser.fold for recogniser in trainings[0]]
    probes = [
        fold.tested.probes
        if noise is None
        else np.asarray(noise(fold.tested.probes, seed=seed, indices=np.arange(len(fold.tested.probes))))
        for fold in folds
    ]
    found = [
        [recogniser.scores(images) for recogniser, images in zip(row, probes, strict=True)]
        for row in trainings
    ]
    return _matches(trainings, found, [fold.tested for fold in folds])


def against_everybody(trainings: Trainings, systems: Sequence[str]) -> Matches:
    """All probes against everybody else as well, see `Recogniser.against_everybody`."""
    found = [[recogniser.against_everybody(systems) for recogniser in row] for row in trainings]
    return _matches(trainings, found, [recogniser.fold.everybody() for recogniser in trainings[0]])


def _matches(trainings: Trainings, found: Sequence[Sequence[dict]], trials: Sequence[Trial]) -> Matches:
    systems = found[0][0]
    log_odds = {name: [[scores[name] for scores in row] for row in found] for name in systems}
    thresholds = {
        name: [
            [one.scales[name].threshold(len(trial.names)) for one, trial in zip(row, trials, strict=True)]
            for row in trainings
        ]
        for name in systems
    }
    enrolled = max(len(images) for trial in trials for images in trial.enrolled)
    shown, names = [trial.shown for trial in trials], [trial.names for trial in trials]
    return Matches(log_odds, shown, thresholds, names, enrolled)


def look_alikes(trainings: Trainings, system: str = "signature", *, count: int = 20) -> pd.DataFrame:
    """How much of a person's variety a generator makes: a row a person, means over trainings.

    Distances are 1 - cosine, of the general network's features. Columns name; own, one and made: mean
    distance between images that the discriminator meets (the enrolled ones, changed at random), between such
    of one enrolled image, and between look-alikes, so many of each; share: made by own, near 0 where a
    generator makes one image only; alike: largest cosine of a look-alike and an enrolled image, on average.
    """
    rows = []
    for recogniser in (one for row in trainings for one in row):
        made, trial = recogniser.signatures[system].generate(count, seed=0), recogniser.fold.tested
        for name, images, fakes, known in zip(
            trial.names, trial.enrolled, made, recogniser.tested.features, strict=True
        ):
            several = {"own": _met(images, count), "one": _met(images[:1], count), "made": fakes}
            features = {kind: embed(recogniser.general, each) for kind, each in several.items()}
            alike = (features["made"] @ known.T).max(1).mean()
            rows.append(
                {"name": name, **{kind: _spread(each) for kind, each in features.items()}, "alike": alike}
            )
    table = pd.DataFrame(rows).groupby("name", sort=False).mean()
    table.insert(3, "share", table["made"] / table["own"])
    return table.reset_index()


def _met(images: np.ndarray, count: int) -> np.ndarray:
    """So many images as a discriminator meets them."""
    chosen = np.resize(images, (count, *images.shape[1:]))
    return np.asarray(training.augmentation.camera(chosen, (0, 0)))


def _spread(features: np.ndarray) -> float:
    """Mean distance between different rows (K, D) of norm 1."""
    count = len(features)
    return float(1 - (np.square(features.sum(0)).sum() - count) / (count * (count - 1)))


def _clips(shown: np.ndarray, frames: int) -> list[np.ndarray]:
    """Places of probes in clips of so many, each of one person."""
    return [
        places[first : first + frames]
        for places in (np.flatnonzero(shown == person) for person in np.unique(shown))
        for first in range(0, len(places) - frames + 1, frames)
    ]


def _rank(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Entries (N,) that a probe matches better than its own; an equal one counts as half of one."""
    mine = found[np.arange(len(own)), own][:, None]
    return (found > mine).sum(1) + ((found == mine).sum(1) - 1) / 2


def _percent(name: str, interval: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), 100 * np.array(interval), strict=True))
