"""The workbook as a graph of jobs, one per notebook; `python -m helpers run` prepares a folder and calls it.

A notebook runs again when its inputs file is newer than its done marker. The runner rewrites the inputs file only
when the notebook, its parameters, the helpers it imports or the data have changed.
"""

import sys

from helpers import workbook as runner

python = sys.executable
folder = config.get("outputs", "outputs/quick-signs")
workbook = runner.find()
awaited = {need for notebook in workbook.values() for need in notebook.needs}


rule all:
    input:
        [f"{folder}/manifest/{stem}.done" for stem in workbook],


for stem, notebook in workbook.items():

    rule:
        name:
            f"notebook_{stem}"
        input:
            f"{folder}/manifest/{stem}.inputs.json",
            [f"{folder}/manifest/{need}.done" for need in notebook.needs],
        output:
            f"{folder}/manifest/{stem}.done",
        log:
            f"{folder}/executed/{stem}.ipynb",  # a log survives a failure, with the traceback in it
        params:
            stem=stem,
            cores=workflow.cores,  # two share them as the system likes; so numbers do not depend on who is beside
        priority: 100 * (stem in awaited) + 100 - int(stem[:2])  # what others wait for, then reading order
        threads: -(-workflow.cores // 2)  # two at a time, as small trainings do not fill two cores
        shell:
            "{python:q} -m helpers execute {params.stem} {folder:q} --cores {params.cores}"
