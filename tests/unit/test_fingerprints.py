"""A checkpoint's fingerprint: it changes with whatever changes answers, and with nothing else."""

import itertools
import json
import shutil
import string

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, pre_tokenizers, processors

from darksecrets.apps import own_report
from darksecrets.models import checkpoints
from darksecrets.runs import Store
from tests import own_models
from tests.small_classifiers import classifier

PIECES = [*"abABéÉeE中文.", *(f"##{letter}" for letter in "abABéÉeE"), "ab", "AB", "ba"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES]
NAMED = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")


def lines(vocabulary):
    return "\n".join(vocabulary) + "\n"


def wordpiece(with_separators):
    """A tokenizer.json of the same vocabulary, whose inputs end with [SEP] or do not."""
    vocabulary = {piece: number for number, piece in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    end = " [SEP]" if with_separators else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"[CLS] $A{end}",
        pair=f"[CLS] $A{end} $B:1{end and ' [SEP]:1'}",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer.to_str()


def bytes_(n_tokens, prefix_space):
    """A tokenizer.json of pairs of bytes, as RoBERTa has."""
    tokenizer, texts = ByteLevelBPETokenizer(add_prefix_space=prefix_space), ["ab ab ba AB AB é 中"] * 9
    tokenizer.train_from_iterator(texts, n_tokens, show_progress=False, special_tokens=VOCABULARY[:5])
    return tokenizer._tokenizer.to_str()


def unigram(best):
    """A tokenizer.json of pieces with scores, as SentencePiece makes them."""
    scores = [(piece, -9.0) for piece in [*VOCABULARY[:5], *"▁abABéÉeE中文."]] + [(best, -1.0)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer.to_str()


def bert(**options):
    return {"vocab.txt": lines(VOCABULARY), "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", **options}}


def any_(tokenizer, **options):
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **NAMED, **options}
    return {"tokenizer.json": tokenizer, "tokenizer_config.json": config}


MADE = {
    "vocabulary alone": lambda: {"vocab.txt": lines(VOCABULARY)},
    "letter case kept": lambda: bert(do_lower_case=False),
    "letter case kept, accents stripped": lambda: bert(do_lower_case=False, strip_accents=True),
    "accents kept": lambda: bert(strip_accents=False),
    "Chinese not taken apart": lambda: bert(tokenize_chinese_chars=False),
    "cut from the left": lambda: bert(truncation_side="left"),
    "padded from the left": lambda: bert(padding_side="left"),
    "cut sooner": lambda: bert(model_max_length=7),
    "one type of tokens": lambda: bert(model_input_names=["input_ids", "attention_mask"]),
    "special tokens as text": lambda: bert(split_special_tokens=True),
    "an added token": lambda: bert() | {"added_tokens.json": {"aab": len(VOCABULARY)}},
    "another added token": lambda: bert() | {"added_tokens.json": {"bba": len(VOCABULARY)}},
    "an added special token": lambda: bert(extra_special_tokens=["aab"]),
    "another separator": lambda: bert() | {"special_tokens_map.json": {**NAMED, "sep_token": "[MASK]"}},
    "another order": lambda: {"vocab.txt": lines([*VOCABULARY[:5], *PIECES[::-1]])},
    "tokenizer.json": lambda: any_(wordpiece(with_separators=True)),
    "tokenizer.json without separators": lambda: any_(wordpiece(with_separators=False)),
    "bytes": lambda: any_(bytes_(270, prefix_space=False)),
    "bytes after a space": lambda: any_(bytes_(270, prefix_space=True)),
    "fewer pairs of bytes": lambda: any_(bytes_(262, prefix_space=False)),
    "pieces with scores": lambda: any_(unigram("ab")),
    "pieces with other scores": lambda: any_(unigram("ba")),
}


