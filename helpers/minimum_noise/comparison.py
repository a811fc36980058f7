"""Searches side by side: methods, on networks, for the same images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import classifiers, metrics
from helpers.backend import keras
from helpers.minimum_noise.memory import CACHE, remembered
from helpers.minimum_noise.oracle import MinimumNoise

Find = Callable[..., MinimumNoise]  # called with model, images, labels
SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)  # of the questions, that `worth` looks at
SHOWN = 4  # images of `examples`


@dataclass(frozen=True, eq=False)
class Comparison:
    """What every method found for the same images on every network.

    found: (method, network) -> result; networks: by name; images: (N, H, W, C) in [0, 255]; labels: (N,);
    numbers: (N,) the images' numbers in the set that they are from. Norms are L2 in grey levels.
    """

    found: dict[tuple[str, str], MinimumNoise]
    networks: dict[str, keras.Model]
    images: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray

    @property
    def methods(self) -> list[str]:
        """The methods, in the order asked."""
        return list(dict.fromkeys(method for method, _ in self.found))

    @property
    def interrupted(self) -> list[str]:
        """Which searches somebody stopped before their end."""
        return [f"{method} on {name}" for (method, name), found in self.found.items() if found.interrupted]

    def table(self) -> pd.DataFrame:
        """A row an image, method and network: `MinimumNoise.table`, with network; image by its number."""
        parts = []
        for (method, name), result in self.found.items():
            rows = result.table(self.networks[name], self.images, self.labels, method)
            parts.append(rows.assign(network=name, image=self.numbers[rows["image"]]))
        return pd.concat(parts, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """What each method needed on each network.

        Columns method, network, images (those that needed a noise), success and rounded (%: flipped, and by
        whole grey levels too), median_l2 with low and high, median_linf and median_psnr (of those found),
        queries and gradients (means), optimality (median ratio to the smallest norm that any method found).
        """
        table, rows = self.table(), []
        table["l2"] = table["l2"].fillna(np.inf)
        table["ratio"] = table["l2"] / table.groupby(["network", "image"])["l2"].transform("min")
        for (method, name), part in table.groupby(["method", "network"], sort=False):
            part = part[~part["already_wrong"]]
            row = {"method": method, "network": name, "images": len(part)}
            row |= {share: 100 * part[share].mean() for share in ("success", "rounded")}
            row |= dict(zip(("median_l2", "low", "high"), metrics.median_interval(part["l2"]), strict=True))
            row |= {f"median_{size}": part[size].median() for size in ("linf", "psnr")}
            row |= {cost: part[cost].mean() for cost in ("queries", "gradients")}
            rows.append(row | {"optimality": part["ratio"].median()})
        return pd.DataFrame(rows)

    def ratios(self, pairs: Sequence[tuple[str, str]], by: str = "method") -> pd.DataFrame:
        """The norm that one method (or network) needs divided by what another does, for pairs of them.

        by: "method", compared on every network, or "network", compared by every method. Of the images that
        neither has wrong already. Columns method, network, relative_to, median_l2, flipped and flipped_other
        (images for which each found a noise), those of `metrics.ratio_row`, and p_holm over all.
        """
        rows = []
        for common in self.methods if by == "network" else self.networks:
            for name, other in pairs:
                keys = [(common, each) if by == "network" else (each, common) for each in (name, other)]
                one, two = (self.found[key] for key in keys)
                both = ~one.already_wrong & ~two.already_wrong
                row = {"method": keys[0][0], "network": keys[0][1], "relative_to": other}
                row |= {"median_l2": metrics.median_interval(one.norms[both])[0]}
                row |= {"flipped": one.success[both].sum(), "flipped_other": two.success[both].sum()}
                rows.append(row | metrics.ratio_row(one.norms[both], two.norms[both]))
        table = pd.DataFrame(rows)
        return table.assign(p_holm=metrics.holm(table["p"]))

    def carried(self, source: str) -> pd.DataFrame:
        """Which other networks the noises fool that were found for one: noise that does not know them.

        Columns method, source, network, images (turned on the source, and right on the network without
        noise), fooled with low and high (%; Wilson's interval).
        """
        rows = []
        for (method, name), own in self.found.items():
            known = self.found[method, source]
            chosen = known.success & ~own.already_wrong
            if name == source or not chosen.any():
                continue
            noisy = self.images[chosen] + known.noise[chosen]
            fooled = classifiers.predictions(self.networks[name], noisy) != self.labels[chosen]
            row = {"method": method, "source": source, "network": name, "images": len(fooled)}
            ends = 100 * np.array(metrics.accuracy_interval(fooled))
            rows.append(row | dict(zip(("fooled", "low", "high"), ends, strict=True)))
        return pd.DataFrame(rows, columns=["method", "source", "network", "images", "fooled", "low", "high"])

    def worth(self, method: str, queries: int, others: Sequence[str]) -> pd.DataFrame:
        """What questions are worth: the norm after so many, relative to other methods, paired by image.

        queries: of which `SHARES` are looked at; others: count by what they had found after as many
        questions, or, where they see gradients, at their end. Columns network, queries, median_l2 with
        median_low and median_high, relative_to, and those of `metrics.ratio_row`.
        """
        rows = []
        for name in self.networks:
            needed = ~self.found[method, name].already_wrong
            for count in (queries * np.array(SHARES)).astype(int):
                norms = self.found[method, name].after(count)[needed]
                median, low, high = metrics.median_interval(norms)
                row = {"network": name, "queries": count}
                row |= {"median_l2": median, "median_low": low, "median_high": high}
                for other in others:
                    result = self.found[other, name]
                    reached = result.norms if result.gradients.any() else result.after(count)
                    rows.append(row | {"relative_to": other} | metrics.ratio_row(norms, reached[needed]))
        return pd.DataFrame(rows)

    def curves(self, network: str) -> tuple[dict[str, tuple[np.ndarray, list[float]]], dict[str, float]]:
        """What `plots.norm_against_queries` draws: median norms by questions, and of those with gradients."""
        found = {method: self.found[method, network] for method in self.methods}
        needed = ~next(iter(found.values())).already_wrong
        most = max(result.queries.max() for result in found.values())
        asked = np.unique(np.geomspace(50, max(most, 51), 25).astype(int))
        curves, levels = {}, {}
        for method, result in found.items():
            if result.gradients.any():
                levels[method] = metrics.median_interval(result.norms[needed])[0]
                continue
            spent = asked[asked <= result.queries[needed].max(initial=0)]
            curves[method] = spent, [np.median(result.after(count)[needed]) for count in spent]
        return curves, levels

    def examples(self, network: str, class_names: Sequence[str], method: str = "search") -> tuple:
        """What `plots.examples` draws: images, noises, and the answers to both, of the first that flipped."""
        result = self.found[method, network]
        chosen = np.flatnonzero(result.success)[:SHOWN]
        clean, noise = self.images[chosen], result.noise[chosen]
        texts = []
        for pictures in (clean, clean + noise):
            shares = classifiers.probabilities(self.networks[network], pictures) if len(chosen) else []
            texts.append([f"{class_names[row.argmax()]}: {row.max():.0%}" for row in shares])
        return clean, noise, *texts

    def flipped(self, network: str, method: str = "search") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images, noises and labels of all that a method flipped on a network."""
        result = self.found[method, network]
        return self.images[result.success], result.noise[result.success], self.labels[result.success]

    def landed(self, classes: int, method: str = "search") -> np.ndarray:
        """Answers after the smallest noise on all networks: counts (classes, classes), truth in rows."""
        counts = np.zeros((classes, classes), int)
        for name in self.networks:
            result = self.found[method, name]
            np.add.at(counts, (self.labels[result.success], result.predicted[result.success]), 1)
        return counts

    def sandwich(
        self, network: str, radii: pd.DataFrame, thresholds: pd.DataFrame, method: str = "search"
    ) -> pd.DataFrame:
        """What is certified, what was found, and what chance needs, for every image that needed a noise.

        radii, thresholds: as `stability.Comparison` gives them, image by number. Columns image, label,
        distance (the norm found), radius, chance (the norm of the Gaussian noise that flips half the copies,
        before clipping; inf: none that was tried).
        """
        result = self.found[method, network]
        table = pd.DataFrame({"image": self.numbers, "label": self.labels, "distance": result.norms})
        table, half = table[~result.already_wrong], thresholds[thresholds["share"] == 0.5]
        for other, column in ((radii, "radius"), (half, "threshold")):
            known = other[other["network"] == network][["image", "label", column]]
            table = table.merge(known, "left", on=["image", "label"])
        table["chance"] = table.pop("threshold") * np.sqrt(self.images[0].size)
        return table


def compare(
    methods: Mapping[str, Find],
    networks: Mapping[str, keras.Model],
    images,
    *,
    numbers: np.ndarray | None = None,
    cache: Path = CACHE,
) -> Comparison:
    """Let every method search for the smallest noise on every network, each once: results are kept.

    methods: name -> such as ``partial(search, queries=…, seed=…)``; images: `datasets.ImageSet`; numbers:
    (N,) of the images in the set that they are from, 0 … N-1 by default.
    """
    pixels, labels = np.ascontiguousarray(images.images), images.labels
    found = {
        (method, name): remembered(find, model, pixels, labels, cache=cache)
        for method, find in methods.items()
        for name, model in networks.items()
    }
    numbers = np.arange(len(labels)) if numbers is None else np.asarray(numbers)
    return Comparison(found, dict(networks), pixels, labels, numbers)


def tables(**comparisons: Comparison) -> pd.DataFrame:
    """`Comparison.table` of several, below each other, with a column section: their names."""
    parts = [comparison.table().assign(section=name) for name, comparison in comparisons.items()]
    return pd.concat(parts, ignore_index=True)
