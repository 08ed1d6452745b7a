"""An annotator for JupyterLab: one map at a time, five buttons, and a CSV that grows with every click.

Explained in the appendix *How maps were annotated*.
"""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from IPython.display import display
from sklearn.metrics import cohen_kappa_score

from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap, attention_maps, check_labels, load
from darksecrets.errors import InputError
from darksecrets.figures.map_pictures import picture
from darksecrets.figures.publish import png
from darksecrets.runs import write_csv

if TYPE_CHECKING:
    import ipywidgets

COLUMNS = ["id", "label"]
BACK = "0"  # what a reader types to go back; 1 to 5 stand for the patterns


class Session:
    """One annotator's work on a table of maps: the order they come in, where the annotator is, the labels so far.

    The order depends on the annotator's name alone, so it says nothing of layer, head or task, and it is the same
    when the work is resumed from the CSV at `path`.
    """

    def __init__(self, table: pd.DataFrame, path: str | Path, annotator: str = "me") -> None:
        self.path = Path(path)
        seed = int.from_bytes(hashlib.sha256(annotator.encode()).digest()[:8], "big")
        self._maps = table.set_index("id")
        self.order = [int(one) for one in np.random.default_rng(seed).permutation(sorted(table["id"]))]
        self.labels = {} if not self.path.exists() else dict(read_labels(self.path, table).to_numpy())
        self.position = 0
        self._skip_labelled()

    @property
    def current(self) -> int | None:
        """The id of the map to label now; None where all are labelled."""
        return self.order[self.position] if self.position < len(self.order) else None

    @property
    def current_map(self) -> AttentionMap:
        """The map to label now."""
        (one,) = attention_maps(self._maps.loc[[self.current]])
        return one

    def label(self, pattern: str) -> None:
        """Give the current map a label, write all labels down, and go to the next map without one."""
        check_labels([pattern])
        if self.current is None:
            raise InputError("all maps are labelled; go back to change a label")
        self.labels[self.current] = pattern
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_csv(self.path, pd.DataFrame(sorted(self.labels.items()), columns=COLUMNS))
        self._skip_labelled()

    def back(self) -> None:
        """Go to the map before the current one, labelled or not; the first stays."""
        self.position = max(self.position - 1, 0)

    def _skip_labelled(self) -> None:
        while self.current in self.labels:
            self.position += 1


def read_labels(path: str | Path, table: pd.DataFrame) -> pd.DataFrame:
    """Read a CSV of labels (`id`, `label`) for maps of `table`; `InputError` says in one line what is wrong with it."""
    hint = "mend the file, or give another path"
    try:
        found = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:  # pandas' own errors, and undecodable text, are ValueErrors
        raise InputError(f"{path} cannot be read as CSV ({str(error).splitlines()[0]}); {hint}") from error
    if list(found.columns) != COLUMNS:
        raise InputError(f"{path} has the columns {', '.join(found.columns)}; accepted are id, label; {hint}")
    unknown = found.loc[~found["id"].isin(table["id"].astype(str)), "id"]
    if len(unknown):
        raise InputError(f"{path} labels map {unknown.iloc[0]}, which is not among the {len(table)} maps; {hint}")
    repeated = found.loc[found["id"].duplicated(), "id"]
    if len(repeated):
        raise InputError(f"{path} labels map {repeated.iloc[0]} more than once; {hint}")
    try:
        check_labels(found["label"])
    except InputError as error:
        raise InputError(f"{path}: {error}; {hint}") from None
    return found.assign(id=found["id"].astype(table["id"].dtype))


def check(path: str) -> None:
    """Raise InputError where there are own labels at `path`, for the maps of the book, that cannot be read."""
    if path and os.path.lexists(path):
        read_labels(path, load())


def own_agreement(path: str | Path, table: pd.DataFrame) -> float | None:
    """Cohen's kappa of one's own labels with the agreed ones, on the maps labelled so far; None where there are none.

    1 is full agreement and 0 what chance would give; NaN where both sides know only one pattern.
    """
    if not Path(path).exists():
        return None
    both = read_labels(path, table).merge(table[["id", "pattern"]], on="id")
    return float(cohen_kappa_score(both["label"], both["pattern"], labels=list(PATTERNS))) if len(both) else None


def annotate(table: pd.DataFrame, path: str | Path, annotator: str = "me") -> None:
    """Show the maps of `table` one by one in JupyterLab, and keep the labels given to them in the CSV at `path`.

    A map is labelled by a button, or by typing 1 to 5 into the field below (0 goes back). Buttons need a running
    kernel, so nothing is shown when the environment says DARKSECRETS_HEADLESS, as the book's build does.
    """
    session = Session(table, path, annotator)
    if not os.environ.get("DARKSECRETS_HEADLESS"):
        display(_panel(session))


def _panel(session: Session) -> "ipywidgets.VBox":
    """The widgets of a session: picture, progress, a button per pattern, and a field for the keyboard."""
    import ipywidgets

    shown = ipywidgets.Image(format="png")
    progress = ipywidgets.IntProgress(max=len(session.order))
    words = ipywidgets.Label()
    buttons = [ipywidgets.Button(description=f"{key} {pattern}") for key, pattern in enumerate(PATTERNS, start=1)]
    back = ipywidgets.Button(description=f"{BACK} Back")
    keys = ipywidgets.Text(placeholder="or type 0 to 5 here")

    def refresh() -> None:
        progress.value, done = len(session.labels), session.current is None
        words.value = f"{len(session.labels)} of {len(session.order)} maps labelled"
        shown.layout.display = "none" if done else None
        for button in buttons:
            button.disabled = done
        if not done:
            shown.value = png(picture(session.current_map.weights, session.current_map.sep_positions))
            if session.current in session.labels:
                words.value += f"; you called this one {session.labels[session.current]}"

    def choose(key: str) -> None:
        if key == BACK:
            session.back()
        elif key in map(str, range(1, len(PATTERNS) + 1)) and session.current is not None:
            session.label(PATTERNS[int(key) - 1])
        refresh()

    def typed(change: dict) -> None:
        if change["new"]:
            keys.value = ""
            choose(change["new"].strip()[-1:])

    for button in (*buttons, back):
        button.on_click(lambda clicked: choose(clicked.description[0]))
    keys.observe(typed, "value")
    refresh()
    rows = [ipywidgets.HBox([progress, words]), shown, ipywidgets.HBox(buttons), ipywidgets.HBox([back, keys])]
    return ipywidgets.VBox(rows)
