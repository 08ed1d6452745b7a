"""A table of this run and the same table of the reference run, one below the other, for charts with a menu of runs."""

import pandas as pd

THIS_RUN, REFERENCE_RUN = "this run", "reference run"


def side_by_side(this_run: pd.DataFrame | None, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Join both tables, with a column `run` ("this run", "reference run") before the others; either may be missing.

    Columns that only one of them has are left out.
    """
    tables = {run: table for run, table in ((THIS_RUN, this_run), (REFERENCE_RUN, reference)) if table is not None}
    if not tables:
        return pd.DataFrame(columns=["run"])
    first, *others = tables.values()
    shared = [name for name in first if all(name in other for other in others)]
    parts = [table[shared].assign(run=run) for run, table in tables.items()]
    return pd.concat(parts, ignore_index=True)[["run", *shared]]
