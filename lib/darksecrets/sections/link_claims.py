"""Section 4.5 summed up: which statements on links hold, and what the paper leaves open.

Explained in the chapter *Token-to-token attention*.
"""

from dataclasses import dataclass

import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.heads import HEAD, head_name
from darksecrets.saved import SavedTables
from darksecrets.sections import link_distance, link_heads
from darksecrets.sections.link_distance import FAR, excess, smaller
from darksecrets.sections.link_heads import RUN, SURE
from darksecrets.statistics import over_seeds
from darksecrets.verdicts import all_positive, any_positive, counted, joined, verdict

CASE = ["task", "relation", "direction"]
CASES = "each task, relation and direction"
COINCIDE = f"Heads with more attention between linked words are the more diagonal ones ({CASES})"
AMONG = f"The candidate heads are among the most diagonal tenth of heads ({CASES})"
MATCHED = f"The candidate heads follow links of 2 words or more: they beat both nulls ({CASES})"
ANY_HEAD = "Some head follows a {} link of 2 to 8 words: it beats both nulls (pocket, pre-trained)"
BY_EYE, OPEN = "yes, by eye", "left open"
MOST_NAMED = 3  # heads in a cell
DECIMALS = 5  # of what is kept, which halves its size; a reader sees three


@dataclass(frozen=True)
class Measured(SavedTables):
    """What one run measured: `link_heads.links_by_head`, `diagonal_scores`, `candidates` and `coincidence`;
    `link_distance.matched` and `follows`.
    """

    PREFIX = "link"

    heads: pd.DataFrame
    scores: pd.DataFrame
    candidates: pd.DataFrame
    coincidence: pd.DataFrame
    matched: pd.DataFrame
    follows: pd.DataFrame


def measured(links: pd.DataFrame, diagonal: pd.DataFrame, pocket_links: pd.DataFrame) -> Measured:
    """Compute the tables that the claims rest on, to five decimals in single precision: a reference run holds them."""
    heads, scores = link_heads.links_by_head(links), link_heads.diagonal_scores(diagonal)
    tables = (
        heads,
        scores,
        link_heads.candidates(heads, scores),
        link_heads.coincidence(heads, scores),
        link_distance.matched(links),
        link_distance.follows(pocket_links),
    )
    return Measured(*(compact(table) for table in tables))


def by_case(run: Measured) -> pd.DataFrame:
    """Judge each task, relation and direction after fine-tuning: the verdicts `coincide`, `among` and `matched`.

    `coincide` holds where the rank correlation of link weight and diagonal score over heads is positive (seeds
    averaged, the interval decides). `among` holds where each candidate is among the most diagonal tenth of heads in
    more than 97.5 % of resamples of the examples, and does not hold where one is in less than 2.5 %. `matched` holds
    where each candidate beats both nulls, words as far apart and what the attended word gets from others, on links of 2
    words or more (`link_distance.matched`, corrected for all heads); it does not hold where for one candidate the
    interval of the difference from one of the nulls stays below 0.01. The latter two are undecided where fine-tunings
    of several seeds differ.
    """
    coincidence = over_seeds(tuned(run.coincidence), CASE).set_index(CASE)
    verdicts = pd.DataFrame({"coincide": [verdict(*bounds) for bounds in coincidence[["low", "high"]].to_numpy()]})
    verdicts.index = coincidence.index
    among = {case: joined([_among(seed) for seed in seeds]) for case, seeds in _by_seed(run.candidates)}
    tests = _by_seed(_against_both(candidate_tests(run)))
    matched = {case: joined([all_positive(seed) for seed in seeds]) for case, seeds in tests}
    for name, found in (("among", among), ("matched", matched)):
        verdicts[name] = [found.get(case, "cannot tell") for case in verdicts.index]
    return verdicts.reset_index()


def claims(this_run: Measured, reference: Measured | None = None) -> pd.DataFrame:
    """Sum Section 4.5 up: claim, paper, reference run, this run.

    On statements of every case a cell counts the cases on which they hold, do not hold, or are undecided (`by_case`).
    That some head follows a link holds where one beats both nulls (`link_distance.follows`, corrected for all heads),
    and does not hold where each head has a null from which the interval of its difference stays below 0.01.
    """
    mine, middle = _of_run(this_run), {} if reference is None else _of_run(reference)
    rows = [
        (claim, BY_EYE if claim in (COINCIDE, AMONG) else OPEN, middle.get(claim), mine.get(claim))
        for claim in dict.fromkeys([*mine, *middle])
    ]
    return pd.DataFrame(rows, columns=["claim", "paper", "reference run", "this run"]).astype(object)


