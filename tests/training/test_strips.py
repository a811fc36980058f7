import io

import numpy as np
import pytest
from PIL import Image

from helpers.training.strips import Strip


def pictures(model):
    return np.full((3, 4, 5, 3), model, np.uint8)


def grown(epochs, rows=(), rungs=()):
    strip = Strip(pictures, {*rungs, epochs}, dict(rows))
    for epoch in range(1, epochs + 1):
        if epoch not in strip.rows:
            strip.grow(epoch * 10, epoch)
    return strip


@pytest.mark.parametrize(("epochs", "expected"), [(1, [1]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_rows_come_ever_more_seldom_and_the_last_is_the_end(epochs, expected):
    strip = grown(epochs)
    assert list(strip.rows) == expected
    assert all((row == 10 * epoch).all() for epoch, row in strip.rows.items())


def test_until_a_rung_rows_are_those_of_a_training_that_ends_there():
    strip = grown(7, rungs=(3, 5))
    for end in (3, 5, 7):
        assert list(strip.until(end)) == list(grown(end).rows)


def test_nothing_is_asked_of_a_task_without_pictures():
    strip = Strip(None, {3}, {})
    strip.grow(object(), 1)
    strip.close()
    assert strip.rows == {}


def test_all_rows_are_one_picture():
    picture = np.asarray(Image.open(io.BytesIO(grown(2).png())))
    assert picture.shape == (2 * 4, 3 * 5, 3)
    assert (picture[:4] == 10).all() and (picture[4:] == 20).all()


def test_a_strip_is_shown_in_a_notebook_renewed_and_taken_away(monkeypatch):
    shown = []

    class Handle:
        def update(self, what):
            shown.append(what)

    def display(what, display_id):
        shown.append(what)
        return Handle()

    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", display)
    strip = grown(4)
    assert len(shown) == 3 and shown[-1].data == strip.png()
    assert (shown[-1].width, shown[-1].height) == (2 * 15, 2 * 12)
    strip.close()
    assert shown[-1].data == ""
