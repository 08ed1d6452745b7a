"""Section 4.5 for reading: tables that fit a page, which heads to show, and a range that no claim rests on.

In tables a link is named by who attends to whom, and a head as "layer-head", counting from 1, as in charts. Explained
in the chapter *Token-to-token attention*.
"""

import pandas as pd

from darksecrets.estimates import format_correlation, format_difference
from darksecrets.heads import head_label
from darksecrets.sections import link_distance
from darksecrets.sections.link_claims import CASE, Measured, candidate_tests, tuned
from darksecrets.sections.link_distance import BOTH, FAR, FOLLOWS_LINK, FOLLOWS_NEIGHBOUR, NEAR, NEITHER, excess


def named_links(table: pd.DataFrame) -> pd.DataFrame:
    """Join relation and direction to one column `link`, such as "verb to subject", if the table has them."""
    if not {"relation", "direction"} <= set(table):
        return table
    ends = table["relation"].astype(str).str.split("-", expand=True)
    forth = table["direction"].astype(str) == "to_dependent"
    link = ends[0].where(forth, ends[1]) + " to " + ends[1].where(forth, ends[0])
    return table.assign(link=link).drop(columns=["relation", "direction"])


def candidates_table(run: Measured) -> pd.DataFrame:
    """Lay the candidates after fine-tuning out, with how diagonal they are and whether they beat both nulls.

    Columns task, seed (where there are several), link, head, weight, diagonal score, its rank (from 1); and, on links
    of 2 words or more, the weight, by how much it is above each null, with the interval, and beats both?
    """
    tests = named_links(candidate_tests(run, how="left"))
    return pd.DataFrame(
        {
            **_where(tests),
            "head": head_label(tests),
            "weight": tests["mean_link"],
            "diagonal score": tests["diagonal"],
            "its rank": tests["rank"],
            "2 or more apart": tests["mean"],
            **_above(tests),
            "beats both?": tests["specific"].map({True: "yes", False: "no"}),
        }
    )


def follows_table(tests: pd.DataFrame, n_heads: int = 3) -> pd.DataFrame:
    """Lay the heads of `link_distance.follows` out that exceed both nulls most, `n_heads` for each link.

    Columns link, head, weight, by how much it is above each null, with the interval, neighbour (the attention that it
    gets), the head (what it follows).
    """
    tests = named_links(tests.assign(excess=excess))
    place = tests["link"].map(list(tests["link"].unique()).index)
    chosen = tests.assign(place=place).sort_values(["place", "excess"], ascending=[True, False], kind="stable")
    chosen = chosen.groupby("link", sort=False).head(n_heads).reset_index(drop=True)
    return pd.DataFrame(
        {
            "link": chosen["link"],
            "head": head_label(chosen),
            "weight": chosen["mean"],
            **_above(chosen),
            "neighbour": chosen["neighbour"],
            "the head": chosen["verdict"],
        }
    )


def verdict_counts(tests: pd.DataFrame) -> pd.DataFrame:
    """Count the heads of each verdict of `link_distance.follows`: link, and a column per verdict."""
    counts = named_links(tests).groupby("link", sort=False)["verdict"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[FOLLOWS_LINK, BOTH, FOLLOWS_NEIGHBOUR, NEITHER], fill_value=0)
    return counts.rename_axis(columns=None).reset_index()


def survivors_table(tests: pd.DataFrame) -> pd.DataFrame:
    """Count heads that beat both nulls after fine-tuning (`link_distance.survivors`), as in `3 of 72`.

    Columns task, seed (where there are several), link, 1 apart, 2 or more apart.
    """
    counts = tuned(link_distance.survivors(tests))
    counts = named_links(counts[counts["span"].isin([NEAR, FAR])])
    cells = counts["specific"].astype(str) + " of " + counts["n_heads"].astype(str)
    key = list(_where(counts))
    table = counts.assign(cells=cells).set_index([*key, "span"])["cells"].unstack("span")
    table = table.reindex(columns=[NEAR, FAR]).rename(columns=lambda span: f"{span} apart").rename_axis(columns=None)
    return table.loc[counts.set_index(key).index.unique()].reset_index()


