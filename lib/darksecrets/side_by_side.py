"""A table of this run and the same table of the reference run, one below the other, for charts with a menu of runs."""

import pandas as pd

THIS_RUN, REFERENCE_RUN = "this run", "reference run"


def side_by_side(this_run: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Join both tables, with a column `run` ("this run", "reference run") before the others.

    Columns that only one of them has are left out.
    """
    tables = {THIS_RUN: this_run} | ({} if reference is None else {REFERENCE_RUN: reference})
    shared = [name for name in this_run if reference is None or name in reference]
    parts = [table[shared].assign(run=run) for run, table in tables.items()]
    return pd.concat(parts, ignore_index=True)[["run", *shared]]
