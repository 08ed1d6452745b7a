"""Views of attention maps: right numbers in the right cells, nothing loaded, small, the same each time."""

import base64
import html
import io
import itertools
import json
import re

import ipywidgets
import matplotlib
import numpy as np
import pytest
import torch
import vl_convert
from ipywidgets.widgets.widget import _instances
from PIL import Image

from darksecrets.errors import InputError
from darksecrets.figures import drawing_sizes, views

TOKENS = ["[CLS]", "he", "</script><b>", "left\u2028right", "[SEP]", 'it"s', "\\", "[SEP]"]


def some_maps(n_layers=3, n_heads=4, n_tokens=8, kind=np.float32):
    random = np.random.default_rng(0)
    return random.dirichlet(np.full(n_tokens, 0.3), (n_layers, n_heads, n_tokens)).astype(kind)


def parameters(page):
    """The data that a BertViz page carries."""
    return json.JSONDecoder().raw_decode(page, page.index("const params = ") + len("const params = "))[0]


PAGES = {"head view": views.bertviz_head_view, "model view": views.bertviz_model_view}


@pytest.mark.parametrize("view", PAGES.values(), ids=PAGES)
class TestBertViz:
    def test_data_are_the_maps_to_three_decimals(self, view):
        maps = some_maps()
        found = parameters(view(maps, TOKENS))["attention"][0]
        assert found["attn"] == maps.astype(np.float64).round(3).tolist()
        assert found["left_text"] == found["right_text"] == TOKENS

    def test_nothing_is_loaded_and_the_scripts_are_inside(self, view):
        page = view(some_maps(), TOKENS)
        assert not re.search(r"\b(?:src|href)\s*=\s*[\"']?https?:", page)
        assert "cdnjs" not in page
        assert "https://d3js.org v5.7.0" in page
        assert page.count("</script>") == 5

    def test_a_token_cannot_end_the_script(self, view):
        page = view(some_maps(), TOKENS)
        assert "</script><b>" not in page
        assert "\u2028" not in page

    def test_the_same_input_gives_the_same_page(self, view):
        assert view(some_maps(), TOKENS) == view(some_maps(), TOKENS)
        assert "bertviz-" not in view(some_maps(), TOKENS)

    def test_layers_are_chosen_from_0_and_shown_from_1(self, view):
        maps = some_maps()
        found = parameters(view(maps, TOKENS, layers=[0, 2]))
        assert found["include_layers"] == [1, 3]
        assert found["attention"][0]["attn"] == maps[[0, 2]].astype(np.float64).round(3).tolist()

    def test_a_tensor_is_as_good_as_an_array(self, view):
        assert view(torch.from_numpy(some_maps()), TOKENS) == view(some_maps(), TOKENS)

    def test_a_second_sentence_adds_the_parts(self, view):
        parts = parameters(view(some_maps(), TOKENS, sentence_b_start=5))["attention"]
        assert [len(part["left_text"]) for part in parts] == [8, 5, 3, 5, 3]

    def test_64_tokens_of_six_layers_fit_in_two_megabytes(self, view):
        tokens = [f"token{place}" for place in range(64)]
        assert len(view(some_maps(6, 12, 64), tokens)) < 2e6

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"maps": some_maps(1, 1, 65), "tokens": ["x"] * 65}, "65 tokens are too many to draw, at most 64"),
            ({"maps": some_maps(12, 12, 50), "tokens": ["x"] * 50}, "360,000 weights make too large a page"),
            ({"maps": some_maps(4, 12, 64), "tokens": ["x"] * 64, "sentence_b_start": 3}, "choose fewer layers"),
            ({"tokens": TOKENS[1:]}, "7 tokens for maps of 8"),
            ({"maps": some_maps()[0]}, "give one input's maps as (layer, head, query, key)"),
            ({"maps": np.full((1, 1, 8, 8), np.nan)}, "not finite"),
            ({"layers": [3]}, "layers [3]: give at least one, counted from 0 to 2"),
            ({"layers": []}, "layers []: give at least one"),
            ({"heads": [-1]}, "heads [-1]: give at least one, counted from 0 to 3"),
            ({"sentence_b_start": 8}, "sentence_b_start is 8: give a place from 1 to 7"),
            ({"decimals": 5}, "decimals is 5: give a number from 1 to 4"),
            ({"decimals": 0}, "decimals is 0: give a number from 1 to 4"),
        ],
    )
    def test_what_cannot_be_drawn_is_one_line(self, view, options, message):
        with pytest.raises(InputError) as caught:
            view(**({"maps": some_maps(), "tokens": TOKENS} | options))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_fewer_decimals_make_a_smaller_page(self, view):
        maps = some_maps(6, 12, 32)
        tokens = [str(place) for place in range(32)]
        found = parameters(view(maps, tokens, decimals=1))["attention"][0]["attn"]
        assert found == maps.astype(np.float64).round(1).tolist()
        assert len(view(maps, tokens, decimals=1)) < len(view(maps, tokens)) - 1e5

    @pytest.mark.parametrize("second", [None, 30])
    def test_the_largest_page_that_is_not_refused_stays_below_three_megabytes(self, view, second):
        maps, tokens = some_maps(12, 12, 64), [f"token{place}" for place in range(64)]
        layers = drawing_sizes.layers_that_fit(*maps.shape[:3], 5, second)
        page = view(maps, tokens, layers, sentence_b_start=second, decimals=views.MAX_DECIMALS)
        assert 1.5e6 < len(html.escape(page)) < 3e6  # as a page of the book carries it
        with pytest.raises(InputError, match="too large a page"):
            view(maps, tokens, range(len(layers) + 1), sentence_b_start=second)


