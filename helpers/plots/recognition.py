"""Figures of how people are told apart."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.looks import legend_on_the_right, looks


def error_curves(table: pd.DataFrame, title: str) -> Figure:
    """False rejects against false accepts, a line a system; where both are equal, a dotted one.

    table: columns system, false_accepts, false_rejects (%). On axes of logarithms, so 0 is not shown.
    """
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    systems = list(dict.fromkeys(table["system"]))
    for name, look in zip(systems, looks(len(systems)), strict=True):
        part = table[table["system"] == name]
        axis.plot(
            part["false_accepts"],
            part["false_rejects"],
            label=name,
            markevery=0.1,
            **look,
        )
    axis.plot([0.1, 100], [0.1, 100], ":", color="grey", lw=1)
    axis.set(xscale="log", yscale="log", xlim=(0.1, 100), ylim=(0.1, 100), title=title)
    axis.set(xlabel="false accepts (% of pairs)", ylabel="false rejects (% of pairs)")
    ticks = [0.1, 1, 10, 100]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    legend_on_the_right(axis)
    return figure
