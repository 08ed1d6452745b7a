"""Maps as vectors: every cell has the colour of its weight, and what is drawn around them says what it should."""

import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageFont

from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.figures import small_multiples, views
from darksecrets.figures.charts import SCALES

NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}


def some_maps(n_layers=2, n_heads=3, n_tokens=7):
    return np.random.default_rng(0).dirichlet(np.full(n_tokens, 0.3), (n_layers, n_heads, n_tokens))


def drawn(svg):
    return ElementTree.fromstring(svg)


def found(root, path):
    return root.findall(path, NAMESPACE)


def words(root):
    return [element.text for element in found(root, ".//svg:text")]


def repainted(group, n_tokens):
    """The colours of a small map, painted cell by cell as its ground and lines say."""
    cells = np.full((n_tokens, n_tokens), found(group, "svg:rect")[0].get("fill"))
    for path in found(group, ".//svg:path"):
        for start, row, length in re.findall(r"M(\d+) (\d+)h(\d+)", path.get("d")):
            cells[int(row), int(start) : int(start) + int(length)] = path.get("stroke")
    return cells


@pytest.mark.parametrize("n_tokens", [1, 7, 40])
def test_every_cell_of_every_map_has_the_colour_of_its_weight(n_tokens):
    maps = some_maps(n_tokens=n_tokens)
    groups = [group for group in found(drawn(small_multiples.all_maps(maps)), "svg:g") if group.get("stroke-width")]
    assert len(groups) == 6
    palette = views.palette()
    for group, weights in zip(groups, maps.reshape(6, n_tokens, n_tokens), strict=True):
        for colour, weight in zip(repainted(group, n_tokens).ravel(), weights.ravel(), strict=True):
            shade = round(weight**0.5 * (small_multiples.N_SHADES - 1))  # of 32, which are spread over the 256
            assert colour == palette[round(shade * 255 / (small_multiples.N_SHADES - 1))]


def test_maps_stand_in_layers_down_and_heads_across():
    groups = [one for one in found(drawn(small_multiples.all_maps(some_maps())), "svg:g") if one.get("stroke-width")]
    places = [tuple(map(float, re.match(r"translate\((\S+) (\S+)\)", one.get("transform")).groups())) for one in groups]
    assert [one.find("svg:title", NAMESPACE).text for one in groups[:4]] == [
        *("layer 1, head 1", "layer 1, head 2", "layer 1, head 3", "layer 2, head 1")
    ]
    across, down = zip(*places, strict=True)
    assert across[:3] == across[3:] and sorted(set(across)) == list(across[:3])
    assert len(set(down[:3])) == len(set(down[3:])) == 1 and down[3] > down[0]


def test_patterns_are_bars_in_the_books_colours_with_a_legend():
    patterns = np.array([["Vertical", "Diagonal", "Block"], ["Block", "Vertical", "Vertical"]])
    root = drawn(small_multiples.all_maps(some_maps(), patterns=patterns))
    colours = dict(zip(SCALES["pattern"].domain, SCALES["pattern"].range, strict=True))
    bars = [box.get("fill") for box in found(root, "svg:rect") if box.get("height") == "4"]
    assert bars == [colours[name] for name in patterns.ravel()]
    assert [word for word in words(root) if word in PATTERNS] == ["Vertical", "Diagonal", "Block"]


def test_disabled_heads_are_crossed_out_and_the_chosen_one_is_framed():
    plain, marked = (
        drawn(small_multiples.all_maps(some_maps(), **more))
        for more in ({}, {"disabled": [(0, 1), (1, 2)], "chosen": (1, 0)})
    )
    assert (len(found(plain, "svg:path")), len(found(marked, "svg:path"))) == (0, 4)  # two lines for each cross
    (frame,) = (box for box in found(marked, "svg:rect") if box.get("fill") == "none")
    third = [one for one in found(marked, "svg:g") if one.get("stroke-width")][3]
    assert third.get("transform").startswith(f"translate({float(frame.get('x')) + 2:g} {float(frame.get('y')) + 2:g})")


