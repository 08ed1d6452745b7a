"""The differences on which the claims of Section 4.4, and of Section 4.5 on [CLS], rest; each paired by example.

A difference is positive where its claim is right. Where a claim is about the largest of several features, or of several
tasks, the closest rival is shown, and the interval is corrected for the number of comparisons (Bonferroni), since the
rival is chosen by its mean. A feature that fewer than ten examples have is no rival.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.errors import InputError
from darksecrets.models.feature_attention import CLS, FROM_CLS, NORM, SEP, SEP_SUM, WEIGHT
from darksecrets.sections.feature_summaries import LAYERS, PAPER, PUNCTUATION, SPECIAL, WORDS, Block
from darksecrets.statistics import interval_of_present

CLS_EARLY = "[CLS] is attended to in the early layers"
SEP_LATE = "[SEP] is attended to in the later layers"
STRIPES = "[CLS] or [SEP] gets more attention than any kind of word"
STRIPES_PUNCTUATION = "[CLS] or [SEP] gets more attention than any kind of word, and than punctuation"
SEP_MOST = "[SEP] gets most attention on SST-2, whose inputs have one of them"
SEP_MOST_SUM = "SST-2 still has most where both separators of a pair are added up"
NEGLIGIBLE = "These increases are negligible, below 5 % of what special tokens get"
CLS_TO = "[CLS] in the last layer attends most to [SEP], or to punctuation on STS-B, RTE and QNLI"
CLS_FIRST = "[CLS] in the last layer attends to one feature more than to any other"
NO_OP = "Weighted by the norms of the values, special tokens get a smaller share"
NO_OP_WORDS = "Weighted so, a kind of word gets more than [CLS] and [SEP]"

ALL, SURE = "all", "sure"  # sentences kept: every one, or those of which the parser is sure
INCREASES = {"noun": ("MRPC", "RTE", "QQP"), "object": ("MRPC", "RTE", "QQP"), "negation": ("QNLI",)}
NEGLIGIBLE_SHARE = 0.05
LIMIT = "5 % of special tokens"
SINGLE = "SST-2"
TO_PUNCTUATION = ("STS-B", "RTE", "QNLI")
TARGETS = (*WORDS, PUNCTUATION, SEP)  # of [CLS]: its attention to itself is no link to another token
FEWEST_EXAMPLES = 10
LEVEL = 0.95
COLUMNS = ["claim", "task", "checkpoint", "seed", "first", "second", "mean", "low", "high", "n_examples", "level"]

Row = tuple[object, ...]  # of `COLUMNS`
Cases = dict[tuple[str, str], list[Block]]  # (task, checkpoint): a block per seed


def gaps(blocks: Sequence[Block]) -> pd.DataFrame:
    """Measure every difference that the blocks allow, one row per claim, task, checkpoint and seed.

    Columns: claim, task, checkpoint, seed, `first` and `second` (what is compared with what), mean, low, high,
    n_examples, `level` of the interval, `kept` (`ALL` sentences, or only the `SURE` ones).
    Raises InputError for a model of one layer.
    """
    if blocks[0].n_layers < 2:
        raise InputError("the model has 1 layer; comparing early with late layers takes two or more")
    paper = [one for one in blocks if one.reading == PAPER]
    sides = {ALL: paper, SURE: [one.kept(one.sure) for one in paper]}
    tables = [pd.DataFrame(_rows(side), columns=COLUMNS).assign(kept=kept) for kept, side in sides.items()]
    table = pd.concat(tables, ignore_index=True)
    return table[table["n_examples"] > 0].reset_index(drop=True)


def expected_target(task: str) -> str:
    """Return what [CLS] attends to most in the last layer of the paper's fine-tuned model (Section 4.5)."""
    return PUNCTUATION if task in TO_PUNCTUATION else SEP


def _rows(blocks: Sequence[Block]) -> list[Row]:
    plain, norms, from_cls = (_cases(blocks, measure) for measure in (WEIGHT, NORM, FROM_CLS))
    return [
        *_halves(plain),
        *_stripes(plain),
        *_between_tasks(plain),
        *_increases(plain),
        *_targets(from_cls),
        *_no_op(plain, norms),
    ]


def _cases(blocks: Sequence[Block], measure: str) -> Cases:
    cases: Cases = {}
    for one in blocks:
        if one.measure == measure:
            cases.setdefault((one.task, one.checkpoint), []).append(one)
    return cases


def _halves(plain: Cases) -> Iterator[Row]:
    """Early layers minus late ones for [CLS], late minus early for [SEP]; the middle of an odd number is in neither."""
    for case in plain.values():
        n_layers = case[0].n_layers
        half = n_layers // 2
        names = _layers(1, half), _layers(n_layers - half + 1, n_layers)
        for block in case:
            for claim, feature, order in ((CLS_EARLY, CLS, (0, 1)), (SEP_LATE, SEP, (1, 0))):
                weight = block.of(feature, LAYERS)
                sides = weight[:, :half].mean(1), weight[:, -half:].mean(1)
                first, second = order
                yield _row(claim, block, names[first], names[second], sides[first] - sides[second])


