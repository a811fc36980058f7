"""How fast the workbook's parts are on this machine: what `make bench` prints. Run it on an idle machine."""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from skimage.util import random_noise

from helpers import (
    classifiers,
    datasets,
    gans,
    minimum_noise,
    noise,
    recognition,
    restoration,
    stability,
    training,
    widgets,
)
from helpers.backend import keras, tf
from helpers.gans.losses import squared_gradient
from helpers.minimum_noise import evolution, oracle
from helpers.recognition.systems import Scale
from helpers.stability import sweeps

# One private function is called below, because no public one does so little: `sweeps._observed` is the
# sweep of a chunk without cache and sums.
# How each game is played in the notebooks. The bare passes beside have penalties as often as the steps, which
# have all else, such as losses, augmentation, optimizers and averaging.
GAMES = {
    "dense": replace(gans.RECIPES["bagrodia"], two_steps=False, moves_both=False),
    "perceptron": gans.RECIPES["mehrotra"],
    **dict.fromkeys(("transposed", "dcgan"), replace(gans.RECIPES["mehrotra"], batch_size=64)),
    "residual": gans.Recipe(),
    "auxiliary": gans.Recipe(objective="hinge"),
    "translation": replace(gans.RECIPES["isola"], batch_size=16, ema_decay=0.998),
    "cycle": replace(gans.RECIPES["zhu"], batch_size=16),
}
REPEATS = 9  # the median of so many is reported, after one call that is not counted


def findings(data_root: str, images: int = 4096) -> Iterator[tuple[str, str]]:
    """Yield what was measured and its speed, on so many images; GTSRB where `data_root` has it."""
    grey = _grey(images, 40)
    model = classifiers.cnn_baseline(40, 43)
    rate = images / _seconds(lambda: _noisy(grey))
    yield "gaussian noise", f"{rate:,.0f} images/s at 40 x 40 x 3"
    rate = images / _seconds(lambda: classifiers.logits(model, grey))
    yield "baseline, forward", f"{rate:,.0f} images/s at 40 x 40 x 3"
    rate = images / _seconds(lambda: classifiers.logits(model, grey, noise=noise.NINE_SETS[1]))
    yield "baseline under noise", f"{rate:,.0f} images/s at 40 x 40 x 3"
    yield "sweep, baseline", _baseline_sweep(model, grey)
    yield "sweep, compact", _sweep(classifiers.compact(48, 43), images, _share(images, 2048))
    yield "sweep, aghdam", _sweep(classifiers.aghdam(48, 43), images, _share(images, 4096))
    for build in (classifiers.compact, classifiers.aghdam):
        yield f"{build.__name__}, bfloat16", _bfloat16(build(48, 43), _share(images, 512))
    yield "restoring, compact", _restoring(restoration.compact(), min(images, 64), _share(images, 204))
    yield "restoring, l11", _restoring(restoration.network(), min(images, 64), _share(images, 1024))
    yield "augmentation", _augmentation(images)
    yield "kept features", _kept_features(classifiers.pretrained("mobilenet_v3_small", 48, 43), images)
    yield "paper's search", _evolution(model, grey[: _share(images, 64)])
    yield "search", _search(model, grey[: _share(images, 64)])
    for name, recipe in GAMES.items():
        yield f"game, {name}", _game(name, recipe, _share(images, 256))
    yield from _gallery(images)
    slider = widgets.NoiseSlider(grey[:10], np.zeros(10, int), ("none",) * 43, model)
    yield "noise slider", f"{1000 * _seconds(lambda: _tick(slider)):.0f} ms a tick"
    with tempfile.TemporaryDirectory() as cache:
        seconds = _once(lambda: _load("signs", 48, data_root, cache, train_images=images, test_images=43))
        yield "rendering signs", f"{(images + 43) / seconds:,.0f} images/s at 48 px"
        try:
            seconds = _once(lambda: _load("gtsrb", 40, data_root, cache))
        except datasets.DataError as error:
            yield "preparing gtsrb", f"not measured: {error}"
            return
        yield "preparing gtsrb", f"{seconds:.1f} s to 40 px"
        seconds = _seconds(lambda: _load("gtsrb", 40, data_root, cache))
        yield "gtsrb from the cache", f"{seconds:.3f} s"