@pytest.mark.parametrize("around", range(12))
@pytest.mark.parametrize(("n_tokens", "second", "n_fitting"), [(64, None, 6), (64, 3, 3), (45, None, 12), (16, 3, 12)])
def test_layers_that_fit_are_neighbours_of_the_one_asked_for(around, n_tokens, second, n_fitting):
    layers = drawing_sizes.layers_that_fit(12, 12, n_tokens, around, second)
    assert layers == list(range(layers[0], layers[0] + n_fitting))
    assert around in layers and layers[0] >= 0 and layers[-1] < 12


@pytest.mark.parametrize("second", [None, 13])
def test_on_a_page_an_input_fits_in_all_its_drawings(second, monkeypatch):
    monkeypatch.setenv("DARKSECRETS_HEADLESS", "1")
    n_tokens = drawing_sizes.most_tokens(144)
    maps, tokens = some_maps(12, 12, n_tokens), [f"token{place}" for place in range(n_tokens)]
    layers = drawing_sizes.layers_that_fit(12, 12, n_tokens, 5, second)
    pages = [view(maps, tokens, layers, sentence_b_start=second) for view in PAGES.values()]
    assert all(3e5 < len(html.escape(page)) < 1e6 for page in pages)


def test_the_layer_that_is_shown_first_is_one_of_those_displayed():
    page = views.bertviz_head_view(some_maps(), TOKENS, layers=[1, 2], first_layer=2)
    assert (parameters(page)["layer"], parameters(page)["include_layers"]) == (3, [2, 3])
    assert parameters(views.bertviz_head_view(some_maps(), TOKENS))["layer"] is None


@pytest.mark.parametrize(("n_maps", "most", "on_a_page"), [(72, 64, 32), (144, 45, 22), (1, 64, 64), (1024, 17, 8)])
def test_fewer_tokens_are_drawn_where_there_are_more_maps(n_maps, most, on_a_page, monkeypatch):
    monkeypatch.setenv("DARKSECRETS_HEADLESS", "1")
    assert drawing_sizes.most_tokens(n_maps) == on_a_page
    monkeypatch.delenv("DARKSECRETS_HEADLESS")
    assert drawing_sizes.most_tokens(n_maps) == most
    assert n_maps * most**2 <= drawing_sizes.MAX_WEIGHTS


