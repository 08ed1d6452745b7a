"""Verdicts by intervals, and how they are counted."""

import pandas as pd
import pytest

from darksecrets import verdicts

NAN = float("nan")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 0.2, "holds"),
        (-0.2, -0.1, "does not hold"),
        *((low, high, "cannot tell") for low, high in ((-0.1, 0.1), (0.0, 0.1), (-0.1, 0.0), (NAN, NAN))),
    ],
)
def test_an_interval_decides_where_it_leaves_zero_out(low, high, said):
    assert verdicts.verdict(low, high) == said


def test_verdicts_are_counted_in_their_order():
    found = (verdict for verdict in ["cannot tell", "holds", "holds"])
    assert verdicts.counted(found) == "holds: 2, does not hold: 0, cannot tell: 1"
    assert verdicts.counted(pd.Series(dtype=str)) == "holds: 0, does not hold: 0, cannot tell: 0"
