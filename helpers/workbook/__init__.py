"""The runner: notebooks as files, and how they come to their results.

`notebooks` reads what each knows and needs; `profiles` gives it parameters; `freshness` tells whether its
results are up to date. `pipeline` lets Snakemake run what is not, each notebook a job (`jobs`), with one run
at a time in a folder (`processes`). `sweeps` shares out a long noise sweep. `doctor` looks at the machine.
It starts without TensorFlow: what needs that is imported late.
"""

from helpers.workbook.notebooks import Notebook, Refused, find, select, upstream

__all__ = [
    *("Notebook", "Refused", "find", "select", "upstream"),
]
