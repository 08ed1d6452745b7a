"""What no report can be made of is refused in one line."""

import pytest

from darksecrets.apps import own_report
from darksecrets.errors import InputError
from darksecrets.models import checkpoints
from tests import own_models
from tests.conftest import save_encoder
from tests.small_classifiers import MORE_FAMILIES, classifier


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A model that can be reported on, and its data."""
    return own_models.bert_with_csv(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def unusable(tmp_path_factory):
    """Models that cannot be reported on."""
    folder = tmp_path_factory.mktemp("unusable")
    encoder = save_encoder(folder / "encoder", "bert")
    opened = checkpoints.load(str(encoder))
    several = classifier(opened, 3)
    several.config.problem_type = "multi_label_classification"
    own_models.save(folder / "several", several, opened.tokenizer)
    for family in ("deberta-v2", "mpnet"):
        save_encoder(folder / f"{family}-encoder", family, **MORE_FAMILIES.get(family, {}))
        other = checkpoints.load(str(folder / f"{family}-encoder"))
        own_models.save(folder / family, other.classifier(2), other.tokenizer)
    return folder


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("encoder", r"is an encoder without a trained output layer \(BertModel in config.json\)"),
        ("several", r"gives an input several labels"),
        ("deberta-v2", r"DebertaV2ForSequenceClassification takes no attention function from outside"),
        ("mpnet", r"MPNetForSequenceClassification takes no attention function from outside"),
        ("nowhere", r"nowhere' is neither a directory nor a Hub id|nowhere' is not a directory"),
    ],
)
def test_models_that_cannot_be_reported_on_are_refused_in_one_line(unusable, given, store, name, line):
    with pytest.raises(InputError, match=line) as caught:
        own_models.report_on(str(unusable / name), given[1], store)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"tolerated": -1}, "^tolerated is -1; give points of the score, from 0 to 100$"),
        ({"precision": "half"}, "^precision 'half' is unknown; accepted are float32, bfloat16 and auto$"),
        ({"max_length": 2}, "^max_length is 2; give at least 8 tokens, this model reads up to 512$"),
        ({"words": "maybe"}, "^words is 'maybe'"),
    ],
)
def test_values_that_cannot_be_used_are_refused(given, store, options, line):
    with pytest.raises(InputError, match=line):
        own_models.report_on(*given, store, **options)


def test_a_model_without_data_is_refused():
    with pytest.raises(InputError, match=r"^own_model is given and own_data is not; give both, or neither"):
        own_report.check_given("my-model", "")