def _stripes(plain: Cases) -> Iterator[Row]:
    for case in plain.values():
        weights = [block.averaged() for block in case]
        yield from _closest(STRIPES, case, weights, (CLS, SEP), WORDS)
        yield from _closest(STRIPES_PUNCTUATION, case, weights, (CLS, SEP), (*WORDS, PUNCTUATION))


def _between_tasks(plain: Cases) -> Iterator[Row]:
    """SST-2 minus the task that comes closest, by Welch's interval: the examples are not the same."""
    for (task, checkpoint), case in plain.items():
        others = {
            name: one
            for (name, side), one in plain.items()
            if side == checkpoint and name != SINGLE and len(one[0].examples) >= FEWEST_EXAMPLES
        }
        if task != SINGLE or not others or len(case[0].examples) < FEWEST_EXAMPLES:
            continue
        level = _corrected(len(others))
        for claim, feature in ((SEP_MOST, SEP), (SEP_MOST_SUM, SEP_SUM)):
            mean = {name: np.mean([block.of(feature).mean() for block in one]) for name, one in others.items()}
            rival = max(mean, key=mean.__getitem__)
            for block, other in zip(case, others[rival], strict=True):
                own, its = block.of(feature), other.of(feature)
                interval = stats.ttest_ind(own, its, equal_var=False).confidence_interval(level)
                numbers = (own.mean() - its.mean(), interval.low, interval.high, len(own), level)
                yield claim, task, checkpoint, block.seed, SINGLE, rival, *numbers


def _increases(plain: Cases) -> Iterator[Row]:
    """What an increase may be at most and still be negligible, minus the increase."""
    for feature, tasks in INCREASES.items():
        for task in tasks:
            before = plain.get((task, BEFORE), [None])[0]
            for block in plain.get((task, AFTER), []) if before else []:
                limit = NEGLIGIBLE_SHARE * block.of(SPECIAL)
                increase = block.of(feature) - before.of(feature)
                yield _row(NEGLIGIBLE, block, feature, LIMIT, limit - increase)


def _targets(from_cls: Cases) -> Iterator[Row]:
    for (task, _), case in from_cls.items():
        last = [block.averaged(LAYERS)[:, -1] for block in case]
        yield from _closest(CLS_TO, case, last, (expected_target(task),), TARGETS)
        yield from _closest(CLS_FIRST, case, last, TARGETS, TARGETS)


def _no_op(plain: Cases, norms: Cases) -> Iterator[Row]:
    for key, case in norms.items():
        for block, weighted in zip(plain[key], case, strict=True):
            yield _row(NO_OP, block, WEIGHT, NORM, block.of(SPECIAL) - weighted.of(SPECIAL))
        yield from _closest(NO_OP_WORDS, case, [block.averaged() for block in case], WORDS, (CLS, SEP))


def _closest(
    claim: str, case: list[Block], weights: list[np.ndarray], leaders: Sequence[str], rivals: Sequence[str]
) -> Iterator[Row]:
    """Compare the leader of largest mean with the rival that comes closest to it, over examples that have both.

    `weights` (example, feature) belong to the blocks of `case`; means are over its seeds.
    """
    places = {name: place for place, name in enumerate(case[0].features)}
    mean, _, _, n = (np.mean(part, axis=0) for part in zip(*map(interval_of_present, weights), strict=True))
    leaders = [name for name in leaders if n[places[name]] >= FEWEST_EXAMPLES]
    if not leaders:
        return
    leader = max(leaders, key=lambda name: mean[places[name]])
    ahead = {
        rival: [weight[:, places[leader]] - weight[:, places[rival]] for weight in weights]
        for rival in rivals
        if rival != leader
    }
    ahead = {rival: sides for rival, sides in ahead.items() if (~np.isnan(sides[0])).sum() >= FEWEST_EXAMPLES}
    if not ahead:
        return
    closest = min(ahead, key=lambda rival: np.mean([np.nanmean(side) for side in ahead[rival]]))
    level = _corrected(len(leaders) * len(ahead))
    for block, side in zip(case, ahead[closest], strict=True):
        yield _row(claim, block, leader, closest, side, level)


def _row(claim: str, block: Block, first: str, second: str, values: np.ndarray, level: float = LEVEL) -> Row:
    numbers = (number.item() for number in interval_of_present(values, level=level))
    return claim, block.task, block.checkpoint, block.seed, first, second, *numbers, level


def _corrected(n_comparisons: int) -> float:
    return 1 - (1 - LEVEL) / n_comparisons


def _layers(first: int, last: int) -> str:
    return f"layer {first}" if first == last else f"layers {first} to {last}"
