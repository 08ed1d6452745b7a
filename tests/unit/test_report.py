"""The report on an own model: its numbers are those of plain passes, and its heads.json does what it says."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from darksecrets.apps import own_report
from darksecrets.apps.own_report import OwnTables
from darksecrets.corpora.scores import evaluate
from darksecrets.errors import InputError
from darksecrets.models import ablation, attention, checkpoints
from darksecrets.models.ablation import disabled, recommended
from darksecrets.models.sweep import sweep
from darksecrets.runs import Run
from tests import own_models
from tests.conftest import save_encoder
from tests.small_classifiers import classifier

MADE = {
    "bert": own_models.bert_with_csv,
    "roberta": own_models.roberta_with_tsv,
    "distilbert": own_models.distilbert_with_scores,
}
N_OUTPUTS = {"bert": 2, "roberta": 5, "distilbert": 1}
SPREAD = 1e-4  # of a logit: `own_models.spread` magnifies the last digits of float32 along with the answers
TOLERATED = 40  # points, so that something can go on twenty examples


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Each family's model and data, made once."""
    return {family: make(tmp_path_factory.mktemp(family)) for family, make in MADE.items()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module", params=MADE)
def report(request, given, store):
    return own_models.report_on(*given[request.param], store, max_length=64, tolerated=TOLERATED)


@pytest.fixture
def written(report, tmp_path):
    """What the command writes."""
    return own_report.write(report, tmp_path / "out").parent


@pytest.fixture
def content(written):
    return json.loads((written / "heads.json").read_text())


def plain_model(report):
    """The model as somebody without the book loads it, with the inputs of all examples."""
    directory = report.subject.checkpoint.directory
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    examples = report.subject.data.split.examples
    seconds = [example.second for example in examples] if examples[0].second else None
    firsts = [example.first for example in examples]
    options = {"padding": True, "truncation": True, "max_length": report.subject.max_length, "return_tensors": "pt"}
    return model, tokenizer(firsts, seconds, **options)


def score(report, logits, places=slice(None)):
    answers = logits[:, 0] if logits.shape[1] == 1 else logits.argmax(1)
    metric = report.subject.metric
    return evaluate([metric], report.subject.labels[places], answers.numpy()[places])[metric]


class TestHeadsFile:
    def test_the_three_lines_change_the_output_as_the_sweep_says(self, report, written, monkeypatch):
        monkeypatch.chdir(written)
        model, inputs = plain_model(report)
        before = model(**inputs).logits.detach()
        names = {"model": model, "inputs": inputs}
        exec(own_report.APPLY, names)
        assert len(own_report.APPLY.splitlines()) == 3
        tokenizer, encoded = report.subject.checkpoint.tokenizer, report.subject.encoded
        swept = sweep(report.subject.model, tokenizer, encoded, [[], report.recommended.heads]).logits
        assert torch.tensor(swept[0]) == pytest.approx(before, abs=SPREAD)
        assert torch.tensor(swept[1]) == pytest.approx(names["logits"].detach(), abs=SPREAD)
        assert report.recommended.heads, report.recommended.reason
        assert (names["logits"] - before).abs().max() > 1e-3
        assert torch.equal(model(**inputs).logits, before)

    def test_the_cost_is_that_on_examples_that_did_not_choose(self, report, content, written):
        model, inputs = plain_model(report)
        choosing, held_out = own_report.halves(len(report.subject.labels))
        assert sorted([*choosing, *held_out]) == list(range(own_models.N_ROWS))
        with torch.inference_mode(), disabled(model, report.recommended.chosen):
            after = model(**inputs).logits
        with torch.inference_mode():
            before = model(**inputs).logits
        found = content["disable"]
        assert (found["n_choosing"], found["n_held_out"]) == (len(choosing), len(held_out))
        for name, places in {"where_chosen": choosing, "cost": held_out}.items():
            change = score(report, after, places) - score(report, before, places)
            assert found[name]["mean"] == pytest.approx(change, abs=1e-4)
            assert found[name]["low"] <= found[name]["mean"] <= found[name]["high"]
        assert found["where_chosen"]["mean"] >= -found["tolerated"] - 1e-9
        assert found["score_without"]["mean"] == pytest.approx(score(report, after, held_out), abs=1e-4)

    def test_every_head_has_the_change_of_a_plain_pass(self, report, content):
        model, inputs = plain_model(report)
        with torch.inference_mode():
            before = score(report, model(**inputs).logits)
            assert [(row["layer"], row["head"]) for row in content["heads"]] == ablation.all_heads(model)
            for row in content["heads"]:
                with disabled(model, [(row["layer"], row["head"])]):
                    change = score(report, model(**inputs).logits) - before
                assert row["change"]["mean"] == pytest.approx(change, abs=1e-4)
                assert row["p"] <= row["holm"] <= 1

    def test_it_names_model_and_data_by_their_fingerprints(self, report, content, given):
        family = content["model"]["family"]
        directory, data = given[family]
        assert content["schema"] == ablation.SCHEMA
        assert content["model"]["fingerprint"] == checkpoints.load(directory).fingerprint
        assert content["data"]["fingerprint"] == report.subject.data.split.fingerprint
        assert content["data"]["name"] == Path(data).name
        assert (content["data"]["n_examples"], content["data"]["n_truncated"]) == (own_models.N_ROWS, 0)
        labels = content["model"]["labels"]
        assert (1 if labels is None else len(labels)) == N_OUTPUTS[family]
        assert str(Path(directory).parent) not in json.dumps(content)

    def test_every_key_is_explained(self, content):
        parts = (content, content["model"], content["data"], content["data"]["columns"], content["heads"][0])
        keys = {key for part in (*parts, content["disable"], content["score"]) for key in part}
        assert keys == set(re.findall(r"`(\w+)`", own_report.heads_file.__doc__))

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("[]", "is no heads.json of a report"),
            ('{"schema": "other", "disable": {"heads": []}}', "has the schema 'other'"),
            ("no json", "is no heads.json of a report"),
            (
                '{"schema": "darksecrets heads 1", "disable": {"heads": [[0, 1.7]]}}',
                r"recommends \[0, 1.7\], which is no",
            ),
            ('{"schema": "darksecrets heads 1", "disable": {"heads": {"0": [1]}}}', "recommends '0', which is no"),
        ],
    )
    def test_another_file_is_refused(self, tmp_path, text, line):
        (tmp_path / "heads.json").write_text(text)
        with pytest.raises(InputError, match=line):
            recommended(tmp_path / "heads.json")
        with pytest.raises(InputError, match=r"is no heads.json of a report"):
            recommended(tmp_path / "nowhere.json")


