"""Sliders over what a notebook shows as a static figure first."""

import io
from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from helpers import classifiers, metrics, noise
from helpers.backend import keras

# The slider reaches twice the strongest set of each kind.
STRONGEST = {s.kind: s for s in noise.NINE_SETS if s.level == "max"}
REACH = 2
STEPS = 200  # of the level slider
MIDDLE = 128  # grey level at which zero difference is shown
FURTHEST = 2.0  # how far the walk along a minimum noise goes: once is just across the boundary


class _Blitted(ipywidgets.VBox):
    """Pictures in a row above a caption, under sliders.

    One figure is drawn once; a move of a slider only blits pictures and caption into an `ipywidgets.Image`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        titles: Sequence[str],
        controls: Sequence[ipywidgets.Widget],
        lines: int = 2,
    ):
        """shape: of the pictures (H, W, C); titles: one a picture; controls: what a reader moves.

        lines: of the caption.
        """
        self.picture = ipywidgets.Image(format="png")
        self._draw_figure(np.zeros(shape, np.uint8), titles, lines)
        for control in controls:
            control.observe(lambda _: self._update(), names="value")
        super().__init__([ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"}), self.picture])
        self._update()

    def _shown(self) -> tuple[Sequence[np.ndarray], str]:
        """The pictures, in grey levels, and the caption that belong to the sliders now."""
        raise NotImplementedError

    def _draw_figure(self, blank: np.ndarray, titles: Sequence[str], lines: int) -> None:
        """Draw once what never changes, and keep it as the background of every later tick."""
        height = 3.23 + 0.235 * lines  # inches
        figure = Figure(figsize=(9, height), dpi=80)
        self._canvas = FigureCanvasAgg(figure)
        self._artists = []
        for axis, title in zip(figure.subplots(1, len(titles)), titles, strict=True):
            axis.set(xticks=[], yticks=[], title=title)
            self._artists.append(axis.imshow(blank, interpolation="nearest", animated=True))
        figure.subplots_adjust(0.01, (0.12 + 0.235 * lines) / height, 0.99, 1 - 0.3 / height, wspace=0.05)
        self._caption = figure.text(
            0.5, 0.07 / height, "", ha="center", fontsize=11 if lines <= 2 else 9, animated=True
        )
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def _update(self) -> None:
        pictures, caption = self._shown()
        for artist, pixels in zip(self._artists, pictures, strict=True):
            artist.set_data(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
        self._caption.set_text(caption)
        self._canvas.restore_region(self._background)
        for artist in self._artists:
            artist.axes.draw_artist(artist)
        self._canvas.figure.draw_artist(self._caption)
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(self._canvas.buffer_rgba())).save(buffer, "png", compress_level=1)
        self.picture.value = buffer.getvalue()


class _Noised(_Blitted):
    """Sliders for image, noise kind and level."""

    def __init__(
        self,
        images: np.ndarray,
        labels: Sequence[int] | np.ndarray,
        class_names: Sequence[str],
        indices: np.ndarray | None,
        titles: Sequence[str],
        controls: Sequence[ipywidgets.Widget] = (),
        lines: int = 2,
    ) -> None:
        self._images, self._labels, self._class_names = images, labels, class_names
        self._indices = np.arange(len(images)) if indices is None else np.asarray(indices)
        self.index = ipywidgets.IntSlider(0, 0, len(images) - 1, description="image")
        self.kind = ipywidgets.Dropdown(options=list(STRONGEST), description="noise")
        self.level = ipywidgets.FloatSlider(
            0.25, min=0, max=1, step=1 / STEPS, description="level", readout=False
        )
        super().__init__(images[0].shape, titles, (self.index, self.kind, self.level, *controls), lines)

    def _noised(self, seed: int) -> tuple[np.ndarray, np.ndarray, str, str]:
        """The chosen image (1, H, W, 3), the same noisy, the noise and the true class in words."""
        strongest = STRONGEST[self.kind.value]
        level = self.level.value * REACH * strongest.value
        chosen = slice(self.index.value, self.index.value + 1)
        clean, keyed = np.asarray(self._images[chosen]), {"seed": seed, "indices": self._indices[chosen]}
        noisy = noise.MODELS[self.kind.value](clean, level, **keyed, **strongest.options).numpy()
        true = self._class_names[self._labels[self.index.value]]
        return clean, noisy, f"{self.kind.value} {level:.3g}", f"true: {true}"


class NoiseSlider(_Noised):
    """Image, noisy image and difference under sliders for image, noise kind, level and seed."""

    def __init__(
        self,
        images: np.ndarray,
        labels: Sequence[int] | np.ndarray,
        class_names: Sequence[str],
        classifier: keras.Model | None = None,
        indices: np.ndarray | None = None,
    ) -> None:
        """Show images (N, H, W, 3) in [0, 255] with labels (N,) and class_names, a text per label.

        classifier: optional model with logits, whose answer is shown; indices: (N,) the images' numbers in
        their set, which key the noise, so that what is shown is what was measured; default 0 … N-1.
        """
        self._classifier = classifier
        self.seed = ipywidgets.IntSlider(0, 0, 99, description="seed")
        titles = ("clean", "noisy", f"difference + {MIDDLE}")
        super().__init__(images, labels, class_names, indices, titles, (self.seed,))

    def _shown(self) -> tuple[Sequence[np.ndarray], str]:
        clean, noisy, strength, true = self._noised(self.seed.value)
        caption = f"{strength}   PSNR {metrics.psnr(clean, noisy)[0]:.1f} dB   {true}"
        if self._classifier is not None:
            scores = classifiers.probabilities(self._classifier, noisy)[0]
            caption += f"\nanswer: {self._class_names[scores.argmax()]} ({scores.max():.0%})"
        return (clean[0], noisy[0], MIDDLE + noisy[0] - clean[0]), caption


class RestorationSlider(_Noised):
    """Noisy image, what a restorer makes of it, and its pattern, with the first answers of classifiers."""

    def __init__(
        self,
        images: np.ndarray,
        labels: Sequence[int] | np.ndarray,
        class_names: Sequence[str],
        restorer: keras.Model,
        classified: Mapping[str, keras.Model],
    ) -> None:
        """Show images (N, H, W, 3) in [0, 255]; labels (N,); classified: classifiers with logits, by name."""
        self._restorer, self._classified = restorer, classified
        titles = ("noisy", "restored", f"pattern + {MIDDLE}")
        super().__init__(images, labels, class_names, None, titles, lines=2 + len(classified))

    def _shown(self) -> tuple[Sequence[np.ndarray], str]:
        clean, noisy, strength, true = self._noised(0)
        restored = classifiers.compiled(self._restorer)(noisy).numpy()
        before, after = metrics.psnr(clean, noisy)[0], metrics.psnr(clean, restored)[0]
        lines = [f"{strength}   PSNR {before:.1f} dB, restored {after:.1f} dB", true]
        lines += [self._first_five(name, noisy) for name in self._classified]
        return (noisy[0], restored[0], MIDDLE + restored[0] - noisy[0]), "\n".join(lines)

    def _first_five(self, name: str, noisy: np.ndarray) -> str:
        scores = classifiers.probabilities(self._classified[name], noisy)[0]
        found = scores.argsort()[::-1][:5]
        return f"{name}: " + ", ".join(f"{self._class_names[k][:18]} {scores[k]:.0%}" for k in found)


class LatentSlider(_Blitted):
    """A walk from one latent of a generator to another, and from one class to another."""

    def __init__(
        self,
        walk: Callable[[np.ndarray, np.ndarray, Sequence[float]], np.ndarray],
        latents: np.ndarray,
        class_names: Sequence[str] = ("",),
    ) -> None:
        """walk: latents (2, …), shares of classes (2, K) and steps to images (3, H, W, C), as `gans.walk`.

        latents: (N, …), at least two; class_names: a text per class, one alone where there are none.
        """
        self._walk, self._latents = walk, latents
        self.first = ipywidgets.IntSlider(0, 0, len(latents) - 1, description="first")
        self.second = ipywidgets.IntSlider(1, 0, len(latents) - 1, description="second")
        self.share = ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.05, description="of second")
        names = [(name, number) for number, name in enumerate(class_names)]
        self.label, self.other = (
            ipywidgets.Dropdown(options=names, value=0, description=text) for text in ("class", "other class")
        )
        controls = [
            self.first,
            self.second,
            *([self.label, self.other] if len(names) > 1 else []),
            self.share,
        ]
        shape = walk(latents[:2], self._shares(), [0]).shape[1:]
        super().__init__((*shape[:2], 3), ("first", "between", "second"), controls, lines=1)

    def _shares(self) -> np.ndarray:
        return np.eye(len(self.label.options), dtype=np.float32)[[self.label.value, self.other.value]]

    def _shown(self) -> tuple[Sequence[np.ndarray], str]:
        ends = self._latents[[self.first.value, self.second.value]]
        images = self._walk(ends, self._shares(), [0, self.share.value, 1])
        shown = np.repeat(images, 3, -1) if images.shape[-1] == 1 else images
        names = [self.label.options[slider.value][0] for slider in (self.label, self.other)]
        return shown, " → ".join(dict.fromkeys(names))


class BoundarySlider(_Blitted):
    """A walk from each image along its minimum noise, across the decision boundary, with the scores."""

    def __init__(
        self,
        images: np.ndarray,
        noise: np.ndarray,
        labels: Sequence[int] | np.ndarray,
        class_names: Sequence[str],
        classifier: keras.Model,
    ) -> None:
        """Show images (N, H, W, 3) in [0, 255] with their noise; labels (N,); classifier: with logits."""
        self._images, self._noise = np.asarray(images, np.float32), noise
        self._labels, self._class_names, self._classifier = labels, class_names, classifier
        self.index = ipywidgets.IntSlider(0, 0, len(images) - 1, description="image")
        self.share = ipywidgets.FloatSlider(1, min=0, max=FURTHEST, step=0.02, description="share of r")
        super().__init__(images[0].shape, ("clean", "noise, magnified", "noisy"), (self.index, self.share))

    def _shown(self) -> tuple[Sequence[np.ndarray], str]:
        clean, whole = self._images[self.index.value], self._noise[self.index.value]
        noisy = np.clip(clean + self.share.value * whole, 0, 255)
        added = noisy - clean
        factor = MIDDLE / (FURTHEST * max(np.abs(whole).max(), 1e-6))
        scores = classifiers.probabilities(self._classifier, noisy[None])[0]
        true = self._labels[self.index.value]
        rival = np.where(np.arange(len(scores)) == true, -1, scores).argmax()
        text = f"norm {np.linalg.norm(added):.1f} grey levels, noise × {factor:.3g}\n"
        both = (f"{self._class_names[label]}: {scores[label]:.1%}" for label in (true, rival))
        return (clean, MIDDLE + factor * added, noisy), text + "   ".join(both)
