"""The explorer for JupyterLab: type a sentence, look at every head, disable some and watch the answer.

What is looked at is an `analyses.exploration.Exploration`; here are the widgets that change and show it. Explained in
the chapter *The explorer*.
"""

import os
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ipywidgets
from IPython.display import display

from darksecrets.apps import explorer_drawings as drawings
from darksecrets.apps import explorer_panels as panels
from darksecrets.apps.exploration import CHECKPOINTS, Exploration
from darksecrets.corpora.glue import SCORE_RANGE
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.figures import publish, small_multiples
from darksecrets.files import replace
from darksecrets.heads import head_name

OWN_TEXT = "your own text"
N_EXAMPLES = 12  # of a task's validation examples that are offered
N_EFFECTS = 5  # heads that are named when one asks which matter most
LONGEST_NAME = 70  # characters of an example in the menu
SAVED = {"All maps": drawings.all_maps, "One map": drawings.one_map, "Before and after": drawings.similarities}
SHOWN: dict[str, Callable[..., str]] = {
    "All maps": drawings.all_maps,
    "One map": drawings.described_map,
    "Before and after": drawings.before_and_after,
    "BertViz: heads": drawings.head_view,
    "BertViz: model": drawings.model_view,
}
FULL = {"width": "100%"}


def explore(exploration: Exploration) -> None:
    """Show an exploration in JupyterLab.

    Widgets need a running kernel, so nothing is shown when the environment says DARKSECRETS_HEADLESS, as the book's
    build does.
    """
    if not os.environ.get("DARKSECRETS_HEADLESS"):
        display(Explorer(exploration).panel)