def _baseline_sweep(model: keras.Model, grey: np.ndarray) -> str:
    """The whole sweep of one block of images, beside bare forward passes and the usual loop."""
    block, copies, few = grey[: sweeps.BLOCK], _share(len(grey), 200), grey[: _share(len(grey), 8)]
    swept, bare, usual = _rounds(
        lambda: _vote(model, block, copies),
        lambda: _forward(model, block, copies * len(stability.SIGMAS)),
        lambda: _usual(model, few, 2),
    )
    work = copies * len(stability.SIGMAS) * len(block)
    times = np.median(usual / (2 * len(few)) / (swept / work))
    return f"{_beside_forward(work, swept, bare)}, {times:.1f} times the usual loop"


def _sweep(model: keras.Model, images: int, copies: int) -> str:
    """A few copies out of the sweep of one block of images, beside bare forward passes."""
    block = _grey(min(images, sweeps.BLOCK), model.input_shape[1])
    swept, bare = _rounds(
        lambda: _observe(model, block, copies), lambda: _forward(model, block, copies * len(stability.SIGMAS))
    )
    return _beside_forward(copies * len(stability.SIGMAS) * len(block), swept, bare)


def _beside_forward(work: int, swept: np.ndarray, bare: np.ndarray) -> str:
    return f"{work / np.median(swept):,.0f} images/s, {np.median(bare / swept):.2f} of bare forward"


def _restoring(restorer: keras.Model, images: int, samples: int) -> str:
    """Degraded samples of a block of images, restored and measured, beside bare forward passes."""
    grey, nothing = _grey(images, 48), np.zeros(images, int)
    block = datasets.ImageSet(grey, nothing, nothing, ("none",), np.full((images, 2), 48))
    given = ({restorer.name: restorer}, block, {"degradation": noise.degradation})
    restored, bare = _rounds(
        lambda: _quietly(restoration.compare, *given, samples=samples, seed=0),
        lambda: _forward(restorer, grey, samples),
    )
    cost = f"{restoration.multiply_adds(restorer, (48, 48, 3)):,} multiply-adds a pixel"
    return f"{_beside_forward(images * samples, restored, bare)}, {cost}"


def _bfloat16(model: keras.Model, steps: int) -> str:
    """Forward passes and training steps in mixed_bfloat16, beside float32."""
    pair = [model, classifiers.with_precision(model, "mixed_bfloat16")]
    batch, nothing = _grey(128, model.input_shape[1]), np.zeros(128, int)
    exact, rounded = _rounds(*(partial(_forward, one, batch, 4 * steps) for one in pair))
    ready = tf.data.Dataset.from_tensors((tf.constant(batch, tf.float32), tf.one_hot(nothing, 43))).repeat()
    for one in pair:
        _compile(one)
    slow, fast = _rounds(*(partial(_train, one, iter(ready), steps) for one in pair))
    passes, training_steps = np.median(exact / rounded), np.median(slow / fast)
    return f"{passes:.1f} times as fast forward, {training_steps:.1f} times in training, as in float32"


