"""The smallest noise that changes a classifier's answer.

`strategy` is this project's own `search`, with scores alone; `evolution` is that of Aghdam, Heravi and Puig
(2016), section 3; `attacks` are published ones, from foolbox, to compare with. All ask an `oracle`, which
counts, and return a `MinimumNoise`. `atoms` are the patterns that `search` adds, `boundary` leads it to the
decision's edge. `memory` keeps what was found; `comparison` sets methods and networks side by side.
"""

from helpers.minimum_noise import attacks
from helpers.minimum_noise.comparison import Comparison, compare, tables
from helpers.minimum_noise.evolution import boundary_objective, evolutionary, score_objective
from helpers.minimum_noise.memory import remembered
from helpers.minimum_noise.oracle import MinimumNoise, Oracle
from helpers.minimum_noise.strategy import search

__all__ = [
    *("Comparison", "MinimumNoise", "Oracle", "attacks", "boundary_objective", "compare", "evolutionary"),
    *("remembered", "score_objective", "search", "tables"),
]
