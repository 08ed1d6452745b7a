"""A book of one notebook that computes three results in a row, each of which it saves as a table of its run."""

from pathlib import Path

from tests.book import toy

IMPORTS = "import time\nimport pandas\nfrom darksecrets.figures import publish\nfrom darksecrets.runs import Store"
WORK = """\
results = Store(store)
for number in range(layers):
    def compute(number=number):
        time.sleep(scale)
        return pandas.DataFrame({"layer": range(number + 1), "mean_value": 0.1})
    results.run(run).save(f"table_{number}", results.table("piece", {"number": number}, compute))"""
SHOWN = 'publish.table(results.run(run).table("table_0"), "table-first", "The first table is shown.")'
INTRODUCTION = "# A small book\n\nSee {numref}`table-first`.\n"


def write(root: Path, seconds: float = 0.0) -> Path:
    """Write the book; each of its four results takes `seconds`."""
    toy.write(root, IMPORTS, WORK, SHOWN, prose="# Small page", profile=f"layers: 4\nscale: {seconds}\n")
    (root / "notebooks" / "profiles" / "toy.yml").rename(root / "notebooks" / "profiles" / "pocket.yml")
    (root / "notebooks" / "00-introduction.md").write_text(INTRODUCTION)
    return root