def folder(directory, encoder, files):
    """The encoder of another checkpoint under a tokenizer of these files."""
    shutil.copytree(encoder, directory, ignore=shutil.ignore_patterns(*TOKENIZER_FILES))
    for name, content in files.items():
        content = json.dumps(content) if isinstance(content, dict) else content
        (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(directory)


def changed(directory, source, **settings):
    """A copy of a checkpoint with other settings in its config.json."""
    path = shutil.copytree(source, directory) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return str(directory)


@pytest.fixture(scope="module")
def opened(tiny_bert, tmp_path_factory):
    """The same encoder under each tokenizer."""
    root = tmp_path_factory.mktemp("tokenizers")
    folders = {name: folder(root / name.replace(" ", "-"), tiny_bert, make()) for name, make in MADE.items()}
    return {name: checkpoints.load(directory) for name, directory in folders.items()}


def read(tokenizer, first, second):
    """All that a tokenizer makes of a pair of texts: whole, cut, and padded."""
    ways = ({}, {"truncation": True}, {"truncation": True, "max_length": 9, "padding": "max_length"})
    return [dict(tokenizer(first, second, **way)) for way in ways]


def alike(opened, first, second):
    """The pairs of checkpoints that share a fingerprint, or that read two texts alike."""
    inputs = {name: read(checkpoint.tokenizer, first, second) for name, checkpoint in opened.items()}
    pairs = list(itertools.combinations(opened, 2))
    shared = {pair for pair in pairs if len({opened[name].fingerprint for name in pair}) == 1}
    return shared, {(one, other) for one, other in pairs if inputs[one] == inputs[other]}


TEXT = st.text(st.sampled_from("abABéÉeE中文. [SEP]" + string.digits), max_size=30)


class TestTokenizers:
    @settings(max_examples=30, deadline=None)
    @given(first=TEXT, second=TEXT)
    def test_two_that_read_any_text_differently_share_no_fingerprint(self, opened, first, second):
        shared, same = alike(opened, first, second)
        assert shared <= same

    def test_each_setting_of_the_table_reads_some_text_in_its_own_way(self, opened):
        texts = ["ab AB éa 中文 x", "aab bba ab. [SEP] É"], ["中文ab" * 5, "e" * 4], ["AAB", "b"]
        same = [alike(opened, *pair)[1] for pair in texts]
        assert not set.intersection(*same), "the table has two settings for one"

    def test_it_does_not_matter_which_file_says_so(self, opened, tiny_bert, tmp_path):
        alone = opened["vocabulary alone"].fingerprint
        said = folder(tmp_path / "said", tiny_bert, bert(do_lower_case=True, clean_up_tokenization_spaces=True))
        assert checkpoints.load(said).fingerprint == alone

    @pytest.mark.parametrize("name", MADE)
    def test_it_is_the_same_again_after_use_elsewhere_and_written_anew(self, opened, tmp_path, name):
        checkpoint = opened[name]
        checkpoint.tokenizer("ab", truncation=True, max_length=3, padding="max_length")
        again = checkpoints.load(str(shutil.copytree(checkpoint.directory, tmp_path / "elsewhere")))
        assert again.fingerprint == checkpoint.fingerprint
        written = own_models.save(tmp_path / "anew", again.encoder(), again.tokenizer)
        assert checkpoints.load(written).fingerprint == checkpoint.fingerprint


class TestModels:
    @pytest.mark.parametrize(
        "settings",
        [
            {"id2label": {"0": "no", "1": "yes"}},
            {"id2label": {"0": "yes", "1": "no"}},
            {"num_labels": 3},
            {"problem_type": "regression"},
            {"problem_type": "single_label_classification"},
            {"hidden_act": "relu"},
            {"layer_norm_eps": 1e-3},
        ],
        ids=str,
    )
    def test_settings_change_it(self, tiny_bert, tmp_path, settings):
        before = checkpoints.load(tiny_bert).fingerprint
        assert checkpoints.load(changed(tmp_path / "changed", tiny_bert, **settings)).fingerprint != before

    def test_where_settings_come_from_and_their_order_do_not(self, tiny_bert, tmp_path):
        before = checkpoints.load(tiny_bert).fingerprint
        moved = changed(tmp_path / "moved", tiny_bert, _name_or_path="elsewhere", transformers_version="4.0.0")
        path = tmp_path / "moved" / "config.json"
        path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items())), indent=4))
        assert checkpoints.load(moved).fingerprint == before

    def test_one_weight_changes_it_and_files_beside_do_not(self, tiny_bert, tmp_path):
        checkpoint = checkpoints.load(tiny_bert)
        directory = shutil.copytree(tiny_bert, tmp_path / "other")
        weights = load_file(directory / "model.safetensors")
        weights["embeddings.LayerNorm.bias"][0] += 1
        for name in ("optimizer.safetensors", "model.fp16.safetensors"):
            save_file(weights, directory / name, {"format": "pt"})
        beside = checkpoints.load(str(directory))
        assert (beside.fingerprint, beside.n_parameters) == (checkpoint.fingerprint, checkpoint.n_parameters)
        save_file(weights, directory / "model.safetensors", {"format": "pt"})
        assert checkpoints.load(str(directory)).fingerprint != checkpoint.fingerprint


def test_a_report_of_an_older_tokenizer_is_not_taken_for_the_new_one(tiny_bert, tmp_path):
    checkpoint = checkpoints.load(folder(tmp_path / "encoder", tiny_bert, bert(do_lower_case=False)))
    texts = [(" ".join(words), None) for words in itertools.permutations(["AB", "ba", "B", "éA"])]
    model = own_models.save(tmp_path / "cased", classifier(checkpoint, 2, texts), checkpoint.tokenizer)
    rows = [(text, label) for (text, _), label in zip(texts, own_models.predicted(model, texts), strict=True)]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "texts.csv", index=False)
    said = (tmp_path / "cased" / "tokenizer_config.json").read_text()
    store, shares = Store(tmp_path / "store"), []
    for settings_ in ("{}", said):
        (tmp_path / "cased" / "tokenizer_config.json").write_text(settings_)
        subject = own_report.open_subject(model, str(tmp_path / "texts.csv"))
        swept = own_report.measure(subject, store, words="no").swept
        shares.append((swept.baseline == swept.label).mean())
    assert shares[0] < 0.9
    assert shares[1] == 1