class Explorer:
    """The widgets of an exploration; `panel` is what to display. Views are saved in the store's folder `explorer`.

    What a person types or clicks never raises: what is wrong with it is said in `message`, and the view stays.
    """

    def __init__(self, exploration: Exploration) -> None:
        self.exploration, setup = exploration, exploration.setup
        exploration.prepare()
        self.folder = Path(setup.store) / "explorer"
        self.task = ipywidgets.Dropdown(options=list(setup.tasks), description="Task")
        self.checkpoint = ipywidgets.ToggleButtons(options=CHECKPOINTS)
        self.example = ipywidgets.Dropdown(description="Example", layout=FULL)
        self.first, self.second = (
            ipywidgets.Textarea(description=name, rows=2, continuous_update=False, layout=FULL)
            for name in ("First", "Second")
        )
        self.reads = ipywidgets.Button(description="Read this text", button_style="primary")
        self.message, self.tokens, self.answers, self.effects, self.saved = (ipywidgets.HTML() for _ in range(5))
        self.heads = _head_buttons(setup.load().n_layers, setup.load().n_heads)
        self.enables = ipywidgets.Button(description="Enable all")
        self.ranks = ipywidgets.Button(description="Which matter most?", layout={"width": "auto"})
        self.layer = ipywidgets.BoundedIntText(1, min=1, max=setup.load().n_layers, description="Layer")
        self.head = ipywidgets.BoundedIntText(1, min=1, max=setup.load().n_heads, description="Head")
        self.theme = ipywidgets.ToggleButtons(options=list(small_multiples.THEMES))
        self.saves = {kind: ipywidgets.Button(description=f"Save {kind.upper()}") for kind in ("svg", "png")}
        self.tabs = ipywidgets.Tab([ipywidgets.HTML() for _ in SHOWN], titles=list(SHOWN), selected_index=0)
        self._is_setting = False
        self._set_widgets()
        self._choose(min(exploration.disabled, default=(0, 0)))
        self._listen()
        self.draw()

    @property
    def panel(self) -> ipywidgets.VBox:
        """All widgets in their places."""
        of_heads = [ipywidgets.Label("Click heads to disable them:"), self.enables, self.ranks]
        of_views = [self.layer, self.head, self.theme, *self.saves.values()]
        row = {"layout": {"flex_flow": "row wrap"}}
        return ipywidgets.VBox(
            [
                ipywidgets.HBox([self.task, self.checkpoint], **row),
                *(self.example, self.first, self.second, self.reads, self.message, self.answers),
                ipywidgets.HBox(of_heads, **row),
                *(_grid(self.heads), self.effects, self.tokens),
                ipywidgets.HBox(of_views, **row),
                *(self.saved, self.tabs),
            ]
        )

    @property
    def chosen(self) -> tuple[int, int]:
        """The head that is drawn large: layer and head, from 0."""
        return self.layer.value - 1, self.head.value - 1

    @property
    def view(self) -> str:
        """The view that is in front, by its title."""
        return list(SHOWN)[self.tabs.selected_index or 0]

    def draw(self) -> None:
        """Show answers, tokens, and the view that is in front, of what is looked at now."""
        with self._telling():
            exploration = self.exploration
            highest = SCORE_RANGE[1] if TASKS[exploration.task].is_regression else 1
            self.answers.value = panels.answers(exploration.answers(), len(exploration.disabled), highest)
            self.tokens.value = panels.tokens(exploration.tokens, exploration.second_start)
            self.tabs.children[list(SHOWN).index(self.view)].value = self._shown()
            self.message.value = panels.message("note", drawings.notes(exploration))

    def save(self, kind: str) -> None:
        """Write the view that is in front to a file, `svg` or `png`, and name it in `saved`."""
        with self._telling():
            if self.view not in SAVED:
                raise InputError("BertViz draws in the browser: save this view by the two buttons above its drawing")
            svg, exploration = SAVED[self.view](self.exploration, self.chosen, self.theme.value), self.exploration
            parts = [self.view, exploration.task, exploration.checkpoint, head_name(*self.chosen), self.theme.value]
            path = self.folder / f"{'-'.join(parts).replace(' ', '-').lower()}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            drawn = svg.encode() if kind == "svg" else small_multiples.png(svg)
            replace(path, lambda half: half.write_bytes(drawn))
            self.saved.value = f"Written: <code>{publish.escaped(str(path))}</code>"

    def rank(self) -> None:
        """Name the heads that move the answer most, each disabled alone."""
        with self._telling():
            self.effects.value = panels.effects(self.exploration.effects().head(N_EFFECTS))

    def look(self, **changes: object) -> None:
        """Look at something else (see `Exploration.look`) and show it, unless the widgets are just being set."""
        if self._is_setting:
            return
        with self._telling():
            self.exploration.look(**changes)
            self._set_widgets()
            self.effects.value = self.saved.value = ""
            self.draw()

    def _shown(self) -> str:
        shown = SHOWN[self.view](self.exploration, self.chosen, self.theme.value)
        if not self.view.startswith("BertViz"):
            return shown
        height = drawings.head_view_height(self.exploration)
        return drawings.frame(shown, self.view, height if "heads" in self.view else drawings.MODEL_VIEW_HEIGHT)

    def _listen(self) -> None:
        self.task.observe(lambda change: self._choose_task(change["new"]), "value")
        self.checkpoint.observe(lambda change: self.look(checkpoint=change["new"]), "value")
        self.example.observe(lambda change: change["new"] and self.look(**_texts(change["new"])), "value")
        for text, name in ((self.first, "first"), (self.second, "second")):
            text.observe(lambda change, name=name: self.look(**{name: change["new"]}), "value")
        self.reads.on_click(lambda _: self.look(first=self.first.value, second=self.second.value))
        for head, button in self.heads.items():
            button.observe(lambda _, head=head: self._press(head), "value")
        self.enables.on_click(lambda _: self.look(disabled=()))
        self.ranks.on_click(lambda _: self.rank())
        for widget, trait in ((self.layer, "value"), (self.head, "value"), (self.theme, "value")):
            widget.observe(lambda _: self._is_setting or self.draw(), trait)
        self.tabs.observe(lambda _: self.draw(), "selected_index")
        for kind, button in self.saves.items():
            button.on_click(lambda _, kind=kind: self.save(kind))

    def _press(self, head: tuple[int, int]) -> None:
        """Disable the heads whose buttons are pressed, and choose the one that was just clicked."""
        if not self._is_setting:
            self._choose(head)
            self.look(disabled=[head for head, button in self.heads.items() if button.value])

    def _choose(self, head: tuple[int, int]) -> None:
        """Set the head that is drawn large, without drawing it."""
        with self._setting():
            self.layer.value, self.head.value = head[0] + 1, head[1] + 1

    def _choose_task(self, task: str) -> None:
        """Ask another task's model; an example of the old task makes way for one of the new."""
        is_typed = not self.example.value
        self.look(task=task, **({} if is_typed else _texts(self._examples(task)[0])))

    def _examples(self, task: str) -> list[tuple[str, str]]:
        examples = self.exploration.setup.split(task, "dev").examples[:N_EXAMPLES]
        return [(example.first, example.second or "") for example in examples]

    def _set_widgets(self) -> None:
        """Set the widgets to what is looked at."""
        exploration = self.exploration
        texts, examples = (exploration.first, exploration.second), self._examples(exploration.task)
        options = [(textwrap.shorten(" / ".join(filter(None, one)), LONGEST_NAME), one) for one in examples]
        with self._setting():
            self.task.value, self.checkpoint.value = exploration.task, exploration.checkpoint
            if self.example.options != (found := ((OWN_TEXT, ""), *options)):
                self.example.options = found
            self.example.value = texts if texts in examples else ""
            self.first.value, self.second.value = texts
            for head, button in self.heads.items():
                button.value = head in exploration.disabled
                button.icon = "times" if button.value else ""

    @contextmanager
    def _setting(self) -> Iterator[None]:
        """Set widgets without taking that for what a person did."""
        before, self._is_setting = self._is_setting, True
        try:
            yield
        finally:
            self._is_setting = before

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say in `message` what is wrong with what a person asked for."""
        try:
            yield
        except InputError as error:
            self.message.value = panels.message("error", [f"{error}."])


def _texts(example: tuple[str, str]) -> dict[str, str]:
    return dict(zip(("first", "second"), example, strict=True))


def _head_buttons(n_layers: int, n_heads: int) -> dict[tuple[int, int], ipywidgets.ToggleButton]:
    layout = ipywidgets.Layout(width="auto", height="24px", padding="0", margin="1px")  # one for all: 72 would be slow
    return {
        (layer, head): ipywidgets.ToggleButton(
            description=str(head + 1), tooltip=f"disable {head_name(layer, head)}", layout=layout
        )
        for layer in range(n_layers)
        for head in range(n_heads)
    }


def _grid(buttons: dict[tuple[int, int], ipywidgets.ToggleButton]) -> ipywidgets.GridBox:
    """A row of buttons per layer, with its name before it."""
    n_heads = 1 + max(head for _, head in buttons)
    cells: list[ipywidgets.Widget] = []
    for (layer, head), button in buttons.items():
        if head == 0:
            cells.append(ipywidgets.Label(f"layer {layer + 1}"))
        cells.append(button)
    columns = f"56px repeat({n_heads}, minmax(22px, 48px))"
    return ipywidgets.GridBox(cells, layout={"grid_template_columns": columns})
