"""What a game's own discriminator and its curves say. What a classifier sees in its images, `judges` says."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from helpers import metrics, outputs, training
from helpers.datasets import ImageSet
from helpers.gans.games import Game
from helpers.gans.learning import scores

WON = 0.98  # share of pairs from which the game is over
GROWN = 3.0  # times the least loss from which it has diverged


def evaluation(
    games: Mapping[str, Sequence[Game]], test: ImageSet, *, seed: int, published: str | None = None
) -> pd.DataFrame:
    """The discriminator on test images and as many generated ones, as Bagrodia evaluates it.

    published: a table of `data/published` with columns measure and published, for beside. Columns network,
    measure, value, low, high, images, trainings: loss (mean of the two cross-entropies), accuracy, precision,
    recall, f1 of "real", and real_right, fake_right, the shares of which it is right, in [0, 1].
    """
    rows = []
    for name, several in games.items():
        found = [_evaluated(*scores(game, test, seed=seed + k)) for k, game in enumerate(several)]
        for measure in found[0]:
            values = [values[measure] for values in found]
            ends = metrics.trainings_interval(values, 0, np.inf if measure == "loss" else 1)
            row = {"network": name, "measure": measure}
            row |= dict(zip(("value", "low", "high"), ends, strict=True))
            rows.append(row | {"images": 2 * len(test), "trainings": len(values)})
    table = pd.DataFrame(rows)
    return table if published is None else table.merge(outputs.published(published), "left", on="measure")


def balance(games: Mapping[str, Sequence[training.Trained]]) -> pd.DataFrame:
    """What the curves of each training of a game say: is one player winning, or do losses run away?

    Of its last quarter; columns network, training, pairs_right (how often the discriminator orders a real
    image and a generated one as they play), held_right (the same of validation images, from which it has not
    learned, and such as the averaged generator makes: as played here, where it learns by heart), growth (the
    generator's loss over that of its best quarter; NaN where one is below zero), alarm (from `WON` of
    pairs_right on "discriminator wins", from `GROWN` on "loss grows"; else empty).
    """
    rows = []
    for name, several in games.items():
        for number, history in enumerate((trained.history for trained in several), 1):
            parts = np.array_split(history["generator_loss"].to_numpy(), min(4, len(history)))
            losses = [part.mean() for part in parts]
            last = history.iloc[-len(parts[-1]) :]
            right, held = last["pairs_right"].mean(), last["val_pairs_right"].mean()
            growth = losses[-1] / min(losses) if min(losses) > 0 else np.nan
            said = {"discriminator wins": right >= WON, "loss grows": growth >= GROWN}
            alarm = ", ".join(text for text, true in said.items() if true)
            row = {"network": name, "training": number, "pairs_right": right}
            row |= {"held_right": held, "growth": growth}
            rows.append(row | {"alarm": alarm})
    return pd.DataFrame(rows)


def _evaluated(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    truth, said = np.repeat([True, False], [len(real), len(fake)]), np.concatenate([real, fake]) > 0
    scored = precision_recall_fscore_support(truth, said, average="binary", zero_division=0)[:3]
    losses = [np.logaddexp(0, -real).mean(), np.logaddexp(0, fake).mean()]
    found = {"loss": np.mean(losses), "accuracy": (truth == said).mean()}
    found |= dict(zip(("precision", "recall", "f1"), scored, strict=True))
    return found | {"real_right": (real > 0).mean(), "fake_right": (fake <= 0).mean()}
