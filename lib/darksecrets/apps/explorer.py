"""The explorer for JupyterLab: type a sentence, look at every head, disable some and watch the answer.

What is looked at is an `Exploration`; here are the panels of HTML, the drawings, and the widgets that change and show
it. Explained in the chapter *The explorer*.
"""

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path

import ipywidgets
import numpy as np
import pandas as pd
from IPython.display import display

from darksecrets.apps.exploration import CHECKPOINTS, Exploration
from darksecrets.corpora.annotated_maps import BEFORE
from darksecrets.corpora.glue import SCORE_RANGE
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.figures import drawing_sizes, publish, small_multiples, views
from darksecrets.files import replace
from darksecrets.heads import head_name
from darksecrets.models.ablation import Head

# Panels of text, as HTML.

UNDISTURBED, DISABLED = "#0072b2", "#d55e00"  # bars of an answer without and with heads disabled
BAR = 160  # pixels of a probability of 1
TOKEN = "border: 1px solid #8c8c8c; border-radius: 3px; padding: 0 4px; margin: 2px; display: inline-block"


def answers_html(table: pd.DataFrame, n_disabled: int, highest: float = 1) -> str:
    """Show a classifier's answer beside the one with heads disabled; the largest of each is what it predicts.

    `table` is that of `Exploration.answers`; `highest` is what the longest bar stands for.
    """
    names = {"undisturbed": ("nothing disabled", UNDISTURBED)}
    if n_disabled:
        names["disabled"] = (f"{n_disabled} head{'s' * (n_disabled > 1)} disabled", DISABLED)
    best = {column: table[column].idxmax() for column in names} if len(table) > 1 else {}
    rows = []
    for place, row in enumerate(table.to_dict("records")):
        cells = [
            _bar(row[column], highest, colour) + _strong(f"{row[column]:.4f}", place == best.get(column))
            for column, (_, colour) in names.items()
        ]
        change = [f"{row['disabled'] - row['undisturbed']:+.4f}"] if n_disabled else []
        rows.append([publish.escaped(row["answer"]), *cells, *change])
    heads = ["answer", *(name for name, _ in names.values()), *(["change"] if n_disabled else [])]
    return _table(heads, rows)


def tokens_html(found: Sequence[str], second_start: int | None) -> str:
    """Show the tokens of an input, the second sentence on a line of its own."""
    spans = [f"<span style='{TOKEN}'>{publish.escaped(token)}</span>" for token in found]
    if second_start is not None:
        spans.insert(second_start, "<br>")
    return f"<div style='line-height: 1.9'>{''.join(spans)}</div>"


def features_html(table: pd.DataFrame, layer: int, head: int) -> str:
    """Show the features found in an input, with the share of a head's attention that each gets."""
    rows = [
        [
            publish.escaped(row["feature"]),
            publish.escaped(row["found"]),
            f"{_bar(row['attention'], 1, UNDISTURBED)}{row['attention']:.1%}",
        ]
        for row in table.to_dict("records")
    ]
    return _table(["feature", "found", f"attention of {head_name(layer, head)}"], rows)


def effects_html(table: pd.DataFrame) -> str:
    """Show heads with how far each, disabled alone, moves the answer (rows of `Exploration.effects`)."""
    rows = [
        [
            head_name(row["layer"], row["head"]),
            *(f"{row[name]:.4f}" for name in ("undisturbed", "disabled")),
            f"{row['change']:+.4f}",
        ]
        for row in table.to_dict("records")
    ]
    answer = publish.escaped(str(table["answer"].iloc[0]))
    return _table(["head disabled alone", f"{answer}: before", "after", "change"], rows)


def message_html(kind: str, sentences: Sequence[str]) -> str:
    """Show what there is to say, as a `note` or an `error`; an empty text where there is nothing."""
    words: Mapping[str, str] = {"note": "Note: ", "error": "This cannot be done: "}
    text = publish.escaped(" ".join(sentences))
    return f"<div role='status'><strong>{words[kind]}</strong>{text}</div>" if text else ""


def _bar(value: float, highest: float, colour: str) -> str:
    width = BAR * min(max(value / highest, 0), 1)
    style = f"display: inline-block; height: 10px; width: {width:.1f}px; background: {colour}; margin-right: 6px"
    return f"<span style='{style}'></span>"


def _strong(text: str, is_strong: bool) -> str:
    return f"<strong>{text} &#9664;</strong>" if is_strong else text


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose cells are HTML; the first of each row names it."""
    style = "style='text-align: start; padding: 1px 12px 1px 0'"
    lines = ["".join(f"<th scope='col' {style}>{publish.escaped(head)}</th>" for head in heads)]
    for first, *others in rows:
        cells = "".join(f"<td {style}>{cell}</td>" for cell in others)
        lines.append(f"<th scope='row' {style}>{first}</th>{cells}")
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


# Drawings.

MODEL_VIEW_HEIGHT = 600  # pixels
SIDE_BY_SIDE = "display: flex; flex-wrap: wrap; gap: 12px"


def all_maps(exploration: Exploration, chosen: Head, theme: str = "light") -> str:
    """Draw every map that is looked at, with its pattern, as SVG."""
    maps = drawn(exploration)
    patterns = exploration.patterns()["pattern"].to_numpy().reshape(maps.shape[:2])
    title = f"{exploration.task}, {exploration.checkpoint}: every head on this input"
    return small_multiples.all_maps(maps, title, patterns, exploration.disabled, chosen, theme)


def one_map(exploration: Exploration, chosen: Head, theme: str = "light", undisturbed: str = "") -> str:
    """Draw the chosen head's map large, as SVG: as it is looked at, or that of an `undisturbed` checkpoint."""
    weights = drawn(exploration, undisturbed)[chosen]
    title = f"{head_name(*chosen).capitalize()}, {undisturbed or exploration.checkpoint}"
    return small_multiples.one_map(weights, exploration.tokens[: len(weights)], title, theme)