class TestTables:
    def test_shares_of_patterns_and_attention_are_those_of_the_maps(self, report):
        tables, subject = report.tables, report.subject
        assert tables.shares["mean"].sum() == pytest.approx(1)
        assert len(tables.patterns) == subject.checkpoint.n_layers * subject.checkpoint.n_heads
        first, sep = [], []
        for one in subject.encoded:
            maps = attention.read_maps(subject.model, attention.collate([one], subject.checkpoint.tokenizer, len(one)))[
                0
            ]
            received = maps.mean(2)  # layer, head, key
            first.append(received[..., 0].mean().item())
            sep.append(received[..., one.positions(subject.checkpoint.tokenizer.sep_token_id)].sum(-1).mean().item())
        means = tables.attended.set_index("feature")["mean"]
        assert means["[CLS]"] == pytest.approx(np.mean(first), abs=1e-5)
        assert means["[SEP] sum"] == pytest.approx(np.mean(sep), abs=1e-5)

    def test_words_of_english_are_found(self, report):
        assert {"noun", "verb", "subject", "negation", "punctuation"} <= set(report.tables.attended["feature"])
        assert report.why_no_words == ""

    def test_they_are_written_with_what_they_were_made_from(self, written, report):
        run = Run(written / "tables")
        found = OwnTables.find(run)
        pd.testing.assert_frame_equal(found.heads, report.tables.heads)
        assert run.made_from("own_heads")["model"]["fingerprint"] == report.subject.checkpoint.fingerprint

    def test_what_the_store_has_is_not_computed_again(self, given, store, report):
        def times():
            return {path: path.stat().st_mtime_ns for path in store.glob("*/*/result.json")}

        before = times()
        again = own_models.report_on(*given[report.subject.model.config.model_type], store, max_length=64, tolerated=0)
        assert times() == before
        assert set(again.recommended.heads) <= set(report.recommended.heads) or again.recommended.order != (
            report.recommended.order
        )


