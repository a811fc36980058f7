from helpers import signs


def test_there_are_43_distinct_names_in_the_order_of_gtsrb():
    assert len(signs.CLASS_NAMES) == len(set(signs.CLASS_NAMES)) == 43
    known = {0: "Speed limit (20km/h)", 14: "Stop", 17: "No entry", 38: "Keep right", 39: "Keep left"}
    assert {number: signs.CLASS_NAMES[number] for number in known} == known
