"""A report made from hostile names and texts, opened in chromium: nothing that was injected runs."""

import json
import shutil

import pandas as pd

from darksecrets.apps import own_report
from tests import own_models
from tests.browser.reader import reading, served
from tests.hostile import HOSTILE, MARK

FILE = f"<img src=x onerror={MARK}>\u202e"  # what a file's name can hold


def test_nothing_that_was_injected_runs(browser, tmp_path):
    model, data = own_models.bert_with_csv(tmp_path)
    hostile = shutil.move(model, tmp_path / f"{FILE}model")
    settings = json.loads((hostile / "config.json").read_text())
    labels = {str(number): HOSTILE[number] for number in range(2)}
    settings |= {"id2label": labels, "label2id": {label: int(number) for number, label in labels.items()}}
    (hostile / "config.json").write_text(json.dumps(settings))
    columns = dict(zip(("sentence1", "sentence2", "label"), HOSTILE[2:5], strict=True))
    frame = pd.read_csv(data).rename(columns=columns)
    for row, text in enumerate(HOSTILE):
        frame.loc[row, columns["sentence1"]] = text
    place = tmp_path / f"{FILE}data.csv"
    frame.to_csv(place, index=False)
    chosen = dict(zip(("text", "second", "label"), columns.values(), strict=True))
    found = own_models.report_on(str(hostile), str(place), tmp_path / "store", words="no", **chosen)
    own_report.write(found, tmp_path / "out")
    dialogs = []
    with served(tmp_path / "out") as address, reading(browser, address, 1400, "light") as reader:
        reader.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        reader.open("index.html")
        reader.page.locator(".vega-chart svg path.mark-rect, .vega-chart svg .mark-rect path").first.hover(force=True)
        assert reader.page.evaluate("window.injected") is None
        assert FILE.replace("\u202e", "\\u202e") in reader.page.text_content("h1")
        assert reader.page.locator(".vega-chart svg").count() > 0
        assert reader.foreign == []
        assert reader.errors == []
    assert dialogs == []
