import numpy as np

from helpers.plots import looks


def test_numbers_of_a_transfer_map_contrast_with_every_colour():
    colours = looks.PALE(np.linspace(0, 1, 11))[:, :3]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    text = ((0.1 + 0.055) / 1.055) ** 2.4
    contrast = (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / (text + 0.05)  # WCAG 2, 4.5 is legible
    assert contrast.min() > 4.5