class TestPage:
    def test_it_loads_nothing_and_has_every_figure_and_table(self, written, report):
        text = (written / "index.html").read_text()
        outside = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
        assert re.findall(r"""(?:src|href)=["'](?!data:|#)""", outside) == []
        assert "default-src 'none'" in text
        assert own_report.heads_file.__doc__.split("`")[0].strip().splitlines()[0] in text
        assert text.count("<script") == text.count("</script>") == 2 + len(re.findall("<figure", outside))
        assert len(text.encode()) < 3_000_000
        for figure in re.findall(r'class="vega-spec">(.*?)</script>', text):
            assert json.loads(figure)["description"]

    def test_words_of_users_are_escaped(self, given, store, tmp_path):
        model, data = given["bert"]
        frame = pd.read_csv(data).rename(columns={"sentence1": "<b>text", "label": "<i>label"})
        mean = tmp_path / "<script>alert(1)<!--.csv"
        frame.to_csv(mean, index=False)
        found = own_models.report_on(model, str(mean), store, text="<b>text", second="sentence2", label="<i>label")
        text = own_report.page(found)
        for typed in ("<b>text", "<i>label", "<script>alert"):
            assert typed not in text
            assert typed.replace("<", "&lt;").replace(">", "&gt;") in text

    def test_a_second_report_replaces_the_first(self, report, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "heads.json").write_text("of another model")
        heads = [(own_report.write(report, tmp_path / "out").parent / "heads.json").read_text() for _ in range(2)]
        assert heads[0] == heads[1]
        assert json.loads(heads[0])["model"]["fingerprint"] == report.subject.checkpoint.fingerprint
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=r"file' is a file; give a directory"):
            own_report.write(report, tmp_path / "file")


