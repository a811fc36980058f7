"""Every classifier on every noise set: asked once, read in many ways."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers import metrics, outputs
from helpers.backend import keras
from helpers.classifiers.combined import smoothed
from helpers.classifiers.forward import compiled, multiply_adds, noisy_batches
from helpers.noise import NoiseSet

CLEAN = "clean"  # the name of no noise
Models = keras.Model | Sequence[keras.Model]  # one classifier, or several trainings of it
WORTH_A_SHARE = 1.0  # points: of a smaller loss, no share is won back


@dataclass(frozen=True, eq=False)
class Answers:
    """What classifiers answered to the same images, clean and under noise sets.

    sets: name -> noise set, None without noise; predicted: (classifier, set) -> answers (S, N) of its S
    trainings to N images; labels, groups: (N,); class_names: one a label; overlap: classifier -> as in
    `metrics.trainings_reach`; sizes: classifier -> its parameters, and multiply-adds of an image.
    """

    sets: dict[str, NoiseSet | None]
    predicted: dict[tuple[str, str], np.ndarray]
    labels: np.ndarray
    groups: np.ndarray | None
    class_names: Sequence[str]
    overlap: dict[str, float]
    sizes: dict[str, dict[str, int]]

    @property
    def models(self) -> list[str]:
        """The classifiers, in the order asked."""
        return list(dict.fromkeys(model for model, _ in self.predicted))

    def right(self, model: str, noise_set: str = CLEAN) -> np.ndarray:
        """Which answers are right, (S, N) bool."""
        return self.predicted[model, noise_set] == self.labels

    def accuracy(self, **labels: str) -> pd.DataFrame:
        """Accuracy of every classifier on every set.

        Columns model, those of `labels`, noise, level (both none without noise), reading where the sets have
        one beside others, and those of `metrics.accuracy_row` of several trainings.
        """
        rows = []
        for model, name in self.predicted:
            found = metrics.accuracy_row(self.right(model, name), self.groups, overlap=self.overlap[model])
            rows.append({"model": model} | labels | self._described(name) | found)
        return pd.DataFrame(rows)

    def gains(self, model: str, over: str) -> pd.DataFrame:
        """What one classifier has over another on every set, paired by training and image.

        Columns noise, level, lost (points that `over` loses to the set), share (of them, that the difference
        is; NaN where almost nothing is lost), those of `metrics.difference_row`, and p_holm over the sets.
        """
        rows, top = [], self.right(over).mean() if (over, CLEAN) in self.predicted else np.nan
        for name in self.sets:
            lost = 100 * (top - self.right(over, name).mean())
            row = metrics.difference_row(*self._paired(model, over, name))
            share = row["difference"] / lost if lost > WORTH_A_SHARE else np.nan
            rows.append(self._described(name) | {"lost": lost, "share": share} | row)
        table = pd.DataFrame(rows)
        return table.assign(p_holm=metrics.holm(table["p"]))

    def transfer(self, over: str) -> pd.DataFrame:
        """Every classifier on every set, with its gain over one of them there: what carries over.

        Columns trained_on, tested_on, those of `metrics.accuracy_row`, and gain, gain_low, gain_high
        (points), p and p_holm, over the whole table; NaN for `over` itself.
        """
        rows = []
        for model, name in self.predicted:
            row = {"trained_on": model, "tested_on": name}
            row |= metrics.accuracy_row(self.right(model, name), self.groups)
            if model != over:
                gain = metrics.difference_row(*self._paired(model, over, name))
                row |= {"gain": gain["difference"], "gain_low": gain["low"], "gain_high": gain["high"]}
                row |= {"p": gain["p"]}
            rows.append(row)
        table = pd.DataFrame(rows)
        compared = table["p"].notna()
        table.loc[compared, "p_holm"] = metrics.holm(table.loc[compared, "p"])
        return table

    def matrix(self) -> pd.DataFrame:
        """Mean accuracy in percent, classifiers in rows, sets in columns."""
        found = {name: [100 * self.right(model, name).mean() for model in self.models] for name in self.sets}
        return pd.DataFrame(found, index=self.models)

    def beside(self, published: str, model: str | None = None) -> pd.DataFrame:
        """Measured accuracies with a paper's: the columns of `accuracy`, set (as text), published.

        published: a table of `data/published` with columns noise, level and accuracy; model: which of its
        models, if it has several. What the paper does not print is NaN.
        """
        printed = outputs.published(published)
        printed = printed if model is None else printed[printed["model"] == model]
        printed = printed.rename(columns={"accuracy": "published"})[["noise", "level", "published"]]
        table = self.accuracy().merge(printed, "left", on=["noise", "level"])
        table["set"] = [
            CLEAN if row.noise == "none" else f"{row.noise} {row.level}" for row in table.itertuples()
        ]
        return table

    def networks(self, dataset: str | None = None) -> pd.DataFrame:
        """Every classifier without noise: network, parameters, multiply_adds, accuracy, and what is printed.

        dataset: whose numbers of Aghdam et al. stand in the column published; None: nobody's.
        """
        rows = [
            {"network": model}
            | self.sizes[model]
            | metrics.accuracy_row(self.right(model), self.groups, overlap=self.overlap[model])
            for model in self.models
        ]
        printed = outputs.published("aghdam_overall")
        printed = printed.query("dataset == @dataset and protocol == 'without noise'")
        return pd.DataFrame(rows).merge(printed[["network", "published"]], "left", on="network")

    def readings(self, published: str) -> pd.DataFrame:
        """`accuracy` under noise, by reading, with a paper's table as one more reading."""
        printed = outputs.published(published).query("noise != 'none'").assign(reading="published (GTSRB)")
        measured = self.accuracy().dropna(subset="reading")
        return pd.concat([measured, printed.iloc[::-1]], ignore_index=True)

    def distances(self, published: str) -> pd.DataFrame:
        """How far every reading is from a paper's table: noise, reading, distance (mean, in points)."""
        printed = outputs.published(published)[["noise", "level", "accuracy"]]
        both = self.accuracy().merge(printed, on=["noise", "level"], suffixes=("", "_published"))
        both["distance"] = (both["accuracy"] - both["accuracy_published"]).abs()
        both = both[both["noise"] != "none"]
        return both.groupby(["noise", "reading"], sort=False)["distance"].mean().reset_index()

    def recipes(self) -> pd.DataFrame:
        """Every classifier without noise: recipe, `metrics.accuracy_row` of several trainings, trained.

        trained: how many of the trainings came off the ground, being right on more than twice the share of
        the most frequent class.
        """
        least = 2 * np.bincount(self.labels).max() / len(self.labels)
        rows = [
            {"recipe": model}
            | metrics.accuracy_row(self.right(model), self.groups, overlap=self.overlap[model])
            | {"trained": int((self.right(model).mean(1) > least).sum())}
            for model in self.models
        ]
        return pd.DataFrame(rows)

    def diversity(self) -> pd.DataFrame:
        """How differently the trainings of each classifier err: model, noise, level, `metrics.diversity`."""
        rows = [
            {"model": model} | self._described(name) | metrics.diversity(answered, self.labels)
            for (model, name), answered in self.predicted.items()
            if len(answered) > 1
        ]
        return pd.DataFrame(rows)

    def wide(self, published: str) -> pd.DataFrame:
        """`beside` for reading: a row a set, a column for the paper and each classifier, with intervals."""
        table = self.beside(published)
        shown = table.assign(text=metrics.with_interval(table, 1)).pivot(
            index="set", columns="model", values="text"
        )
        printed = table.drop_duplicates("set").set_index("set")["published"].rename("paper")
        return pd.concat([printed, shown[self.models]], axis=1).reset_index()

    def reports(self, model: str, sets: Sequence[str], training: int = 0) -> pd.DataFrame:
        """Precision, recall and F1 of every class in one training: `metrics.per_class_report` and noise."""
        return self._by_set(metrics.per_class_report, model, sets, training)

    def most_confused(self, model: str, sets: Sequence[str], training: int = 0) -> pd.DataFrame:
        """The most frequent errors of one training: `metrics.most_confused` and noise."""
        return self._by_set(metrics.most_confused, model, sets, training)

    def confusion(self, model: str, noise_set: str = CLEAN, training: int = 0) -> np.ndarray:
        """Counts (classes, classes) of one training: true classes in rows, answers in columns."""
        answered = self.predicted[model, noise_set][training]
        return metrics.confusion(self.labels, answered, len(self.class_names))

    def turned(
        self, model: str, noise_set: NoiseSet, images, *, stays: bool, seed: int, count: int = 8
    ) -> tuple:
        """Images that one training has right clean, and right (stays) or wrong under noise.

        images, seed: as the answers were asked for. Returns what `plots.before_and_after` takes: images,
        noisy images, labels, answers before and after, and a title.
        """
        before, after = (self.predicted[model, name][0] for name in (CLEAN, noise_set.name))
        found = np.flatnonzero((before == self.labels) & ((after == self.labels) == stays))[:count]
        shown = images.images[found]
        title = f"{model} under {noise_set.name}: {'stays right' if stays else 'turns wrong'}"
        noisy = noise_set(shown, seed=seed, indices=found)
        return shown, noisy, self.labels[found], before[found], after[found], title

    def joined(self, other: "Answers") -> "Answers":
        """These answers and those of other classifiers to the same images, perhaps fitted otherwise."""
        if not np.array_equal(self.labels, other.labels):
            raise ValueError("answers to other images cannot be joined: their labels differ")
        parts = {
            name: getattr(self, name) | getattr(other, name) for name in ("predicted", "overlap", "sizes")
        }
        return replace(self, **parts)

    def differences(self, pairs: Sequence[tuple[str, str]], noise_set: str = CLEAN) -> pd.DataFrame:
        """What one classifier has over another: model, over, `metrics.difference_row`, p_holm over pairs."""
        return _corrected([self._difference(*pair, noise_set) for pair in pairs])

    def differences_by_set(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """`differences` under every set, which noise and level name; p_holm over the whole table."""
        return _corrected(
            [self._described(name) | self._difference(*pair, name) for pair in pairs for name in self.sets]
        )

    def _difference(self, model: str, over: str, name: str) -> dict[str, object]:
        return {"model": model, "over": over} | metrics.difference_row(*self._paired(model, over, name))

    def _paired(self, model: str, over: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """What of two classifiers is right, training by training: as many of each."""
        one, other = self.right(model, name), self.right(over, name)
        pairs = min(len(one), len(other))
        return one[:pairs], other[:pairs]

    def _by_set(self, report: Callable, model: str, sets: Sequence[str], training: int) -> pd.DataFrame:
        answered = {name: self.predicted[model, name][training] for name in sets}
        parts = {name: report(self.labels, found, self.class_names) for name, found in answered.items()}
        return pd.concat(part.assign(noise=name) for name, part in parts.items())

    def _described(self, name: str) -> dict[str, str]:
        noise_set = self.sets[name]
        if noise_set is None:
            return {"noise": "none", "level": "none"}
        row = {"noise": noise_set.kind, "level": noise_set.level}
        return row if name == noise_set.name else row | {"reading": noise_set.reading}


def answers(
    models: Mapping[str, Models], images, sets: Sequence[NoiseSet | None] = (None,), *, seed: int = 0
) -> Answers:
    """Ask every classifier about images, clean (None) and under every noise set; all see the same noise.

    models: name -> classifier, or several trainings of it; images: `datasets.ImageSet`.
    Raises ValueError where two sets have one name.
    """
    named = {_named(noise_set, sets): noise_set for noise_set in sets}
    if len(named) < len(sets):
        raise ValueError(f"two of the {len(sets)} noise sets have one name: {', '.join(named)}")
    trainings = {name: several(model) for name, model in models.items()}
    forwards = {name: [compiled(model) for model in trained] for name, trained in trainings.items()}
    parts = {(name, label): [] for name in forwards for label in named}
    for label, noise_set in named.items():
        for batch in noisy_batches(images.images, noise_set, seed=seed):  # the noise is drawn once for all
            for name, asked in forwards.items():
                parts[name, label].append([forward(batch).numpy().argmax(1) for forward in asked])
    predicted = {key: np.concatenate(found, 1) for key, found in parts.items()}
    overlap = {name: getattr(trained, "overlap", 1.0) for name, trained in trainings.items()}
    shape = images.images.shape[1:]
    sizes = {
        name: {"parameters": trained[0].count_params(), "multiply_adds": multiply_adds(trained[0], shape)}
        for name, trained in trainings.items()
    }
    return Answers(named, predicted, images.labels, images.groups, images.class_names, overlap, sizes)


def _corrected(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows of paired tests as a table, with p_holm; without rows an empty one."""
    table = pd.DataFrame(rows, columns=None if rows else ["model", "over", "p"])
    return table.assign(p_holm=metrics.holm(table["p"]))


def best_filter(
    trained: Models, images, widths: Sequence[float], sets: Sequence[NoiseSet | None], *, seed: int
) -> float:
    """The width of the Gaussian filter behind which a classifier's trainings are most often right.

    widths: in pixels; images (such as for validation), sets and seed as in `answers`: the mean over all of
    them counts.
    """
    behind = {f"{width}": [smoothed(model, width) for model in several(trained)] for width in widths}
    scores = answers(behind, images, sets, seed=seed).accuracy().groupby("model")["accuracy"].mean()
    return float(scores.idxmax())


def several(models: Models) -> Sequence[keras.Model]:
    """Trainings of a classifier as a sequence, also where there is one only."""
    return [models] if isinstance(models, keras.Model) else models


def _named(noise_set: NoiseSet | None, sets: Sequence[NoiseSet | None]) -> str:
    """A set's name; with its reading where others of the same kind and level are there."""
    if noise_set is None:
        return CLEAN
    alike = [s for s in sets if s and s.name == noise_set.name]
    return noise_set.name if len(alike) == 1 else f"{noise_set.name}, {noise_set.reading}"