def released_table(released: pd.DataFrame) -> pd.DataFrame:
    """Lay `link_heads.released_against_paper` out: task, link, paper, released (means over heads), rank correlation.

    After fine-tuning; seeds are averaged.
    """
    numbers = ["paper", "released", "mean", "low", "high"]
    means = named_links(tuned(released)).groupby(["task", "link"], sort=False, observed=True)[numbers].mean()
    correlation = [format_correlation(row.mean, row.low, row.high) for row in means.itertuples()]
    return means[["paper", "released"]].assign(**{"rank correlation": correlation}).reset_index()


def strongest(follows: pd.DataFrame) -> list[tuple[int, int]]:
    """Return for each relation and direction the head (layer, head) that exceeds both nulls most, each head once.

    Heads that follow the link come before heads that do not (`link_distance.follows`).
    """
    table = follows.assign(is_one=follows["verdict"].isin([FOLLOWS_LINK, BOTH]), excess=excess(follows))
    table = table.sort_values(["is_one", "excess"], ascending=False, kind="stable")
    first = table.drop_duplicates(["relation", "direction"])
    return list(dict.fromkeys((int(row.layer), int(row.head)) for row in first.itertuples()))


def curves(pocket_links: pd.DataFrame, follows: pd.DataFrame) -> pd.DataFrame:
    """Return `link_distance.by_distance` of the `strongest` heads, and of each first the link that it is best at.

    The head that exceeds its nulls most comes first.
    """
    heads = strongest(follows)
    table = link_distance.by_distance(pocket_links, heads)
    tests = follows.assign(excess=link_distance.excess(follows)).set_index(["layer", "head", "relation", "direction"])
    keys = list(zip(table["layer"], table["head"], table["relation"].astype(str), table["direction"], strict=True))
    place = [heads.index((layer, head)) for layer, head, *_ in keys]
    order = pd.DataFrame({"place": place, "excess": -tests["excess"].loc[keys].to_numpy()}, index=table.index)
    return table.loc[order.sort_values(["place", "excess"], kind="stable").index].reset_index(drop=True)


def distance_finding(table: pd.DataFrame) -> str:
    """Say in a chart's title what the first head of `curves` gives the linked word at the largest distance."""
    first = table.iloc[0]
    same = ["relation", "direction", "layer", "head"]
    own = table[(table[same] == first[same]).all(axis=1)]
    last = own[own["distance"] == own["distance"].max()].set_index("quantity")["mean"]
    rest = f"other words as far apart {last['null']:.2f}, others give it {last['others']:.2f}"
    head = f"{first['layer'] + 1}-{first['head'] + 1}"
    return f"At {own['distance'].max()} words, head {head} gives the linked word {last['link']:.2f}; {rest}"


def first_null_counts(follows: pd.DataFrame) -> str:
    """Say how many heads exceed words as far apart in some direction, by the interval alone, for each relation."""
    heads = follows.assign(exceeds=follows["low"] > 0).groupby(["relation", "layer", "head"], observed=True)["exceeds"]
    found = heads.any().groupby("relation", observed=True, sort=False).agg(["sum", "size"])
    return " and ".join(f"{row['sum']} of {row['size']} heads ({name})" for name, row in found.iterrows())


def agreement_range(agreement: pd.DataFrame) -> str:
    """Say from where to where the correlations of `link_distance.agreement` reach after fine-tuning; seeds averaged."""
    means = tuned(agreement).groupby(CASE, observed=True)["mean"].mean().dropna()
    return f"{means.min():.2f} to {means.max():.2f}" if len(means) else "an amount that cannot be computed here"


def _where(tests: pd.DataFrame) -> dict[str, pd.Series]:
    """Lay out which task and link a row is of; a single fine-tuning needs no seed."""
    seed = ["seed"] if tests["seed"].nunique() > 1 else []
    return {name: tests[name] for name in ("task", *seed, "link")}


def _above(tests: pd.DataFrame) -> dict[str, list[str | None]]:
    """Lay out by how much links exceed both nulls."""
    return {
        "above words as far apart": _intervals(tests, "difference", "low", "high"),
        "above others": _intervals(tests, "others_difference", "others_low", "others_high"),
    }


def _intervals(tests: pd.DataFrame, *columns: str) -> list[str | None]:
    rows = tests[list(columns)].to_numpy()
    return [format_difference(*bounds) for bounds in rows]