def test_one_map_tells_tokens_and_weights_and_draws_them():
    weights, tokens = some_maps(n_tokens=3)[0, 0], ["[CLS]", "<b>&", "\x00"]
    root = drawn(small_multiples.one_map(weights, tokens, "A <title>"))
    cells = {box[0].text: box.get("fill") for box in found(root, "svg:rect") if len(box)}
    shown = ["[CLS]", "<b>&", "\ufffd"]
    for query in range(3):
        for key in range(3):
            told = f"{shown[query]} → {shown[key]}: {weights[query, key]:.3f}"
            assert cells[told] == views.colours(weights)[query, key]
    assert len(cells) == 9
    assert all(words(root).count(token) == 2 for token in shown)
    assert "A <title>" in words(root)


def test_similarities_are_written_on_the_books_colours():
    values = np.array([[0.0, 0.5], [0.987, 1.0]])
    root = drawn(small_multiples.similarities(values, "Alike?", chosen=(1, 0)))
    assert [word for word in words(root) if "." in word] == ["0.00", "0.50", "0.99", "1.00"]
    boxes = [box.get("fill") for box in found(root, "svg:rect") if box.get("height") == str(small_multiples.CELL[1])]
    scale = SCALES["similarity"].to_dict()
    colours = views.palette(scale["scheme"])
    assert boxes == [colours[round(255 * value ** scale["exponent"])] for value in values.ravel()]


def test_numbers_can_be_read_on_their_colours():
    root = drawn(small_multiples.similarities(np.linspace(0, 1, 60).reshape(5, 12)))
    grounds = [box.get("fill") for box in found(root, "svg:rect")[1:]]
    inks = [element.get("fill") for element in found(root, "svg:text") if element.get("fill")]
    for ground, ink in zip(grounds, inks, strict=True):
        light, dark = sorted((small_multiples._luminance(ground), small_multiples._luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("theme", small_multiples.THEMES)
def test_both_themes_can_be_read_and_become_pictures(theme):
    look = small_multiples.THEMES[theme]
    light, dark = sorted(map(small_multiples._luminance, (look.paper, look.ink)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 12
    patterns = np.full((2, 3), "Vertical+Diagonal")
    svg = small_multiples.all_maps(some_maps(), "All", patterns, theme=theme)
    bar = next(box.get("fill") for box in found(drawn(svg), "svg:rect") if box.get("height") == "4")
    light, dark = sorted(map(small_multiples._luminance, (look.paper, bar)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 3  # what WCAG asks of graphics
    picture = Image.open(io.BytesIO(small_multiples.png(svg))).convert("RGB")
    assert picture.size[0] == 2 * round(float(drawn(svg).get("width")))
    assert "#{:02x}{:02x}{:02x}".format(*picture.getpixel((1, 1))) == look.paper


def test_vectors_only_and_nothing_is_loaded():
    for svg in (small_multiples.all_maps(some_maps()), small_multiples.one_map(np.eye(3), "abc")):
        assert "<image" not in svg and "href" not in svg
        assert svg.count("http") == 1  # the name of the format


def test_a_long_title_is_broken_into_lines():
    title = "A title that is longer than the drawing is wide, as may happen with any model of few heads"
    root = drawn(small_multiples.all_maps(some_maps(), title))
    lines = [element.text for element in found(root, "svg:text") if element.get("font-weight")]
    assert len(lines) > 1 and " ".join(lines) == title


@pytest.mark.parametrize("n_heads", [3, 12, 16])
@pytest.mark.parametrize("task", TASKS)
def test_no_title_is_cut_in_a_wide_typeface(task, n_heads):
    wide = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf"
    letters = ImageFont.truetype(wide, small_multiples.FONT)
    title = f"Cosine similarity of maps before and after fine-tuning on {task}"
    root = drawn(small_multiples.similarities(np.ones((2, n_heads)), title))
    for line in [text for text in found(root, "svg:text") if text.get("font-weight") == "bold"]:
        assert float(line.get("x")) + letters.getlength(line.text) < float(root.get("width"))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: small_multiples.all_maps(some_maps(), theme="sepia"), "theme 'sepia' is unknown; accepted are light"),
        (lambda: small_multiples.all_maps(some_maps(1, 1, 65)), "65 tokens are too many to draw"),
        (lambda: small_multiples.all_maps(some_maps(12, 12, 46)), "give at most 45 tokens of this model"),
        (lambda: small_multiples.one_map(np.eye(3), "ab"), "2 tokens for maps of 3"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(draw, message):
    with pytest.raises(InputError, match=message) as caught:
        draw()
    assert "\n" not in str(caught.value)


def test_the_largest_drawing_is_far_below_a_pages_size():
    assert len(small_multiples.all_maps(some_maps(12, 12, 45))) < 2.2e6
