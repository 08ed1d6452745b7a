"""GLUE from a directory and in the Hub's format: the same examples, and one clear line for what cannot be read."""

import itertools
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darksecrets.corpora import glue
from darksecrets.errors import InputError

SHARED = Path(__file__).parents[2].parent / "shared" / "glue"
real = [
    pytest.mark.glue,
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs GLUE in ../shared/glue beside the repository"),
]
ROWS = {  # what ../shared/glue holds: (train, dev)
    "MRPC": (3668, 408),
    "STS-B": (5749, 1500),
    "SST-2": (67349, 872),
    "QQP": (10309, 7616),
    "RTE": (2490, 277),
    "QNLI": (14890, 5463),
    "MNLI": (13598, 9815),
}


def write(directory, task, text, split="dev"):
    """Write one split's file, from text or bytes, and return the corpus name; the other split gets the same bytes."""
    data = text if isinstance(text, bytes) else text.encode()
    for name in glue.SPLITS:
        path = directory / glue.TASKS[task].file(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return str(directory)


def rte(*rows):
    return "index\tsentence1\tsentence2\tlabel\n" + "".join(f"{row}\n" for row in rows)


@pytest.fixture(scope="module")
def shared():
    return {(name, split): glue.load(name, split, str(SHARED)) for name in ROWS for split in glue.SPLITS}


class TestRealData:
    pytestmark = real

    @pytest.mark.parametrize("name", ROWS)
    def test_every_row_is_an_example_whose_labels_and_sentences_fit_the_task(self, shared, name):
        assert tuple(len(shared[name, split].examples) for split in glue.SPLITS) == ROWS[name]
        task, found = shared[name, "dev"].task, shared[name, "dev"].examples
        assert [example.id for example in found] == [str(row) for row in range(len(found))]
        labels = {example.label for example in found}
        if task.is_regression:
            assert (min(labels), max(labels)) == (0.0, 5.0)
        else:
            assert labels == set(range(task.n_outputs))
        assert all((example.second is not None) == task.is_pair for example in found)
        assert all(example.first.strip() for example in found)

    def test_only_the_substitutes_carry_a_note(self, shared):
        noted = {f"{name} {split}" for (name, split), found in shared.items() if found.note}
        assert noted == {"QQP train", "QQP dev", "QNLI train", "MNLI train"}
        assert shared["QQP", "dev"].note == (
            "QQP dev: 7,616 rows instead of the official 40,430; scores are not comparable with published ones"
        )

    def test_a_byte_order_mark_is_not_text_and_stray_quotes_are(self, shared):
        assert (SHARED / "MRPC/dev.tsv").read_bytes().startswith(b"\xef\xbb\xbf")
        assert shared["MRPC", "dev"].examples[0].first.startswith("He said the foodservice pie business")
        lines = (SHARED / "QNLI/dev.tsv").read_text(encoding="utf-8").split("\n")
        row = next(row for row, line in enumerate(lines[1:]) if line.count('"') % 2)
        example = shared["QNLI", "dev"].examples[row]
        assert [example.first, example.second] == lines[row + 1].split("\t")[1:3]

    @pytest.mark.parametrize("name", ["RTE", "STS-B", "MRPC"])
    def test_the_hub_format_gives_the_same_examples(self, shared, name, tmp_path):
        split = shared[name, "dev"]
        path = hub_copy(tmp_path / "glue", split.task, split.examples)
        assert glue.read_hub(split.task, "dev", path, str(tmp_path / "cache")) == list(split.examples)

    def test_majority_of_rte_is_the_papers_untrained_score(self, shared):
        split = shared["RTE", "dev"]
        score = glue.majority(split.task, [example.label for example in split.examples])
        assert round(score["accuracy"], 3) == 0.527


def hub_copy(root, task, examples):
    """Write examples as the Hub holds them: a Parquet file per configuration and split, 32-bit scores, class labels."""
    label = datasets.Value("float32") if task.is_regression else datasets.ClassLabel(names=list(task.labels))
    features = {column: datasets.Value("string") for column in task.hub_columns} | {"label": label}
    rows = [(example.first, example.second, example.label)[:: 1 if task.is_pair else 2] for example in examples]
    columns = dict(zip(features, map(list, zip(*rows, strict=True)), strict=True))
    file = f"{task.hub_config}/{task.hub_dev}-00000-of-00001.parquet"
    (root / task.hub_config).mkdir(parents=True)
    datasets.Dataset.from_dict(columns, datasets.Features(features)).to_parquet(root / file)
    card = f"configs:\n- config_name: {task.hub_config}\n  data_files:\n  - split: {task.hub_dev}\n    path: {file}\n"
    (root / "README.md").write_text(f"---\n{card}---\n")
    return str(root)


class TestHub:
    EXAMPLES = (
        glue.Example("0", 'a "stray quote', "tab\u2028separator", 0),
        glue.Example("1", "", "an empty first sentence, as in QQP", 1),
    )

    @pytest.fixture
    def read(self, tmp_path):
        """Read examples of a task again as the Hub holds them, or as those of another task."""

        def read(task, examples, other=None):
            path = hub_copy(tmp_path / task.name, task, examples)
            return glue.read_hub(other or task, "dev", path, str(tmp_path / "cache"))

        return read

    @pytest.mark.parametrize("name", ["QQP", "QNLI", "MNLI", "SST-2"])
    def test_pairs_single_sentences_and_the_split_of_mnli(self, read, name):
        task = glue.TASKS[name]
        examples = [glue.Example(e.id, e.first, e.second if task.is_pair else None, e.label) for e in self.EXAMPLES]
        assert read(task, examples) == examples

    def test_scores_of_32_bits_are_the_files_scores(self, read):
        examples = [glue.Example(str(i), "a", "b", score) for i, score in enumerate((0.0, 3.8, 4.917, 1.111, 5.0))]
        assert read(glue.TASKS["STS-B"], examples) == examples

    def test_unlabelled_rows_columns_of_another_task_and_what_cannot_be_loaded_are_one_line(self, read, tmp_path):
        other = glue.Task("RTE", "qnli", (), ("sentence1",), "", ("0", "1"), (), (), 0, 0)
        calls = {
            r"rte/validation, row 0: unknown label -1; RTE has 0, 1$": lambda: read(
                glue.TASKS["RTE"], [glue.Example("0", "a", "b", -1)]
            ),
            "exactly one column 'sentence1'; it has: question, sentence, label": lambda: read(
                glue.TASKS["QNLI"], self.EXAMPLES, other
            ),
            "offline, set corpus to 'pocket' or a directory": lambda: glue.read_hub(
                glue.TASKS["RTE"], "dev", str(tmp_path / "nowhere"), str(tmp_path / "cache")
            ),
        }
        for line, call in calls.items():
            with pytest.raises(InputError, match=line) as caught:
                call()
            assert "\n" not in str(caught.value)


GOOD = "0\tA man sleeps.\tA man is awake.\tnot_entailment"
BAD_FILES = {
    "empty file": ("RTE", "", "dev.tsv: the file is empty"),
    "only a BOM": ("RTE", "\ufeff", "dev.tsv: the file is empty"),
    "header only": ("RTE", rte(), "line 2: there is no row, the split is empty"),
    "missing column": ("RTE", "index\tsentence1\tlabel\n0\ta\tentailment\n", "exactly one column 'sentence2'"),
    "repeated column": ("SST-2", "sentence\tsentence\tlabel\na\tb\t1\n", "exactly one column 'sentence'"),
    "unknown label": ("RTE", rte(GOOD, "1\ta\tb\tmaybe"), "line 3: unknown label 'maybe'; RTE has entailment, not"),
    "short line": ("RTE", rte(GOOD, "1\ta\tentailment"), "line 3: expected 4 tab-separated fields, found 3"),
    "long line": ("RTE", rte("1\ta\tb\tc\tentailment"), "line 2: expected 4 tab-separated fields, found 5"),
    "blank line": ("RTE", rte(GOOD, "", GOOD), "line 3: expected 4 tab-separated fields, found 1"),
    "line feed in a sentence": ("RTE", rte("0\ta\nb\tc\tentailment"), "line 2: expected 4"),
    "score in words": ("STS-B", "sentence1\tsentence2\tscore\na\tb\thigh\n", "line 2: score 'high' is not a number"),
    "score too high": (
        "STS-B",
        "sentence1\tsentence2\tscore\na\tb\t5.1\n",
        "line 2: score '5.1' is not a number from 0",
    ),
    "score below 0": ("STS-B", "sentence1\tsentence2\tscore\na\tb\t-0.1\n", "line 2: score '-0.1'"),
    "score NaN": ("STS-B", "sentence1\tsentence2\tscore\na\tb\tnan\n", "line 2: score 'nan'"),
    "no score": ("STS-B", "sentence1\tsentence2\tscore\na\tb\t\n", "line 2: score ''"),
    "not UTF-8": ("RTE", rte(GOOD).encode() + b"1\tcaf\xe9\tb\tentailment\n", "line 3: byte 0xe9 is not UTF-8"),
}


@pytest.mark.parametrize(("task", "text", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_named_with_its_line(tmp_path, task, text, message):
    with pytest.raises(InputError) as caught:
        glue.load(task, "dev", write(tmp_path, task, text))
    assert message in str(caught.value)
    assert "dev.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)


BAD_CALLS = {
    "unknown task": (lambda d: glue.load("SST2", "dev", d), "unknown task 'SST2': did you mean SST-2?"),
    "lower-case task": (lambda d: glue.check_tasks(["rte"]), "did you mean RTE?"),
    "no task": (lambda d: glue.check_tasks([]), "no task given"),
    "a task twice": (lambda d: glue.check_tasks(["RTE", "RTE"]), "more than once"),
    "unknown split": (lambda d: glue.load("RTE", "test", d), "unknown split 'test': accepted: train, dev"),
    "no directory": (lambda d: glue.check_corpus(f"{d}/nowhere", ["RTE"]), "is not a directory"),
    "no file": (lambda d: glue.check_corpus(d, ["RTE", "MNLI"]), "has no file MNLI/train.tsv"),
    "no file to load": (lambda d: glue.load("MNLI", "dev", d), "has no file MNLI/dev_matched.tsv"),
    "negative size": (lambda d: glue.load("RTE", "dev", d, max_examples=-1), "max_examples is -1"),
    "negative seed": (lambda d: glue.load("RTE", "dev", d, seed=-1), "seed is -1"),
}


@pytest.mark.parametrize(("call", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_bad_request_is_one_line(tmp_path, call, message):
    directory = write(tmp_path, "RTE", rte(GOOD))
    with pytest.raises(InputError) as caught:
        call(directory)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_hub_needs_no_files_in_advance():
    glue.check_corpus("hub", list(glue.TASKS))


def test_windows_line_ends_are_not_part_of_the_label(tmp_path):
    directory = write(tmp_path, "RTE", rte(GOOD).replace("\n", "\r\n"))
    assert glue.load("RTE", "dev", directory).examples[0].label == 1


sentences = st.text(st.characters(codec="utf-8", exclude_characters="\t\n"), max_size=20)


@given(pairs=st.lists(st.tuples(sentences, sentences, st.sampled_from(("0", "1"))), min_size=1, max_size=6))
def test_any_text_without_tab_and_line_feed_comes_back(tmp_path_factory, pairs):
    lines = ["id\tquestion1\tquestion2\tis_duplicate", *("\t".join(("x", *pair)) for pair in pairs)]
    directory = write(tmp_path_factory.mktemp("glue"), "QQP", "\n".join(lines))
    read = [
        (example.first, example.second, str(example.label)) for example in glue.load("QQP", "dev", directory).examples
    ]
    assert read == pairs


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\rb", "a\x0bb", '"a', "a\r"])
def test_only_a_line_feed_ends_a_line(tmp_path, text):
    directory = write(tmp_path, "RTE", rte(f"0\t{text}\t{text}\tentailment"))
    example = glue.load("RTE", "dev", directory).examples[0]
    assert (example.first, example.second) == (text, text)


class TestChoice:
    @pytest.fixture
    def directory(self, tmp_path):
        return write(tmp_path, "RTE", rte(*(f"{row}\tsentence {row}\tother\tentailment" for row in range(200))))

    def ids(self, directory, size, seed=0, split="dev"):
        return [int(example.id) for example in glue.load("RTE", split, directory, size, seed).examples]

    def test_a_smaller_choice_is_part_of_a_larger_one_in_order_and_spread_over_the_rows(self, directory):
        chosen = [self.ids(directory, size) for size in (1, 10, 50, 100, 199)]
        for smaller, larger in itertools.pairwise(chosen):
            assert set(smaller) < set(larger)
            assert larger == sorted(larger)
        assert [len(ids) for ids in chosen] == [1, 10, 50, 100, 199]
        assert 80 < sum(chosen[3]) / 100 < 120

    def test_zero_and_too_many_mean_all(self, directory):
        assert self.ids(directory, 0) == self.ids(directory, 200) == self.ids(directory, 999) == list(range(200))

    def test_seeds_and_splits_choose_differently_and_each_what_it_always_chose(self, directory):
        assert self.ids(directory, 5) == [31, 44, 47, 103, 197]
        assert self.ids(directory, 20) == self.ids(directory, 20)
        assert self.ids(directory, 20) != self.ids(directory, 20, seed=1)
        assert self.ids(directory, 20) != self.ids(directory, 20, split="train")

    def test_the_fingerprint_follows_the_examples(self, directory, tmp_path):
        prints = {size: glue.load("RTE", "dev", directory, size).fingerprint for size in (0, 10, 20)}
        assert len(set(prints.values())) == 3
        assert prints[0] == glue.load("RTE", "dev", directory).fingerprint
        assert prints[0] != glue.load("RTE", "train", directory).fingerprint

    def test_the_number_of_rows_found_is_kept(self, directory):
        split = glue.load("RTE", "dev", directory, 10)
        assert (len(split.examples), split.n_available, split.is_official) == (10, 200, False)
