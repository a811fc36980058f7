"""More tables of answers: how near the truth is, what a change mends, what noise takes from whom."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import metrics, outputs
from helpers.classifiers.comparison import CLEAN, Answers, Models, several
from helpers.classifiers.forward import logits


def top_hits(
    networks: Mapping[str, Models],
    images,
    counts: Sequence[int] = (1, 2, 5),
    published: str | None = None,
) -> pd.DataFrame:
    """Share of images whose class is among the first answers (restoration, Table 3).

    networks: name -> classifier, or several trainings; images: `datasets.ImageSet`; published: a table of
    `data/published` with columns network, top, published. Columns network, top, those of
    `metrics.accuracy_row`, published where a table is named.
    """
    rows = []
    for network, models in networks.items():
        places = np.array([_places(logits(model, images.images), images.labels) for model in several(models)])
        for top in counts:
            found = metrics.accuracy_row(places < top, images.groups)
            rows.append({"network": network, "top": top} | found)
    table = pd.DataFrame(rows)
    if published is None:
        return table
    return table.merge(outputs.published(published), "left", on=["network", "top"])


def exchanges(answers: Answers, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Which images one classifier has right and another wrong, a row a pair, noise set and training.

    pairs: (model, over). Columns model, over, noise, training, rescued and broken (images that the first
    alone, the second alone has right), images, p (McNemar's exact test), p_holm over the table.
    """
    rows = []
    for model, over in pairs:
        for noise in answers.sets:
            right = zip(answers.right(model, noise), answers.right(over, noise), strict=False)
            for training, (one, other) in enumerate(right):
                row = {"model": model, "over": over, "noise": noise, "training": training}
                row |= {"rescued": int((one & ~other).sum()), "broken": int((other & ~one).sum())}
                rows.append(row | {"images": one.size, "p": metrics.paired_test(one, other)})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=metrics.holm(table["p"]))


def interactions(answers: Answers, models: Sequence[str] | None = None) -> pd.DataFrame:
    """What each classifier has under each noise beyond the effects of the two alone, in points.

    models: of these; None: of all. That is the accuracy less the classifier's mean over the noise sets, less
    the set's mean over the classifiers, plus the mean of all: 0 everywhere if the classifiers differed by as
    many points under every noise. Paired by training and image, of as many trainings as all have. Columns
    model, noise (the set's name), those of `metrics.difference_row`, p_holm over the table. Raises ValueError
    for fewer than two classifiers or sets.
    """
    models, sets = models or answers.models, [name for name in answers.sets if name != CLEAN]
    if min(len(models), len(sets)) < 2:
        raise ValueError(f"{len(models)} classifiers and {len(sets)} sets: an interaction needs two of both")
    fewest = min(len(answers.right(model, sets[0])) for model in models)
    right = np.array([[answers.right(model, name)[:fewest] for name in sets] for model in models], float)
    general = right.mean(1, keepdims=True) + right.mean(0, keepdims=True) - right.mean((0, 1))
    overlap = max(answers.overlap.values())
    table = pd.DataFrame(
        {"model": model, "noise": name} | metrics.difference_row(*pair, overlap=overlap)
        for model, *of_model in zip(models, right, general, strict=True)
        for name, *pair in zip(sets, *of_model, strict=True)
    )
    return table.assign(p_holm=metrics.holm(table["p"]))


def robustness(answers: Answers) -> pd.DataFrame:
    """What every classifier costs, has without noise, and has on average over the noise sets.

    Columns network, parameters, multiply_adds, those of `metrics.accuracy_row` without noise, and noisy,
    noisy_low, noisy_high (%): the mean over the sets, with an interval over images and trainings. Raises
    ValueError without a noise set.
    """
    noisy = [name for name, noise_set in answers.sets.items() if noise_set is not None]
    if not noisy:
        raise ValueError("no noise set among the answers: robustness needs one")
    rows = []
    for model in answers.models:
        overlap = answers.overlap[model]
        shares = np.mean([answers.right(model, name) for name in noisy], 0)
        under = metrics.accuracy_row(shares, answers.groups, overlap=overlap)
        row = {"network": model} | answers.sizes[model]
        row |= metrics.accuracy_row(answers.right(model), answers.groups, overlap=overlap)
        names = {"noisy": "accuracy", "noisy_low": "low", "noisy_high": "high"}
        rows.append(row | {name: under[found] for name, found in names.items()})
    return pd.DataFrame(rows)


def few_images(answers: Answers) -> pd.DataFrame:
    """Accuracy of classifiers named by their weights and how many labelled images they saw, ``none 43``.

    Columns weights, labelled (whole number), and those of `metrics.accuracy_row`, without noise.
    """
    rows = []
    for model in answers.models:
        weights, labelled = model.rsplit(maxsplit=1)
        found = metrics.accuracy_row(answers.right(model), answers.groups, overlap=answers.overlap[model])
        rows.append({"weights": weights, "labelled": int(labelled)} | found)
    return pd.DataFrame(rows)


def beside(answered: Mapping[str, Answers], published: str, weights: Mapping[str, str]) -> pd.DataFrame:
    """`Answers.beside` of several answers, the first of each next to what a paper prints for its name.

    answered: name of the paper's model -> answers; weights: the same -> what it began with, a column.
    """
    parts = [
        found.beside(published, model).assign(weights=weights[model]) for model, found in answered.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    firsts = [found.models[0] for found in answered.values()]
    return table.assign(published=table["published"].where(table["model"].isin(firsts)))


def _places(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the true one, (N,)."""
    return (scores > np.take_along_axis(scores, labels[:, None], 1)).sum(1)
