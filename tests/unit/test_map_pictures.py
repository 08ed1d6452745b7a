"""Pictures of maps: weights and marks where they belong, names whole, several on a sheet."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import ImageFont

from darksecrets.corpora import annotated_maps
from darksecrets.figures import map_pictures as pictures


def some_map(n_tokens=8):
    return np.random.default_rng(0).dirichlet(np.ones(n_tokens), n_tokens)


def colour(image, x, y):
    return "#{:02x}{:02x}{:02x}".format(*image.getpixel((x, y)))


def test_every_weight_has_its_field_query_down_and_key_across():
    weights, margin = some_map(), pictures.MARGIN
    image = pictures.picture(weights, [7], side=160)
    assert image.size == (160 + margin, 160 + margin)
    palette = matplotlib.colormaps["viridis"]
    for query, key in np.ndindex(8, 8):
        expected = np.array(palette((weights[query, key] / weights.max()) ** 0.5)[:3]) * 255
        found = image.getpixel((margin + 20 * key + 10, margin + 20 * query + 10))
        assert np.abs(np.array(found) - expected).max() <= 1


def test_marks_stand_at_the_first_token_and_the_separators_above_and_beside():
    image, margin = pictures.picture(some_map(), [3, 7], side=160), pictures.MARGIN
    places = [margin + 20 * token + 10 for token in range(8)]
    expected = [
        pictures.CLS_COLOUR,
        *(pictures.SEP_COLOUR if t in (3, 7) else pictures.BACKGROUND for t in range(1, 8)),
    ]
    assert [colour(image, place, margin // 2 + 1) for place in places] == expected
    assert [colour(image, margin // 2 + 1, place) for place in places] == expected


def test_a_mark_of_a_long_map_can_still_be_seen():
    image = pictures.picture(some_map(64), [63], side=pictures.SMALL_SIDE)
    row = [colour(image, x, pictures.MARGIN // 2 + 1) for x in range(image.width)]
    assert row.count(pictures.CLS_COLOUR) >= 3
    assert row.count(pictures.SEP_COLOUR) >= 3


@pytest.mark.parametrize(("n_maps", "n_rows"), [(1, 1), (3, 1), (4, 2)])
def test_a_sheet_has_every_map_under_its_name(n_maps, n_rows):
    table = pd.DataFrame(
        [(one, 8, [3, 7], some_map().ravel().tolist()) for one in range(n_maps)],
        columns=["id", "n_tokens", "sep_positions", "map"],
    )
    image = pictures.sheet(table, [f"map {one}" for one in table["id"]], columns=3)
    plain = pictures.picture(annotated_maps.attention_maps(table)[0].weights, [3, 7], pictures.SMALL_SIDE)
    step = (image.height - 14) // n_rows
    wide = pictures.SMALL_SIDE + pictures.MARGIN + 14
    for place in range(n_maps):
        left, bottom = 14 + place % 3 * wide, (place // 3 + 1) * step
        field = image.crop((left, bottom - plain.height, left + plain.width, bottom))
        assert field.tobytes() == plain.tobytes()
        name = image.crop((left, bottom - step + 14, left + plain.width, bottom - plain.height))
        assert name.getextrema()[0][0] < 100


def test_names_are_broken_at_spaces_and_pluses_and_lose_nothing():
    font = ImageFont.load_default(20)
    for name in ("Vertical", "Vertical+Diagonal", "12 Vertical+Diagonal, borderline", "a + b", "", "x" * 40):
        lines = pictures._broken(name, font, pictures.SMALL_SIDE)
        assert "".join(lines).replace(" ", "") == name.replace(" ", "")
        assert all(font.getlength(line) <= pictures.SMALL_SIDE for line in lines) or name == "x" * 40
    assert pictures._broken("12 Vertical+Diagonal, borderline", font, 150) == [
        "12 Vertical+",
        "Diagonal,",
        "borderline",
    ]


def test_a_sheet_with_more_lines_is_higher_and_needs_a_name_per_map():
    maps, positions = [some_map()] * 2, [[7]] * 2
    short, long = (pictures.contact_sheet(maps, positions, ["a", name], 2) for name in ("b", "several words " * 6))
    assert long.height > short.height
    assert long.width == short.width
    with pytest.raises(ValueError, match="shorter"):
        pictures.contact_sheet(maps, positions, ["a"], 2)


def test_the_sheets_background_is_light_in_every_theme():
    image = pictures.contact_sheet([some_map()], [[7]], ["a"])
    assert image.mode == "RGB"
    assert colour(image, image.width - 1, 0) == "#ffffff"
