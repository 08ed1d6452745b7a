"""One input beside all of a task's: heads that move its answer, and what disabling them does to the score.

Explained in the chapter *The explorer*.
"""

import pandas as pd

from darksecrets.estimates import format_change
from darksecrets.heads import HEAD, head_label
from darksecrets.models.disabling import only_uniform
from darksecrets.sections.disabling import DisablingTables
from darksecrets.statistics import over_seeds

BESIDE = "change of the score"


def beside_the_score(effects: pd.DataFrame, task: str, tables: DisablingTables | None) -> pd.DataFrame:
    """Lay heads' effects on one input (rows of `Exploration.effects`) beside the change of the task's score.

    Columns head ("layer-head", from 1), before, after, change, and the change of a run's score, in points with its
    interval; empty where the run has no tables of disabled heads, or none of this task.
    """
    columns = {"head": head_label(effects), "before": effects["undisturbed"], "after": effects["disabled"]}
    found = pd.DataFrame(columns | {"change": effects["change"].map("{:+.3f}".format)})
    rows = [] if tables is None else only_uniform(tables.heads).query("task == @task")
    if not len(rows):
        return found.assign(**{BESIDE: None})
    by_head = over_seeds(rows, HEAD).set_index(HEAD)
    keys = effects[HEAD].itertuples(index=False, name=None)
    return found.assign(**{BESIDE: [format_change(by_head.loc[key]) if key in by_head.index else None for key in keys]})