def similarities(exploration: Exploration, chosen: Head, theme: str = "light") -> str:
    """Draw how similar each head's maps are before and after fine-tuning, nothing disabled, as SVG."""
    similarity = exploration.similarity()
    title = f"Cosine similarity of maps before and after fine-tuning on {exploration.task}"
    return small_multiples.similarities(similarity, title, chosen, theme)


def described_map(exploration: Exploration, chosen: Head, theme: str = "light") -> str:
    """Show the chosen map with its pattern, and the features found with the attention they get, as HTML."""
    found = exploration.patterns().set_index(["layer", "head"]).loc[chosen]
    pattern = f"<p>Pattern: <strong>{found['pattern']}</strong> ({found['confidence']:.0%} sure)</p>"
    features = features_html(exploration.features(*chosen), *chosen)
    return f"{one_map(exploration, chosen, theme)}{pattern}{features}"


def before_and_after(exploration: Exploration, chosen: Head, theme: str = "light") -> str:
    """Show `similarities`, and the chosen head's map before and after fine-tuning, as HTML."""
    maps = "".join(f"<div>{one_map(exploration, chosen, theme, checkpoint)}</div>" for checkpoint in CHECKPOINTS)
    return f"{similarities(exploration, chosen, theme)}<div style='{SIDE_BY_SIDE}'>{maps}</div>"


def head_view(exploration: Exploration, chosen: Head, theme: str = "light") -> str:
    """Show BertViz's head view of as many layers as a page may hold, the chosen head switched on, as an HTML page."""
    maps, tokens, options = _for_bertviz(exploration, chosen)
    return views.bertviz_head_view(maps, tokens, heads=[chosen[1]], first_layer=chosen[0], **options)


def model_view(exploration: Exploration, chosen: Head, theme: str = "light") -> str:
    """Show BertViz's model view of as many layers as a page may hold, as an HTML page."""
    maps, tokens, options = _for_bertviz(exploration, chosen)
    return views.bertviz_model_view(maps, tokens, **options)


def head_view_height(exploration: Exploration) -> int:
    """Height in pixels of a frame for `head_view`."""
    return views.head_view_height(min(len(exploration.tokens), most_tokens(exploration)))


def frame(page: str, title: str, height: int) -> str:
    """Put an HTML page into a frame of another."""
    size = f'width="100%" height="{height}" style="border: 1px solid #8c8c8c; background: #fff"'
    return f'<iframe title="{escape(title)}" {size} srcdoc="{escape(page)}"></iframe>'


def notes(exploration: Exploration) -> list[str]:
    """Say, in sentences, what of the input is not read or not drawn, and whose answers are shown."""
    most, found = most_tokens(exploration), [*exploration.notes]
    if len(exploration.tokens) > most:
        found.append(f"Only the first {most} of {len(exploration.tokens)} tokens are drawn.")
    if exploration.checkpoint == BEFORE:
        found.append(
            "Maps are the pre-trained model's; it never learned the task, so answers are the fine-tuned one's."
        )
    return found


def most_tokens(exploration: Exploration) -> int:
    """How many tokens of an input are drawn."""
    checkpoint = exploration.setup.load()
    return drawing_sizes.most_tokens(checkpoint.n_layers * checkpoint.n_heads)


def drawn(exploration: Exploration, undisturbed: str = "") -> np.ndarray:
    """Return the maps that are looked at, or a checkpoint's undisturbed ones, as far as they are drawn: (layer, head,
    query, key).
    """
    reading = exploration.read(undisturbed) if undisturbed else exploration.reading
    most = most_tokens(exploration)
    return reading.maps[..., :most, :most]


def _for_bertviz(exploration: Exploration, chosen: Head) -> tuple[np.ndarray, list[str], dict[str, object]]:
    maps = drawn(exploration)
    second = exploration.second_start
    if second is not None and second >= maps.shape[-1]:
        second = None
    layers = drawing_sizes.layers_that_fit(*maps.shape[:3], chosen[0], second)
    return maps, exploration.tokens[: maps.shape[-1]], {"layers": layers, "sentence_b_start": second}


# Widgets.

OWN_TEXT = "your own text"
N_EXAMPLES = 12  # of a task's validation examples that are offered
N_EFFECTS = 5  # heads that are named when one asks which matter most
LONGEST_NAME = 70  # characters of an example in the menu
SAVED = {"All maps": all_maps, "One map": one_map, "Before and after": similarities}
SHOWN: dict[str, Callable[..., str]] = {
    "All maps": all_maps,
    "One map": described_map,
    "Before and after": before_and_after,
    "BertViz: heads": head_view,
    "BertViz: model": model_view,
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
            self.answers.value = answers_html(exploration.answers(), len(exploration.disabled), highest)
            self.tokens.value = tokens_html(exploration.tokens, exploration.second_start)
            self.tabs.children[list(SHOWN).index(self.view)].value = self._shown()
            self.message.value = message_html("note", notes(exploration))

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
            self.effects.value = effects_html(self.exploration.effects().head(N_EFFECTS))

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
        height = head_view_height(self.exploration)
        return frame(shown, self.view, height if "heads" in self.view else MODEL_VIEW_HEIGHT)

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
            self.message.value = message_html("error", [f"{error}."])


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
