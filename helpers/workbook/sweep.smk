"""A noise sweep as a graph of jobs, one per shard; `python -m helpers sweep --shards <n>` calls it.

A shard is done when its mark is there. What it computed lies in the cache of `helpers.stability`.
"""

import sys

python = sys.executable
folder = config["folder"]
shards = config["shards"]


rule all:
    input:
        [f"{folder}/shards/{number}.done" for number in range(shards)],


rule shard:
    input:
        f"{folder}/request.json",
    output:
        touch(f"{folder}/shards/{{number}}.done"),
    log:
        f"{folder}/shards/{{number}}.log",
    threads: config["threads"]  # another number: --set-threads shard=8
    shell:
        "{python:q} -m helpers shard {input:q} {wildcards.number} {shards} --cores {threads} > {log:q} 2>&1"
