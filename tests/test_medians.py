import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.medians import median_interval, norm_table, ratio_row


def test_median_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = np.array([median_interval(rng.exponential(size=41)) for _ in range(2000)])
    covered = ((found[:, 1] <= np.log(2)) & (np.log(2) <= found[:, 2])).mean()
    assert 0.95 - 0.012 < covered < 0.985
    assert (found[:, 1] < found[:, 0]).all() and (found[:, 0] < found[:, 2]).all()


def test_median_interval_of_few_is_all_of_them():
    assert median_interval([3, 1, 2]) == (2, 1, 3)
    assert median_interval([4.0]) == (4, 4, 4)
    assert median_interval([1, 2]) == (1.5, 1, 2)
    assert np.isnan(median_interval([])).all()


def test_median_interval_takes_the_infinite_as_largest():
    assert median_interval([1, 2, np.inf]) == (2, 1, np.inf)
    assert median_interval([1, np.inf, np.inf])[0] == np.inf
    assert median_interval([1, 2, np.inf, np.inf])[0] == np.inf
    assert median_interval([-np.inf, np.inf]) == (0, -np.inf, np.inf)
    values = [*range(1, 31), *[np.inf] * 10]
    assert np.isfinite(median_interval(values)).all()


def table():
    columns = {"method": ["a", "a", "a", "b", "b"], "l2": [1.0, 3.0, np.nan, 4.0, np.nan]}
    columns |= {"linf": [0.1, 0.3, np.nan, 0.4, np.nan], "psnr": [40.0, 30.0, np.nan, 20.0, np.nan]}
    columns |= {"queries": [10, 20, 30, 5, 1], "gradients": [0, 0, 0, 2, 0]}
    columns |= {"rounded": [True, False, False, True, False]}
    columns |= {"success": [True, True, False, True, False], "already_wrong": [False] * 4 + [True]}
    return pd.DataFrame(columns)


def test_norm_table_counts_what_was_not_found_as_infinite():
    found = norm_table(table(), "method").set_index("method")
    assert found["images"].tolist() == [3, 1]  # one needed no noise
    assert found["success"].tolist() == [pytest.approx(200 / 3), 100]
    assert found["rounded"].tolist() == [pytest.approx(100 / 3), 100]
    assert found["median_l2"].tolist() == [3, 4]
    assert found.loc["a", "high"] == np.inf
    assert found["median_linf"].tolist() == [pytest.approx(0.2), 0.4]
    assert found["queries"].tolist() == [20, 5]
    assert found["gradients"].tolist() == [0, 2]


def test_ratio_row_is_paired():
    rng = np.random.default_rng(0)
    others = rng.lognormal(0, 2, 60)
    found = ratio_row(others * rng.lognormal(np.log(1.5), 0.1, 60), others)
    assert found["ratio"] == pytest.approx(1.5, rel=0.05)
    assert found["low"] < found["ratio"] < found["high"] < 1.6
    assert found["p"] < 1e-9
    assert found["pairs"] == 60


def test_ratio_row_ranks_what_is_infinite():
    sizes, others = np.array([1, 1, np.inf, np.inf, 2]), np.array([2, 4, 1, np.inf, np.inf])
    found = ratio_row(sizes, others)
    assert found["pairs"] == 4
    logs = np.log([1 / 2, 1 / 4, 1e9, 1e-9])
    assert found["p"] == pytest.approx(stats.wilcoxon(logs).pvalue)
    assert ratio_row([1, 2], [1, 2])["p"] == 1
