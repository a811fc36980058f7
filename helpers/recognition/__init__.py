"""People, or other things, told apart by few images of each: a general network and a signature for everyone.

`protocol` parts people so that nobody tested has trained anything. `general` is layer one, a network whose
features are compared; `signatures` are layer two, small discriminators trained together on `stacks` of
weights. `systems` fits baselines and both layers to one scale, `comparison` says which is right how often.
`gallery` keeps people on disk, `search` says whom images show.
"""

from helpers.recognition.comparison import Matches, against_everybody, fit_all, look_alikes, matches
from helpers.recognition.gallery import Gallery, GalleryError
from helpers.recognition.general import embed, fit
from helpers.recognition.protocol import Fold, Trial, folds
from helpers.recognition.search import Index
from helpers.recognition.signatures import Recipe, Signatures, enrol
from helpers.recognition.systems import NETWORKS, SYSTEMS, Recogniser, grade

__all__ = [
    *("NETWORKS", "SYSTEMS", "Fold", "Gallery", "GalleryError", "Index", "Matches", "Recipe", "Recogniser"),
    *("Signatures", "Trial", "against_everybody", "embed", "enrol", "fit", "fit_all", "folds", "grade"),
    *("look_alikes", "matches"),
]
