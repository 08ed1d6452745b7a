"""A profile is refused for whatever is wrong with it before a kernel starts; loads no model and needs no network."""

import nbformat
import pytest

from darksecrets.book import contents, parameters, profiles
from darksecrets.errors import InputError
from tests.book import toy

BOOK = (
    toy.PARAMETERS
    + '\ntasks: list[str] = ["RTE"]  # tasks\ncorpus: str = "hub"  # corpus\nseeds: list[int] = [0]  # seeds'
)


def _book(root, profile="layers: 4\n", parameters=BOOK):
    return toy.write(root, "layers", parameters=parameters, profile=profile)


def _load(root, *overrides):
    return profiles.load(root, "toy", overrides)


def test_command_line_goes_over_profile_goes_over_notebook(tmp_path):
    values = _load(_book(tmp_path, "layers: 4\nscale: 2\n"), "scale=0.25").values
    assert (values["layers"], values["scale"], values["shuffle"]) == (4, 0.25, False)


@pytest.mark.parametrize(
    ("profile", "typed", "complaint"),
    [
        ("layer: 4", "", "unknown name 'layer'; did you mean 'layers'"),
        ("nonsense: 4", "", "unknown name 'nonsense'; accepted are corpus, labels, layers"),
        ("run: mine", "", "unknown name 'run'"),
        ("layers: many", "", 'layers is "many", but it takes a whole number'),
        ("labels: [a, no]", "", 'labels is ["a", false], but it takes a list'),
        ("scale: .nan", "", "scale is NaN, but it takes a number"),
        ("scale:", "", "scale is null, but it takes a number"),
        ("layers: 4\nlayers: 5", "", "'layers' is given twice"),
        ("- layers", "", "toy.yml holds a list"),
        ("labels: []", "", "labels is empty"),
        ("corpus: /nowhere", "", "corpus"),
        ("", "layrs=3", "did you mean 'layers'"),
        ("", "shuffle=yes", "it takes true or false"),
        ("", "labels=", "labels is empty"),
        ("", "corpus=pocket:5", "corpus 'pocket:5': write pocket, or its sizes"),
    ],
)
def test_what_is_wrong_is_one_clear_line(tmp_path, profile, typed, complaint):
    with pytest.raises(InputError) as caught:
        _load(_book(tmp_path, profile), *filter(None, [typed]))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_below_their_least_are_refused():
    for name, least in profiles.AT_LEAST.items():
        profiles.check_values({name: least})
        profiles.check_values({name: [least + 1, least]})
        for value in (least - 1, [least, least - 1]):
            with pytest.raises(InputError, match=f"{name} is .* at least {least}"):
                profiles.check_values({name: value})


def test_scientific_notation_in_a_profile_is_a_number(tmp_path):
    assert _load(_book(tmp_path, "scale: 1e-4\n")).values["scale"] == 1e-4


def test_paths_from_the_command_line_start_here_and_end_at_the_notebooks(tmp_path, monkeypatch):
    root = _book(tmp_path / "book")
    monkeypatch.chdir(root)
    place = tmp_path / "data"
    place.mkdir()
    for task in ("train", "dev"):
        (place / "RTE").mkdir(exist_ok=True)
        (place / "RTE" / f"{task}.tsv").write_text("index\n")
    for typed in ("corpus=../data", f"corpus={place}"):
        profile = profiles.load(root, "toy", [typed, "store=cache"])
        assert profile.values["corpus"] == "../../data"
        assert profile.values["store"] == "../cache"
        assert profile.store == root / "cache"


@pytest.mark.parametrize("name", ["own_labels", "gold"])
def test_an_optional_file_need_not_be_there_yet_and_none_stays_none(tmp_path, monkeypatch, name):
    root = _book(tmp_path / "book", parameters=f'{BOOK}\n{name}: str = ""  # a file')
    monkeypatch.chdir(root)
    assert _load(root).values[name] == ""
    assert _load(root, f"{name}=").values[name] == ""
    for typed in ("cache/mine.csv", str(root / "cache" / "mine.csv")):
        assert _load(root, f"{name}={typed}").values[name] == "../cache/mine.csv"


