"""What the explorer draws of an `analyses.exploration.Exploration`: on a page as it is, and in its widgets.

A `chosen` head is a pair of layer and head, counted from 0.
"""

from html import escape

import numpy as np

from darksecrets.apps import explorer_panels
from darksecrets.apps.exploration import CHECKPOINTS, Exploration
from darksecrets.corpora.annotated_maps import BEFORE
from darksecrets.figures import drawing_sizes, small_multiples, views
from darksecrets.heads import head_name
from darksecrets.models.ablation import Head

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
    features = explorer_panels.features(exploration.features(*chosen), *chosen)
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
