"""Who is known to whom: people in three parts, and of each person other images for enrolment than for probes.

The public has trained the general network, and is whom signatures are told from. Those held back set the
scale of the scores. Those tested are in neither.
"""

from dataclasses import dataclass, replace

import numpy as np

from helpers.datasets import ImageSet


@dataclass(frozen=True, eq=False)
class Trial:
    """People to be enrolled, and probes of them.

    enrolled: of each of P people some images, uint8 (K, H, W, C); probes: uint8 (N, H, W, C), those of a
    person one after the other; shown: (N,) whom each shows, a place in `enrolled`; names: of the P people.
    """

    enrolled: list[np.ndarray]
    probes: np.ndarray
    shown: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fold:
    """One way to part the people: `public` has labels from 0 on, `held` and `tested` nobody in common."""

    public: ImageSet
    held: Trial
    tested: Trial

    def with_enrolled(self, count: int) -> "Fold":
        """The same, with only the first so many images of each person enrolled."""
        trials = (
            replace(trial, enrolled=[images[:count] for images in trial.enrolled])
            for trial in (self.held, self.tested)
        )
        return Fold(self.public, *trials)

    def everybody(self) -> Trial:
        """The probes of who is tested, and behind these people those held back and the public, enrolled too.

        By as many images of each; of the public the first ones, from which the general network has learned.
        """
        count, labels = max(map(len, self.tested.enrolled)), range(len(self.public.class_names))
        public = [self.public.images[self.public.labels == label][:count] for label in labels]
        names = (*self.tested.names, *self.held.names, *self.public.class_names)
        return replace(
            self.tested, enrolled=[*self.tested.enrolled, *self.held.enrolled, *public], names=names
        )


def folds(
    people: ImageSet, count: int, *, enrolled: int, probes: int, public_images: int | None, seed: int
) -> list[Fold]:
    """Part people (labels of an image set) in so many ways; everybody is tested once.

    Those tested in one are held back in the one before, and all others are its public, with `public_images`
    each at most (None: all). enrolled, probes: images of a person at most, of other groups (tracks), and of
    as many as there are. Who has one group only is always of the public. Raises ValueError for fewer than
    three folds, or two people a fold.
    """
    labels = np.unique(people.labels)
    groups = [len(np.unique(people.groups[people.labels == label])) for label in labels]
    asked = np.random.default_rng([seed, 0]).permutation(labels[np.array(groups) > 1])
    if count < 3 or len(asked) < 2 * count:
        raise ValueError(
            f"{count} folds of {len(asked)} people with two groups of images: take three folds at least, "
            "of two people each"
        )
    parts, found = np.array_split(asked, count), []
    for number, tested in enumerate(parts):
        held = parts[(number + 1) % count]
        trials = [_trial(people, chosen, enrolled, probes, seed) for chosen in (held, tested)]
        public = np.setdiff1d(labels, np.concatenate([held, tested]))
        found.append(Fold(_public(people, public, public_images, seed), *trials))
    return found


def _trial(people: ImageSet, chosen: np.ndarray, enrolled: int, probes: int, seed: int) -> Trial:
    known, unknown = [], []
    for label in chosen:
        own, rng = np.flatnonzero(people.labels == label), np.random.default_rng([seed, 1, label])
        groups = rng.permutation(np.unique(people.groups[own]))
        share = round(len(groups) * enrolled / (enrolled + probes))
        first = np.isin(people.groups[own], groups[: min(max(1, share), len(groups) - 1)])
        known.append(people.images[_in_turn(people, own[first], rng)[:enrolled]])
        unknown.append(people.images[_in_turn(people, own[~first], rng)[:probes]])
    shown = np.repeat(np.arange(len(chosen)), [len(images) for images in unknown])
    names = tuple(people.class_names[label] for label in chosen)
    return Trial(known, np.concatenate(unknown), shown, names)


def _public(people: ImageSet, chosen: np.ndarray, most: int | None, seed: int) -> ImageSet:
    own = [
        (np.flatnonzero(people.labels == label), np.random.default_rng([seed, 2, label])) for label in chosen
    ]
    part = people.subset(np.concatenate([_in_turn(people, places, rng)[:most] for places, rng in own]))
    names = tuple(people.class_names[label] for label in chosen)
    return replace(part, labels=np.searchsorted(chosen, part.labels), class_names=names)


def _in_turn(people: ImageSet, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places in random order, one of each group, then another of each, and so on."""
    places = rng.permutation(places)
    groups = people.groups[places]
    turns = np.array([np.count_nonzero(groups[:number] == group) for number, group in enumerate(groups)])
    return places[np.argsort(turns, kind="stable")]
