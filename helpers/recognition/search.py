"""Who is it? All entries by the general network first, then the nearest of them by their signatures."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from helpers.backend import keras, tf
from helpers.recognition import general, stacks
from helpers.recognition.systems import Scale, grade

SHORTLIST = 10  # entries whose signatures are asked
CLIPS = 32  # of a compiled call


@dataclass(frozen=True, eq=False)
class Index:
    """Entries side by side in memory.

    model: the general network; features: of each of E entries (K, D); discriminators: as `stacks` has them, E
    networks; scale: of the cosine and the signature's logit.
    """

    model: keras.Model
    names: tuple[str, ...]
    features: Sequence[np.ndarray]
    discriminators: Sequence[np.ndarray]
    scale: Scale

    def identify(self, frames: np.ndarray, shortlist: int = SHORTLIST) -> pd.DataFrame:
        """Whom the frames of one clip show, (N, H, W, C) in [0, 255]: the shortlist, best first.

        Columns name, grade (1 to 10), named (whether it reaches the threshold for so many entries), cosine,
        signature (logit).
        """
        places, cosines, logits = self.search(np.asarray(frames)[None], shortlist)
        table = pd.DataFrame({"name": [self.names[place] for place in places[0]]})
        odds = self.scale([cosines[0], logits[0]])
        table = table.assign(grade=grade(odds), named=odds >= self.scale.threshold(len(self.names)))
        table = table.assign(cosine=cosines[0], signature=logits[0])
        return table.iloc[np.argsort(-odds, kind="stable")].reset_index(drop=True)

    def grown(self, count: int, *, seed: int) -> "Index":
        """So many entries, to measure speed: those there are, drawn again and changed a little."""
        rng = np.random.default_rng(seed)
        drawn = rng.integers(len(self.names), size=count)
        features = [self.features[place] for place in drawn]
        features = [
            general.unit(rows + rng.normal(0, 0.01, rows.shape).astype(np.float32)) for rows in features
        ]
        names = tuple(f"{self.names[place]} {number}" for number, place in enumerate(drawn))
        return Index(
            self.model, names, features, [values[drawn] for values in self.discriminators], self.scale
        )

    def rate(self, probes: np.ndarray, *, rounds: int = 3) -> float:
        """Probes a second on this machine, in the fastest of some rounds; probes (N, H, W, C), one a clip."""
        clips, seconds = np.asarray(probes)[:, None], []
        self.search(clips)  # the first call compiles
        for _ in range(rounds):
            started = time.perf_counter()
            self.search(clips)
            seconds.append(time.perf_counter() - started)
        return len(probes) / min(seconds)

    def search(
        self, clips: np.ndarray, shortlist: int = SHORTLIST
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest entries of clips (M, N, H, W, C): places, cosines and logits, (M, shortlist) each.

        Measures are means over the N frames. Raises ValueError without entries, and for images of another
        shape than the signatures'.
        """
        if not self.names:
            raise ValueError("the gallery is empty: enrol somebody first")
        if clips.shape[2:] != self.model.input_shape[1:]:
            raise ValueError(f"images {clips.shape[2:]}: the gallery takes {self.model.input_shape[1:]}")
        frames, several = clips.shape[1], min(shortlist, len(self.names))
        features = general.embed(self.model, clips.reshape(-1, *clips.shape[2:]))
        cosines = general.similarity(features, self.features).reshape(len(clips), frames, -1).mean(1)
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :several]
        logits = np.concatenate(
            [
                self._second(clips[first : first + CLIPS], nearest[first : first + CLIPS])
                for first in range(0, len(clips), CLIPS)
            ]
        )
        return nearest, np.take_along_axis(cosines, nearest, 1), logits

    def _second(self, clips: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """Mean logits (M, k) of the signatures at places (M, k), of at most `CLIPS` clips."""
        full = np.resize(np.arange(len(clips)), CLIPS if len(clips) > 1 else 1)  # compiled for two sizes
        chosen = nearest[full].ravel()
        weights = [tf.constant(values[chosen]) for values in self.discriminators]
        compare = _pairs(tuple(values.shape for values in weights), clips.shape[2:])
        found = []
        # One by one: a long clip, times its entries, would fill the memory.
        for frame in range(clips.shape[1]):
            images = np.repeat(clips[full, frame], nearest.shape[1], 0)[:, None]
            found.append(compare(weights, tf.constant(images, tf.float32)))
        return np.mean(found, 0).reshape(len(full), -1)[: len(clips)]


@lru_cache(maxsize=8)
def _pairs(
    kernels: tuple[tuple[int, ...], ...], shape: tuple[int, ...]
) -> tf.types.experimental.ConcreteFunction:
    """Weights of P networks and an image for each (P, 1, H, W, C) to logits (P, 1), as one function."""
    specs = [tf.TensorSpec(kernel, tf.float32) for kernel in kernels]
    images = tf.TensorSpec((kernels[0][0], 1, *shape), tf.float32)
    return tf.function(stacks.discriminate, autograph=False).get_concrete_function(specs, images)