def _evolution(model: keras.Model, images: np.ndarray, generations: int = 30, population: int = 50) -> str:
    """The paper's search, beside bare forward passes and the same search written with DEAP."""
    labels = classifiers.predictions(model, images)
    options = {"generations": generations, "population": population, "seed": 0}
    passes = -(-len(images) * population * generations // oracle.BATCH)
    evolved, bare, usual = _rounds(
        lambda: _quietly(minimum_noise.evolutionary, model, images, labels, **options),
        lambda: _forward(model, np.resize(images, (oracle.BATCH, *images.shape[1:])), passes),
        lambda: _usual_evolution(model, images[0], labels[0], population),
    )
    work = passes * oracle.BATCH
    times = np.median(usual / (2 * population) / (evolved / work))
    return f"{_beside_forward(work, evolved, bare)}, {times:.0f} times DEAP"


def _search(model: keras.Model, images: np.ndarray, queries: int = 1000) -> str:
    """This project's search, beside bare forward passes."""
    labels = classifiers.predictions(model, images)
    passes = -(-len(images) * queries // oracle.BATCH)
    searched, bare = _rounds(
        lambda: _quietly(minimum_noise.search, model, images, labels, queries=queries, seed=0),
        lambda: _forward(model, np.resize(images, (oracle.BATCH, *images.shape[1:])), passes),
    )
    return _beside_forward(passes * oracle.BATCH, searched, bare)


def _usual_evolution(model: keras.Model, image: np.ndarray, label: int, population: int) -> None:
    """The first two generations for one image as they are usually written: DEAP, one call an individual."""
    from deap import algorithms, base, tools  # of the development requirements

    class Fitness(base.Fitness):
        weights = (-1.0,)

    class Noise(list):
        def __init__(self, genes: Sequence[float]):
            super().__init__(genes)
            self.fitness = Fitness()

    rng, forward = np.random.default_rng(0), classifiers.compiled(model)

    def evaluate(noise: Noise) -> tuple[float]:
        added = np.array(noise, np.float32)
        noisy = np.clip(image + added.reshape(image.shape), 0, 255)[None]
        shares = tf.nn.softmax(forward(tf.constant(noisy, tf.float32)))[None]
        sizes = tf.constant([[np.linalg.norm(added)]], tf.float32)
        return (float(minimum_noise.boundary_objective(shares, tf.constant([[label]]), sizes)[0, 0]),)

    def mate(one: Noise, other: Noise) -> tuple[Noise, Noise]:
        crossover = (tools.cxBlend, tools.cxBlend, tools.cxUniform)[rng.integers(3)]
        return crossover(one, other, 0.25 if crossover is tools.cxBlend else 0.5)

    def mutate(noise: Noise) -> tuple[Noise]:
        for gene in np.flatnonzero(rng.random(len(noise)) < evolution.MUTATED):
            noise[gene] += rng.uniform(-evolution.STEP, evolution.STEP)
        return (noise,)

    toolbox = base.Toolbox()
    for name, operator in {"evaluate": evaluate, "mate": mate, "mutate": mutate}.items():
        toolbox.register(name, operator)
    toolbox.register("select", tools.selTournament, tournsize=evolution.TOURNAMENT)
    first = [Noise(rng.uniform(-10, 10, image.size)) for _ in range(population)]
    algorithms.eaSimple(first, toolbox, 1.0, 1.0, 1, halloffame=tools.HallOfFame(1), verbose=False)


def _quietly(call: Callable, *arguments: object, **options: object) -> None:
    with contextlib.redirect_stderr(io.StringIO()):  # where the progress goes
        call(*arguments, **options)


def _vote(model: keras.Model, images: np.ndarray, copies: int) -> None:
    labels = np.zeros(len(images), int)
    _quietly(stability.Sweep(model, images, labels, copies=copies, seed=0, cache=None).votes)


def _observe(model: keras.Model, images: np.ndarray, copies: int) -> None:
    """Copies behind a block's first run: that one keeps samples and answers the clean images as well."""
    chunk = sweeps.Chunk((0, len(images)), (sweeps.RUN, sweeps.RUN + copies))
    labels, sigmas = np.zeros(len(images), int), np.array(stability.SIGMAS)
    sweeps._observed([[model]], images, labels, sigmas, 0, chunk, lambda answered: None)


def _forward(model: keras.Model, images: np.ndarray, passes: int) -> None:
    """Forward passes of one batch that is ready."""
    forward, batch = classifiers.compiled(model), tf.constant(images, tf.float32)
    for _ in range(passes):
        scores = forward(batch)
    scores.numpy()


def _usual(model: keras.Model, images: np.ndarray, copies: int, sigma: float = 25.0) -> None:
    """The sweep at one sigma as it is usually written: scikit-image's noise, then Keras' predict."""
    for copy in range(copies):
        noisy = 255 * random_noise(images / 255, rng=copy, var=(sigma / 255) ** 2)
        model.predict(noisy, batch_size=sweeps.BLOCK, verbose=0)


def _augmentation(images: int) -> str:
    """Training steps on augmented, noisy batches as they come, beside steps on one batch that is ready."""
    nothing = np.zeros(images, int)
    train = datasets.ImageSet(_grey(images, 48), nothing, nothing, ("none",) * 43, np.full((images, 2), 48))
    recipe = training.Recipe(batch_size=min(128, images), noise=(noise.NoiseSet("gaussian", "max", 45.0),))
    model = classifiers.compact(48, 43)
    _compile(model)
    batches = training.batches(train, recipe, seed=0)
    # Iterators that last, because a training waits for its pipeline to start only once.
    coming, ready = iter(batches), iter(batches.take(1).cache().repeat())
    steps = _share(images, 400)
    augmented, bare = _rounds(lambda: _train(model, coming, steps), lambda: _train(model, ready, steps))
    more, step = np.median(augmented / bare) - 1, np.median(bare) / steps
    return f"{100 * more:.0f} % on top of a training step of {1000 * step:.0f} ms"


def _kept_features(model: keras.Model, images: int) -> str:
    """Training steps of an output layer on kept features, beside steps through the frozen network."""
    batch, truth = _grey(min(128, images), 48), tf.one_hot(np.zeros(min(128, images), int), 43)
    with tempfile.TemporaryDirectory() as cache:
        kept = tf.constant(training.features(model, batch, cache=Path(cache)))
    classifiers.backbone_of(model).trainable = False
    output = keras.Sequential([keras.Input(kept.shape[1:]), keras.layers.Dense(43)])
    given = []
    for network, seen in ((model, tf.constant(batch, tf.float32)), (output, kept)):
        _compile(network)
        given.append(
            (network, iter(tf.data.Dataset.from_tensors((seen, truth)).repeat()), _share(images, 256))
        )
    through, alone = _rounds(*(partial(_train, *each) for each in given))
    return f"{np.median(through / alone):.1f} times the steps of an output layer behind a frozen network"


def _game(name: str, recipe: gans.Recipe, steps: int) -> str:
    """Training steps of a game, beside the bare passes forward and back of both turns."""
    if name in gans.NETWORKS:
        game = gans.Start(name, 28, 3, None if name == "dense" else 43)()
    else:
        game = gans.Translator(32, cycle=name == "cycle")()
    game.compile(recipe.as_dict(), jit_compile=False)
    game.build_optimizers()
    count, cycle = recipe.batch_size, isinstance(game, gans.Cycle)
    side = (game.there if cycle else game).generator.output_shape[1]
    real = tf.constant(_grey(count, side), tf.float32)
    given = real if cycle or isinstance(game, gans.Translation) else tf.zeros(count, tf.int32)
    batch = real, given, tf.constant([0, 1])
    step = tf.function(game.train_step, autograph=False)
    passes = _passes_of_cycle if cycle else _passes
    bare = [
        tf.function(partial(passes, game, real, given, penalised=due), autograph=False)
        for due in (False, True)
    ]
    every = recipe.penalty_every if recipe.r1 and recipe.r2 else steps + 1
    played, passes = _rounds(
        lambda: [step(batch) for _ in range(steps)],
        lambda: [bare[number % every == every - 1]().numpy() for number in range(steps)],
    )
    rate = steps * count / np.median(played)
    return f"{rate:,.0f} images/s, {np.median(played / passes):.2f} of the bare passes"


def _passes(game: gans.Game, real: tf.Tensor, labels: tf.Tensor, *, penalised: bool = False) -> tf.Tensor:
    """One pass of the generator, two of the discriminator on each kind, one through both; and back.

    A loss of pairs has another of the discriminator on real images, and penalties the gradients' own.
    """

    def score(images: tf.Tensor) -> tf.Tensor:
        return game.scored(images, labels, training=True)[0]

    inputs = game.drawn(labels, tf.constant([0, 1]))
    with tf.GradientTape() as outer:
        fake = game.generator(inputs, training=True)
        with outer.stop_recording(), tf.GradientTape() as inner:
            kinds = real, tf.stop_gradient(fake)
            seen = [score(images) for images in kinds]
            loss = tf.reduce_mean(seen[1] - seen[0])
            if penalised:
                loss += tf.add_n([tf.reduce_mean(squared_gradient(score, images)) for images in kinds])
        with outer.stop_recording():
            moved = inner.gradient(loss, game.discriminator.trainable_variables)
        made = -tf.reduce_mean(score(fake))
        if gans.OBJECTIVES[game.recipe.objective].paired:
            made += tf.reduce_mean(score(real))
    moved += outer.gradient(made, game.generator.trainable_variables)
    return tf.add_n([tf.reduce_sum(gradient) for gradient in moved if gradient is not None])


def _passes_of_cycle(
    game: gans.Cycle, real: tf.Tensor, given: tf.Tensor, *, penalised: bool = False
) -> tf.Tensor:
    """Those of both games, and two of each generator, of what comes back and what should stay; and back."""
    ways = game.there, game.back
    both = tf.add_n([_passes(way, real, given, penalised=penalised) for way in ways])
    with tf.GradientTape() as tape:
        more = [way.generator(images, training=True) for way in ways for images in (real, given)]
        returned = tf.add_n([tf.reduce_mean(images) for images in more])
    moved = tape.gradient(
        returned, [variable for way in ways for variable in way.generator.trainable_variables]
    )
    return both + tf.add_n([tf.reduce_sum(gradient) for gradient in moved])


def _gallery(images: int) -> Iterator[tuple[str, str]]:
    """To enrol one person by five images of 48 px, against thirty others, and to find one in a gallery."""
    general = training.without_output(classifiers.compact(48, 30))
    person, others, probes = (_grey(count, 48) for count in (5, 300, 64))
    recipe, names = recognition.Recipe(steps=_share(120 * images, 4096)), tuple("abcd")
    options = {"seed": 0, "cache": False}
    seconds = _seconds(lambda: _quietly(recognition.enrol, [person], others, recipe, **options))
    yield "enrolling", f"{seconds:.2f} s a person, {recipe.steps} steps"
    several = recognition.enrol([person] * len(names), others, replace(recipe, steps=1), **options)
    features = [recognition.embed(general, person)] * len(names)
    scale = Scale((1.0, 1.0), 0.0, 0.0, 1.0, 0.05)
    index = recognition.Index(general, names, features, several.discriminators, scale)
    for crowd in (40, 400, 4000):
        rate = index.grown(_share(crowd * images, 4096), seed=0).rate(probes)
        yield f"identifying, {crowd} entries", f"{rate:,.0f} probes/s"


def _compile(model: keras.Model) -> None:
    """As `training.fit` does."""
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile("adamw", loss, metrics=["accuracy"], jit_compile=False)


def _train(model: keras.Model, batches: Iterator, steps: int) -> None:
    for _ in range(steps):
        model.train_on_batch(*next(batches))


def _grey(images: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (images, side, side, 3), np.uint8)


def _share(images: int, part: int) -> int:
    return max(1, images // part)


def _noisy(images: np.ndarray, batch_size: int = 2048) -> tf.Tensor:
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size]
        noisy = noise.gaussian(batch, 25, seed=0, indices=np.arange(first, first + len(batch)))
    return noisy.numpy()


def _tick(slider: widgets.NoiseSlider) -> None:
    slider.level.value = (slider.level.value + 0.1) % 1


def _load(name: str, size: int, data_root: str, cache: str, **counts: int) -> None:
    datasets.load(name, size, "roi", data_root, cache=cache, **counts)


def _once(call: Callable) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _rounds(*calls: Callable) -> np.ndarray:
    """Seconds (calls, REPEATS), taken in turn, A, B, A, B, …: a machine's changes of speed hit all alike."""
    for call in calls:
        call()
    return np.array([[_once(call) for call in calls] for _ in range(REPEATS)]).T


def _seconds(call: Callable) -> float:
    return float(np.median(_rounds(call)))