def sure_table(everything: Measured, sure: Measured) -> pd.DataFrame:
    """Compare the claims on all sentences with those on sentences of which the parser is sure: claim, all sentences,
    sure sentences, changed?

    Pocket sentences are annotated by their author, so the claims on them are left out.
    """
    cells = [_of_cases(run) for run in (everything, sure)]
    rows = [(claim, cells[0][claim], cells[1][claim], _yes(cells[0][claim] != cells[1][claim])) for claim in cells[0]]
    return pd.DataFrame(rows, columns=["claim", "all sentences", "sure sentences", "changed?"])


def sure_changes(everything: Measured, sure: Measured) -> int:
    """Count the verdicts on cases that differ when only sentences of which the parser is sure are kept."""
    both = by_case(everything).merge(by_case(sure), on=CASE, suffixes=("", " sure"))
    return int(sum((both[name] != both[f"{name} sure"]).sum() for name in ("coincide", "among", "matched")))


def candidate_tests(run: Measured, how: str = "inner") -> pd.DataFrame:
    """Join the candidates after fine-tuning with their tests on links 2 words or more apart: the columns of both, the
    candidates' own ending in `_link` where names are the same.

    With `how` "left", candidates without a test are kept, and `specific` is missing.
    """
    far = run.matched[run.matched["span"] == FAR]
    key = [*RUN, "relation", "direction", *HEAD]
    return tuned(run.candidates).merge(far, on=key, how=how, suffixes=("_link", ""), validate="one_to_one")


def tuned(table: pd.DataFrame) -> pd.DataFrame:
    """Keep what is of fine-tuned models."""
    return table[table["checkpoint"] == AFTER]


def coincidence_finding(coincidence: pd.DataFrame) -> str:
    """Say in a chart's title in how many cases heads that attend to links are diagonal ones, after fine-tuning."""
    bounds = over_seeds(tuned(coincidence), CASE)[["low", "high"]].to_numpy()
    n_holding = sum(verdict(*pair) == "holds" for pair in bounds)
    return f"Heads that attend to links attend to neighbours as well in {n_holding} of {len(bounds)} cases"


def follows_finding(tests: pd.DataFrame) -> str:
    """Say in a chart's title how many heads follow each link where the linked words are not neighbours."""
    return "; ".join(
        f"{row.relation}: {row.specific} of {row.n} heads follow the link" for row in _following(tests).itertuples()
    )


def candidates_finding(run: Measured) -> str:
    """Say in a chart's title how many of the candidates, after fine-tuning, beat both nulls."""
    tests = candidate_tests(run)
    n_specific = int(tests["specific"].sum())
    return f"{n_specific} of {len(tests)} candidates follow the link where it is 2 words or more"


def _of_run(run: Measured) -> dict[str, str]:
    return _of_cases(run) | {
        ANY_HEAD.format(relation): f"{any_positive(_against_both(tests))} ({_heads(tests)})"
        for relation, tests in run.follows.groupby("relation", sort=False, observed=True)
    }


def _of_cases(run: Measured) -> dict[str, str]:
    cases = by_case(run)
    columns = {COINCIDE: "coincide", AMONG: "among", MATCHED: "matched"}
    return {sentence: counted(cases[column]) for sentence, column in columns.items()}


def _heads(tests: pd.DataFrame) -> str:
    """Count the heads that follow a link in either direction, and name the first: `12 of 72 heads, such as ...`."""
    counts = _following(tests).iloc[0]
    best = tests[tests["specific"]].assign(excess=excess).sort_values("excess", ascending=False)
    best = best.drop_duplicates(HEAD).head(MOST_NAMED)
    names = ", ".join(head_name(row.layer, row.head) for row in best.itertuples())
    return f"{counts['specific']} of {counts['n']} heads" + (f", most of all {names}" if names else "")


def _following(tests: pd.DataFrame) -> pd.DataFrame:
    """Count heads that follow a link in at least one direction: relation, specific, n."""
    heads = tests.groupby(["relation", *HEAD], sort=False, observed=True)["specific"].any()
    return heads.groupby("relation", sort=False, observed=True).agg(specific="sum", n="size").reset_index()


def _by_seed(table: pd.DataFrame) -> list[tuple[tuple, list[pd.DataFrame]]]:
    return [
        (case, [of_seed for _, of_seed in group.groupby("seed")])
        for case, group in tuned(table).groupby(CASE, sort=False, observed=True)
    ]


def _among(candidates: pd.DataFrame) -> str:
    least = candidates["top_share"].min()
    return verdict(least - SURE, least - (1 - SURE))


def _against_both(tests: pd.DataFrame) -> pd.DataFrame:
    """Let `high` be the upper bound of the difference from whichever null has the lower one."""
    return tests.assign(high=smaller(tests, "high"))


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Round a table to what is kept of it."""
    kinds = dict.fromkeys(table.select_dtypes("float").columns, "float32")
    return table.round(DECIMALS).astype(kinds | {name: "int16" for name in HEAD if name in table})
