"""Image classifiers: (N, H, W, C) grey levels in [0, 255] in, logits (N, classes) out.

`networks` builds the papers' and this project's own; `backbones` those made for ImageNet, one of them in
`efficientnet`, with weights from files (`checkpoints`). `combined` makes one of several (`ensemble`), looks
several times (`five_crops`) or puts a filter in front (`smoothed`). `forward` asks one, in compiled batches;
`comparison` asks many about many noise sets, and reads the `Answers` in many ways, `ranks` in more. `layers`
has what Keras lacks; `files` loads somebody's own model safely, and says if it fits.
"""

from helpers.classifiers.backbones import BACKBONES, Unavailable, backbone_of, pretrained
from helpers.classifiers.combined import Ensembles, ensemble, five_crops, logits_of, smoothed
from helpers.classifiers.comparison import CLEAN, Answers, Models, answers, best_filter, several
from helpers.classifiers.files import check, digest, load, structure, with_logits
from helpers.classifiers.forward import compiled, logits, milliseconds, multiply_adds, predictions
from helpers.classifiers.forward import probabilities
from helpers.classifiers.layers import PRECISIONS, ColourConvolution, Doubled, FusedNormalization, Halved
from helpers.classifiers.layers import precision_here, with_precision
from helpers.classifiers.networks import PAPER_NETWORKS, aghdam, cifar_quick, cnn_baseline, compact, lenet
from helpers.classifiers.networks import paper_network
from helpers.classifiers.ranks import beside, exchanges, few_images, interactions, robustness, top_hits

__all__ = [
    *("BACKBONES", "CLEAN", "PAPER_NETWORKS", "PRECISIONS", "Answers", "ColourConvolution", "Doubled"),
    *("Ensembles", "FusedNormalization", "Halved", "Models", "Unavailable", "aghdam", "answers"),
    *("backbone_of", "beside", "best_filter", "check", "cifar_quick", "cnn_baseline", "compact", "compiled"),
    *("digest", "ensemble", "exchanges", "few_images", "five_crops", "interactions", "lenet", "load"),
    *("logits", "logits_of", "milliseconds", "multiply_adds", "paper_network", "precision_here"),
    *("predictions", "pretrained", "probabilities", "robustness", "several", "smoothed", "structure"),
    *("top_hits", "with_logits", "with_precision"),
]