def test_colours_of_weights_are_viridis_by_the_square_root():
    weights = np.array([[0, 0.25], [1, 0.5]])
    expected = [
        [matplotlib.colors.to_hex(matplotlib.colormaps["viridis"](round(255 * w**0.5))) for w in row] for row in weights
    ]
    assert views.colours(weights).tolist() == expected
    assert views.colours([[2, -1]]).tolist() == [[expected[1][0], expected[0][0]]]


def test_heads_of_the_two_bertviz_views():
    assert parameters(views.bertviz_head_view(some_maps(), TOKENS, heads=[1, 3]))["heads"] == [1, 3]
    found = parameters(views.bertviz_model_view(some_maps(), TOKENS, heads=[1, 3]))
    assert found["include_heads"] == [2, 4]
    assert np.shape(found["attention"][0]["attn"]) == (3, 2, 8, 8)


def test_the_frame_grows_with_the_tokens():
    assert views.head_view_height(40) - views.head_view_height(20) == 450


class TestOneHead:
    attention = np.array([[0.126, 0.874, 0.0], [0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    tokens = ("the", "cat", "the")

    def test_table_has_a_row_per_query_and_a_column_per_key(self):
        table = views.map_table(self.attention, self.tokens)
        assert table.columns.tolist() == ["token attending (query)", "the (1)", "cat", "the (3)"]
        assert table.to_numpy().tolist() == [
            ["the (1)", 0.13, 0.87, 0.0],
            ["cat", 0.5, 0.25, 0.25],
            ["the (3)", 0.33, 0.33, 0.33],
        ]

    def test_heat_map_has_queries_down_and_keys_across_in_order(self):
        chart = views.map_heatmap(self.attention, self.tokens, "A finding").to_dict()
        (rows,) = chart["datasets"].values()
        assert [row["weight"] for row in rows] == [0.126, 0.874, 0, 0.5, 0.25, 0.25, 0.333, 0.333, 0.333]
        labels = ["the (1)", "cat", "the (3)"]
        assert [(row["query"], row["key"]) for row in rows] == list(itertools.product(labels, repeat=2))
        x, y = chart["encoding"]["x"], chart["encoding"]["y"]
        assert (x["field"], x["title"], x["sort"]) == ("key", "token attended to (key)", None)
        assert (y["field"], y["title"], y["sort"]) == ("query", "token attending (query)", None)
        assert chart["encoding"]["color"]["scale"] == views.ATTENTION_SCALE
        assert [shown["field"] for shown in chart["encoding"]["tooltip"]] == ["query", "key", "weight"]

    def test_every_token_is_drawn(self):
        svg = vl_convert.vegalite_to_svg(views.map_heatmap(some_maps()[0, 0], TOKENS, "A finding").to_dict())
        assert "&lt;/script&gt;&lt;b&gt;" in svg
        assert svg.count('aria-roledescription="rect mark"') == 64

    @pytest.mark.parametrize(("n_tokens", "width"), [(8, 200), (24, 300), (64, 650)])
    def test_the_plot_fits_a_phone_up_to_24_tokens(self, n_tokens, width):
        tokens = [str(place) for place in range(n_tokens)]
        chart = views.map_heatmap(np.eye(n_tokens), tokens, "A finding").to_dict()
        assert 10 * n_tokens <= chart["width"]["step"] * n_tokens <= width

    def test_too_many_tokens_are_refused(self):
        with pytest.raises(InputError, match="65 tokens are too many"):
            views.map_heatmap(np.eye(65), ["x"] * 65, "A finding")


class TestAllHeads:
    def pictures(self, chart):
        codes, _ = json.JSONDecoder().raw_decode(self.expression(chart), self.expression(chart).index("["))
        return [np.array(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB")) for code in codes]

    def expression(self, chart):
        (transform,) = chart.to_dict()["layer"][1]["transform"]
        return transform["calculate"]

    def test_rows_name_layers_and_heads_from_1_with_their_strongest_weight(self):
        maps = some_maps()
        (rows,) = views.all_heads(maps).to_dict()["datasets"].values()
        assert [(row["layer"], row["head"]) for row in rows] == list(itertools.product((1, 2, 3), (1, 2, 3, 4)))
        assert [row["strongest"] for row in rows] == pytest.approx(maps.max(axis=(2, 3)).ravel(), abs=5e-4)

    def test_each_picture_is_its_map(self):
        maps = np.zeros((2, 3, 5, 5))
        for place in np.ndindex(2, 3):
            maps[(*place, slice(None), sum(place))] = 1.0  # every head attends to another key
        for place, picture in zip(np.ndindex(2, 3), self.pictures(views.all_heads(maps)), strict=True):
            bright = (picture == (253, 231, 37)).all(axis=2)
            dark = (picture == (68, 1, 84)).all(axis=2)
            assert bright[:, 4 * sum(place) : 4 * sum(place) + 4].all()
            assert bright.sum() == 20 * 4
            assert dark.sum() == 20 * 16

    def test_colours_follow_the_square_root(self):
        picture = self.pictures(views.all_heads(np.full((1, 1, 2, 2), 0.25)))[0]
        assert picture[0, 0].tolist() == pytest.approx([33, 145, 140], abs=2)  # the middle of viridis

    def test_the_expression_finds_the_picture_of_a_row(self):
        assert self.expression(views.all_heads(some_maps())).endswith("[(datum.layer - 1) * 4 + datum.head - 1]")

    @pytest.mark.parametrize(("n_layers", "n_tokens", "limit"), [(6, 24, 200_000), (12, 24, 400_000), (6, 64, 800_000)])
    def test_the_chart_is_light(self, n_layers, n_tokens, limit):
        assert len(json.dumps(views.all_heads(some_maps(n_layers, 12, n_tokens)).to_dict())) < limit

    def test_the_same_maps_give_the_same_chart(self):
        assert views.all_heads(some_maps()).to_dict() == views.all_heads(some_maps()).to_dict()


class TestBrowse:
    def test_nothing_is_shown_when_headless(self, monkeypatch, capsys):
        monkeypatch.setenv("DARKSECRETS_HEADLESS", "1")
        assert views.browse_heads(some_maps(), TOKENS) is None
        assert capsys.readouterr().out == ""

    def test_sliders_count_layers_and_heads_from_1(self, monkeypatch):
        monkeypatch.delenv("DARKSECRETS_HEADLESS", raising=False)
        before = set(_instances)
        views.browse_heads(some_maps(), TOKENS)
        made = [found for key, found in _instances.items() if key not in before]
        sliders = {found.description: found for found in made if isinstance(found, ipywidgets.IntSlider)}
        assert {name: (slider.min, slider.max) for name, slider in sliders.items()} == {"layer": (1, 3), "head": (1, 4)}


def test_one_head_is_counted_from_one_and_refuses_what_the_model_lacks():
    maps = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3, 4))
    np.testing.assert_array_equal(views.one_head(maps, 2, 3), maps[1, 2])
    for layer, head, message in ((0, 1, "layer is 0.*1 to 2"), (3, 1, "layer is 3"), (1, 4, "head is 4.*1 to 3")):
        with pytest.raises(InputError, match=message):
            views.one_head(maps, layer, head)


def test_share_and_strongest_key_of_a_map_known_by_hand():
    one_map = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.0, 0.7, 0.3]])
    tokens = ["[CLS]", "yes", "[SEP]"]
    assert views.strongest_key(one_map, tokens) == "yes"
    assert views.share_to(one_map, tokens, ["yes"]) == pytest.approx(1.8 / 3)
    both = np.stack([one_map, one_map[:, ::-1]])[None]
    assert views.share_to(both, tokens, ["[CLS]", "[SEP]"]) == pytest.approx(1.2 / 3)
