"""The scaling curves: the fitted order, what is measured, and the picture."""

from xml.etree import ElementTree

import pytest
from benchmarks import scaling
from benchmarks.scaling import Curve


@pytest.mark.parametrize("order", [1.0, 2.0, 2.5])
def test_the_order_of_a_power_is_its_exponent(order: float):
    assert scaling.slope({n: 7 * n**order for n in (10, 20, 40)}) == pytest.approx(order)


def test_the_order_is_that_of_the_three_largest_sizes():
    assert scaling.slope({1: 1e9, 2: 4.0, 4: 16.0, 8: 64.0}) == pytest.approx(2)
    assert scaling.slope({2: 1e9, 4: 16.0, 8: 64.0}) != pytest.approx(2)  # the control


def test_terms_keep_bytes_in_proportion():
    # Charbonnier keeps as many maps for each term, and nothing is kept for all of them together.
    kept = scaling.terms().bytes
    assert kept[32] == 32 * kept[1]


def test_the_picture_has_a_point_for_each_size():
    sizes = {10: 1.0, 100: 10.0, 1000: 100.0}
    drawn = scaling.picture([Curve("a", "sizes", 1, sizes, sizes), Curve("b", "s", 2, sizes, {})])
    kinds = [element.get("class") for element in ElementTree.fromstring(drawn).iter()]
    # One of each kind is the legend's.
    assert (kinds.count("dot"), kinds.count("kept"), kinds.count("order")) == (7, 4, 3)


def test_the_table_says_both_orders():
    sizes = {10: 0.01, 100: 1.0, 1000: 100.0}
    row = scaling.table([Curve("a", "sizes", 1, sizes, {n: n * 1e6 for n in sizes})]).splitlines()[
        2
    ]
    said = "| a | 10 to 1,000 sizes | 10 ms to 100 s | 10 MB to 1e+03 MB | 1 | 2.00 | 1.00 |"
    assert row == said