class TestCare:
    def test_long_texts_are_cut_and_counted(self, given, store, tmp_path):
        model, data = given["bert"]
        frame = pd.read_csv(data)
        frame.loc[[3, 5], "sentence1"] = "long " * 2_000
        frame.loc[7, "sentence2"] = "word " * 2_000
        frame.to_csv(tmp_path / "long.csv", index=False)
        found = own_models.report_on(model, str(tmp_path / "long.csv"), store)
        assert max(map(len, found.subject.encoded)) == 128
        assert own_report.heads_file(found)["data"]["n_truncated"] == 3
        said = "Of 40 examples, 3 were longer than 128 tokens and cut, and only their beginning was read."
        assert said in own_report.warnings(found)
        assert said in own_report.page(found)

    def test_a_hundred_classes_of_which_few_occur(self, store, tmp_path):
        opened = checkpoints.load(str(save_encoder(tmp_path / "encoder", "electra")))
        model = own_models.save(tmp_path / "electra", classifier(opened, 100), opened.tokenizer)
        texts = [" ".join(own_models.texts(row)) for row in range(own_models.N_ROWS)]
        labels = own_models.predicted(model, [(text, "") for text in texts])
        labels = [label if row % 4 else (label + 1) % 100 for row, label in enumerate(labels)]
        pd.DataFrame({"text": texts, "label": labels}).to_parquet(tmp_path / "data.parquet")
        found = own_models.report_on(model, str(tmp_path / "data.parquet"), store, precision="bfloat16")
        assert found.tables.baseline["mean"].iloc[0] == pytest.approx(0.75)
        assert len(own_report.heads_file(found)["model"]["labels"]) == 100

    def test_a_model_that_cannot_read_so_many_tokens_reads_what_it_can(self, given, store):
        subject = own_report.open_subject(*given["roberta"], max_length=500)
        assert subject.max_length == 48  # 50 places, of which RoBERTa uses none up to its padding's

    def test_texts_that_are_not_english_are_said_loudly(self, given, store, tmp_path):
        frame = pd.read_csv(given["bert"][1]).assign(sentence1="Das ist ein Satz.", sentence2="Und noch einer dazu.")
        frame.to_csv(tmp_path / "german.csv", index=False)
        found = own_models.report_on(given["bert"][0], str(tmp_path / "german.csv"), store)
        assert set(found.tables.attended["feature"]) == {"[CLS]", "[SEP]", "[SEP] sum"}
        assert own_report.warnings(found)[0].startswith("Kinds of words were not looked for: only 0% of the words")

    def test_examples_that_are_there_twice_are_said(self, given, store, report, tmp_path):
        frame = pd.read_csv(given["bert"][1])
        pd.concat([frame, frame.head(4)]).to_csv(tmp_path / "twice.csv", index=False)
        found = own_models.report_on(given["bert"][0], str(tmp_path / "twice.csv"), store)
        assert any(line.startswith("4 of 44 examples have the same texts") for line in own_report.warnings(found))
        assert not any("the same texts" in line for line in own_report.warnings(report))

    def test_a_model_that_reads_its_labels_the_other_way_round_gets_no_recommendation(self, given, store, tmp_path):
        frame = pd.read_csv(given["bert"][1])
        frame.assign(label=1 - frame["label"]).to_csv(tmp_path / "swapped.csv", index=False)
        found = own_models.report_on(given["bert"][0], str(tmp_path / "swapped.csv"), store)
        disable = own_report.heads_file(found)["disable"]
        assert (disable["heads"], disable["reason"]) == ([], own_report.NOT_LEARNED)
        assert disable["chosen"]
        first = re.search('<p class="first">(.*?)</p>', own_report.page(found)).group(1)
        assert first.startswith(f"No heads are recommended, since {own_report.NOT_LEARNED}: accuracy 20.0 [")
        assert "in another order it would have 80.0: if that is what the labels mean, give --classes 1,0." in first
        mended = own_models.report_on(given["bert"][0], str(tmp_path / "swapped.csv"), store, classes=["1", "0"])
        assert mended.tables.baseline["mean"].iloc[0] == pytest.approx(0.8)
        assert mended.subject.data.read_as.startswith("what classes says (1 is LABEL_0, 0 is LABEL_1)")
        assert "No heads are recommended: the model is not" in own_report.pruning_finding(found)
        assert any("does not answer better than a constant" in warning for warning in own_report.warnings(found))

    def test_scores_that_fall_as_labels_rise_are_said(self, given, store, tmp_path):
        frame = pd.read_json(given["distilbert"][1], lines=True)
        frame.assign(score=-frame["score"]).to_json(tmp_path / "reversed.jsonl", orient="records", lines=True)
        found = own_models.report_on(given["distilbert"][0], str(tmp_path / "reversed.jsonl"), store)
        assert own_report.recommendation(found).endswith("do the labels count the other way round?")
        assert own_report.heads_file(found)["disable"]["heads"] == []

    def test_the_end_of_a_text_is_said_to_be_read_where_it_is(self, given, store, tmp_path):
        directory = shutil.copytree(given["bert"][0], tmp_path / "left")
        settings = json.loads((directory / "tokenizer_config.json").read_text())
        (directory / "tokenizer_config.json").write_text(json.dumps(settings | {"truncation_side": "left"}))
        found = own_models.report_on(str(directory), given["bert"][1], store, max_length=8)
        assert any(line.endswith("and only their end was read.") for line in own_report.warnings(found))
