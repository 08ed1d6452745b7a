"""The tables and the store of the chapter on disabled heads, held against single passes of the fine-tuned models."""

from dataclasses import dataclass

import numpy as np
import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from darksecrets.corpora.glue import Split
from darksecrets.corpora.tasks import TASKS as ALL_TASKS
from darksecrets.errors import InputError
from darksecrets.models import attention, disabling, finetuning
from darksecrets.models.ablation import MEAN, UNIFORM, WAYS, ZERO, all_heads, disabled, layer, mean_outputs
from darksecrets.models.setup import Setup
from darksecrets.sections.disabling import DisablingTables
from tests.notebooks.conftest import MAX_COMPARED, SIZES, TASKS

SWEEP = ["task", "instead"]
HEAD = ["layer", "head"]
AGREE = 1e-4  # scores of STS-B, from 0 to 5, computed in two ways; classes have to be the same


@pytest.fixture(scope="module")
def mine(disabling_page):
    """The tables that the page saved."""
    return DisablingTables.find(disabling_page.run)


@pytest.fixture(scope="module")
def answers(disabling_page, shared_setup):
    """What the store holds once the page was executed: single heads and layers, and many heads."""
    return disabling.measured(shared_setup, MAX_COMPARED)


@pytest.fixture(scope="module")
def swept(answers):
    """Answers with single heads and layers disabled, by task and what stands in."""
    return {(one.task, one.instead): one for one in answers[0]}


@dataclass(frozen=True)
class Plain:
    """A fine-tuned classifier, to answer its task's examples with heads disabled, all in one pass."""

    classifier: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    dev: Split

    @property
    def order(self):
        """The order in which examples are compared, and cut in halves."""
        return np.random.default_rng(disabling.SHUFFLE_SEED).permutation(len(self.dev.examples))

    def answers(self, heads, instead=UNIFORM, means=None):
        with disabled(self.classifier, heads, instead, means):
            return finetuning.predict(self.classifier, self.tokenizer, self.dev)


@pytest.fixture(scope="module")
def plain(shared_setup):
    """The fine-tuned classifier of each task."""
    setup, tokenizer = shared_setup, shared_setup.load().tokenizer
    return {
        task: Plain(setup.finetuned(task, setup.seeds[0]), tokenizer, setup.split(task, "dev", setup.max_examples))
        for task in setup.tasks
    }


def test_every_head_layer_way_and_order_has_a_row(disabling_page, mine, shared_setup, size):
    n_layers, n_heads = SIZES[size]
    sweeps = {(task, way) for task in TASKS[size] for way in WAYS}
    assert mine.heads.groupby(SWEEP).size().to_dict() == dict.fromkeys(sweeps, n_layers * n_heads)
    assert mine.layers.groupby(SWEEP).size().to_dict() == dict.fromkeys(sweeps, n_layers)
    assert set(mine.baseline["n_examples"]) == {shared_setup.max_examples}
    curves = mine.curves.groupby(["task", "order"])["n_disabled"].agg(["min", "max"])
    assert set(curves.index) == {(task, order) for task in TASKS[size] for order in disabling.ORDERS}
    assert set(curves.itertuples(index=False, name=None)) == {(0, n_layers * n_heads)}
    for record in disabling_page.run.provenance["tables"].values():
        assert record["made_from"]["tasks"] == TASKS[size]
        assert record["made_from"]["max_compared"] == MAX_COMPARED
    assert disabling_page.glued["max_compared"] == str(MAX_COMPARED)


def score(task, label, answered):
    """The headline score, plainly."""
    return np.corrcoef(label, answered)[0, 1] if ALL_TASKS[task].is_regression else (label == answered).mean()


class TestAnswers:
    """What the store holds is what models answer, and what tables are made from."""

    def test_saved_scores_are_those_of_the_stored_answers(self, swept, mine):
        saved = mine.heads.set_index([*SWEEP, *HEAD])
        for one in swept.values():
            before = score(one.task, one.label, one.baseline)
            for number, head in np.ndindex(one.heads.shape[1:]):
                row = saved.loc[(one.task, one.instead, number, head)]
                assert row["score"] == pytest.approx(score(one.task, one.label, one.heads[:, number, head]), abs=1e-6)
                assert row["mean"] == pytest.approx(row["score"] - before, abs=1e-6)

    def test_single_heads_and_layers(self, swept, plain, size):
        n_layers, n_heads = SIZES[size]
        for task, model in plain.items():
            one = swept[task, UNIFORM]
            assert one.label.tolist() == [example.label for example in model.dev.examples]
            assert one.baseline == pytest.approx(model.answers([]), abs=AGREE)
            assert one.layers[:, 1] == pytest.approx(model.answers(layer(model.classifier, 1)), abs=AGREE)
            for place in ((0, 0), (1, 2), (n_layers - 1, n_heads - 1)):
                assert one.heads[:, *place] == pytest.approx(model.answers([place]), abs=AGREE)
            if ALL_TASKS[task].is_regression:  # classes may all stay the same
                assert np.abs(one.heads - one.baseline[:, None, None]).max(axis=0).min() > 10 * AGREE

    def test_zero_and_mean_on_the_compared_examples(self, swept, plain):
        for task, model in plain.items():
            rows = model.order[:MAX_COMPARED]
            encoded = attention.encode(model.tokenizer, model.dev.examples)
            means = mean_outputs(model.classifier, model.tokenizer, [encoded[row] for row in rows])
            for way, given in {ZERO: None, MEAN: means}.items():
                one = swept[task, way]
                assert one.label.tolist() == [model.dev.examples[row].label for row in rows]
                assert one.baseline == pytest.approx(swept[task, UNIFORM].baseline[rows], abs=AGREE)
                expected = model.answers([(1, 2)], way, given)[rows]
                assert one.heads[:, 1, 2] == pytest.approx(expected, abs=AGREE)

    def test_many_heads_on_the_half_that_did_not_choose_them(self, answers, swept, plain):
        for task, model in plain.items():
            rows = np.concatenate([model.order[start::2][: MAX_COMPARED // 2] for start in (1, 0)])
            without_all = model.answers(all_heads(model.classifier))[rows]
            removed = [one for one in answers[1] if one.task == task]
            assert [one.order for one in removed] == list(disabling.ORDERS)
            for one in removed:
                assert one.label.tolist() == [model.dev.examples[row].label for row in rows]
                assert one.answers[:, 0] == pytest.approx(swept[task, UNIFORM].baseline[rows], abs=AGREE)
                assert one.answers[:, -1] == pytest.approx(without_all, abs=AGREE)


@pytest.mark.parametrize("number", [-1, 1])
def test_a_number_of_examples_that_cannot_be_halved_is_refused(tiny, tmp_path, number):
    with pytest.raises(InputError, match=f"^max_compared is {number}; give 0 for all examples, or at least 2$"):
        disabling.measured(Setup(**tiny, store=tmp_path), number)
    assert not any(tmp_path.iterdir())
