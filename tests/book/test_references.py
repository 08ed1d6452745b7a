"""The bibliography is whole: each work can be found and is cited, and each word that a page explains is explained."""

import re

import pytest
from pybtex.database import parse_file

from darksecrets.book import contents
from tests.conftest import ROOT

FOLDER = ROOT / "notebooks"
ENTRIES = parse_file(FOLDER / "references.bib").entries
PAGES = {
    path.stem: path.read_text(encoding="utf-8") for ending in ("ipynb", "md") for path in FOLDER.glob(f"*.{ending}")
}
VENUES = ("booktitle", "journal", "howpublished")
CITED = re.compile(r"\{cite:\w+\}`([^`]+)`")
EXPLAINED = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")


def cited() -> set[str]:
    return {key.strip() for text in PAGES.values() for keys in CITED.findall(text) for key in keys.split(",")}


def terms() -> list[str]:
    """The words of the glossary, as its directives list them: lines that are not indented."""
    blocks = re.findall(r"^```\{glossary\}\n(.*?)^```", PAGES["glossary"], re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line[0].isspace()]


@pytest.mark.parametrize("key", ENTRIES)
def test_a_work_says_who_what_when_where_and_how_to_find_it(key):
    entry = ENTRIES[key]
    assert entry.persons["author"]
    assert all(entry.fields[name] for name in ("title", "year"))
    assert key.endswith(entry.fields["year"])
    assert [name for name in VENUES if name in entry.fields]
    assert {"doi", "url"} & set(entry.fields)
    assert re.fullmatch(r"10\.\d{4,5}/\S+", entry.fields.get("doi", "10.1000/none"))
    assert entry.fields.get("url", "https://").startswith("https://")


def test_every_work_is_cited_and_every_citation_has_its_work():
    assert cited() == set(ENTRIES)


def test_each_identifier_belongs_to_one_work():
    found = [
        entry.fields[name].lower() for entry in ENTRIES.values() for name in ("doi", "url") if name in entry.fields
    ]
    assert len(set(found)) == len(found)


def test_words_are_explained_once_each_and_used():
    assert len(set(map(str.lower, terms()))) == len(terms()) > 40
    used = {page: set(EXPLAINED.findall(text)) for page, text in PAGES.items()}
    for page, words in used.items():
        assert words <= set(terms()), page
    assert sum(map(bool, used.values())) >= 9


def test_the_glossary_is_a_page_of_the_book():
    assert "notebooks/glossary" in contents.names(ROOT)