@pytest.mark.parametrize("corpus", ["hub", "pocket", "pocket:40/20", "pocket:40/20/1"])
def test_names_are_not_taken_for_paths_and_need_no_file(tmp_path, corpus):
    assert _load(_book(tmp_path), f"corpus={corpus}").values["corpus"] == corpus
    assert _load(_book(tmp_path, f"corpus: {corpus}\n")).values["corpus"] == corpus


def test_the_run_is_named_by_profile_and_values_but_not_by_the_store(tmp_path):
    root = _book(tmp_path)
    runs = [_load(root, *words).run for words in ((), ("layers=4",), ("layers=5",), ("store=elsewhere",))]
    assert runs[0].startswith("toy-")
    assert runs[0] == runs[1] == runs[3]
    assert runs[0] != runs[2]


def test_a_notebook_gets_the_parameters_it_declares_and_the_run(tmp_path):
    profile = _load(_book(tmp_path))
    assert profile.for_notebook(["layers", "run"]) == {"layers": 4, "run": profile.run}


def test_a_profile_can_be_any_file(tmp_path):
    root = _book(tmp_path)
    (tmp_path / "my run.yml").write_text("layers: 9")
    profile = profiles.load(root, str(tmp_path / "my run.yml"))
    assert profile.values["layers"] == 9
    assert profile.run.startswith("my-run-")
    with pytest.raises(InputError, match="no such file"):
        profiles.load(root, "gone.yml")


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("layers: int", "has no default"),
        ("layers: dict = {}", "has type dict; accepted are str, int"),
        ("layers = 3", "has type None"),
        ("layers: int = 'many'", 'layers is "many"'),
        ("layers: int = len('abc')", "is no literal"),
        ("layers: int =", "is not Python"),
    ],
)
def test_a_parameters_cell_that_would_be_misread_is_refused(tmp_path, cell, complaint):
    with pytest.raises(InputError, match=complaint):
        _load(_book(tmp_path, parameters=cell))


def _with_second_notebook(root, parameters):
    _book(root)
    nbformat.write(toy.notebook("layers", parameters=parameters), root / "notebooks/02-other.ipynb")
    (root / "_toc.yml").write_text(toy.CONTENTS + "  - file: notebooks/02-other\n")


def test_two_notebooks_must_agree_on_a_type(tmp_path):
    _with_second_notebook(tmp_path, "layers: float = 3.0  # other type")
    with pytest.raises(InputError, match=r"declared as int = 3 in 01-toy.ipynb and as .* in 02-other.ipynb"):
        _load(tmp_path)


def test_where_two_notebooks_disagree_on_a_default_a_value_must_be_given(tmp_path):
    _with_second_notebook(tmp_path, "layers: int = 5  # as saved in an editor\nscale: float = 2  # and another")
    with pytest.raises(InputError, match=r"scale is declared as float = 0.5 in 01-toy.ipynb and as float = 2.0 in 02-"):
        _load(tmp_path)
    values = _load(tmp_path, "scale=1").values
    assert (values["layers"], values["scale"]) == (4, 1.0)


@pytest.mark.parametrize(
    ("cell", "default", "help"),
    [
        ("layers: int = 3  # 0 = all", 3, "0 = all"),
        ("layers: str = 'a # b = c'  #help", "a # b = c", "help"),
        ("layers: list[int] = [\n    0,\n    1,\n]  # two of them", [0, 1], "two of them"),
        ("# of the model\nlayers: int = 3", 3, ""),
        ("layers: list[int] = 0  # one", [0], "one"),
    ],
)
def test_a_parameters_cell_is_read_as_python(tmp_path, cell, default, help):
    (found,) = parameters.of_notebook(_book(tmp_path, parameters=cell) / "notebooks/01-toy.ipynb")
    assert (found.default, found.help) == (default, help)


def test_a_page_of_the_contents_must_exist(tmp_path):
    root = _book(tmp_path)
    (root / "_toc.yml").write_text(toy.CONTENTS + "  - file: notebooks/09-gone\n")
    with pytest.raises(InputError, match="lists 'notebooks/09-gone', but there is no"):
        contents.pages(root)
