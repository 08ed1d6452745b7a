"""One call puts a numbered, captioned, cross-referenced figure or table on a page.

Each call displays one MIME bundle. JupyterLab takes the chart (or HTML) of it; the book takes its `text/markdown`, a
MyST directive, because only a directive gives a figure its number, its caption and a name that `{numref}` finds. In
the directive lie a static picture, which is what a reader without JavaScript sees, and what `assets/charts.js` needs
to replace it by the interactive chart.
"""

import base64
import html
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

import altair
import numpy as np
import pandas as pd
import vl_convert
from IPython.display import display
from PIL import Image

from darksecrets.errors import InputError, visible

LAB_MIME_TYPE = "application/vnd.vegalite.v5+json"  # the newest that JupyterLab 4.6 draws by itself
LAB_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MOST_ROWS = 1000  # of a chart's data table
MISSING = "–"  # noqa: RUF001 (an en dash, as tables print it)


def figure(
    chart: altair.TopLevelMixin | Mapping[str, Any], name: str, caption: str, alt: str, data: pd.DataFrame | None = None
) -> None:
    """Show an Altair chart (or Vega-Lite specification) as a numbered interactive figure.

    `name` is what `{numref}` refers to; `caption` one paragraph of MyST (raw HTML in it is shown, not run; pass words
    that a person typed through `quote`); `alt` says in words what a reader who cannot see the picture would miss.
    `data` is what the data table lists, where the chart carries the data of far more than its picture shows.
    """
    specification = _specification(chart, alt)
    legend = _interactive(specification, data)
    markdown = _figure_directive(_svg_source(_svg(specification)), name, caption, alt, "chart", legend)
    _show({LAB_MIME_TYPE: specification | {"$schema": LAB_SCHEMA}}, markdown, alt)


def figure_html(chart: altair.TopLevelMixin | Mapping[str, Any], name: str, caption: str, alt: str) -> str:
    """Return what `figure` shows as HTML, for a page outside of the book that has `charts.js`; `caption` is plain."""
    specification = _specification(chart, alt)
    picture = f'<img src="{_svg_source(_svg(specification))}" alt="{_attribute(alt)}">'
    legend = f"<figcaption>{escaped(caption)}\n{_interactive(specification)}</figcaption>"
    return f'<figure class="chart" id="{_checked(name)}">{picture}\n{legend}</figure>'


def table_html(frame: pd.DataFrame, name: str, caption: str, decimals: int = 3) -> str:
    """Return what `table` shows as HTML, for a page outside of the book; `caption` is plain."""
    label = f'tabindex="0" role="region" aria-label="{_attribute(caption)}"'
    return f'<div class="table-scroll" id="{_checked(name)}" {label}>{_html_table(frame, decimals, caption)}</div>'


def html_figure(
    content: str,
    name: str,
    caption: str,
    alt: str,
    height: int,
    fallback: altair.TopLevelMixin | Mapping[str, Any] | str,
) -> None:
    """Show a self-contained HTML view in a frame of `height` pixels as a numbered figure.

    `fallback` is a chart or SVG text: the static picture for readers without JavaScript; the rest is as in `figure`.
    """
    svg = fallback if isinstance(fallback, str) else _svg(_specification(fallback, alt))
    frame = (
        f'<iframe class="html-view" title="{_attribute(alt)}" height="{int(height)}" width="100%" loading="lazy" '
        f'srcdoc="{_attribute(content)}"'
    )
    markdown = _figure_directive(_svg_source(svg), name, caption, alt, "view", f"{frame} hidden></iframe>")
    _show({"text/html": f"{frame}></iframe>"}, markdown, alt)


def picture(image: Image.Image | str, name: str, caption: str, alt: str) -> None:
    """Show a picture, or SVG text, as a numbered figure, on a light card in both themes; the rest is as in `figure`."""
    if isinstance(image, str):
        lab, source = {"image/svg+xml": image}, _svg_source(image)
    else:
        data = base64.b64encode(png(image)).decode()
        lab, source = {"image/png": data}, f"data:image/png;base64,{data}"
    _show(lab, _figure_directive(source, name, caption, alt, "view"), alt)


def png(image: Image.Image) -> bytes:
    """Return a picture as the content of a PNG file."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def table(frame: pd.DataFrame, name: str, caption: str, decimals: int = 3, references: Sequence[str] = ()) -> None:
    """Show a data frame as a numbered table; floats are rounded to `decimals`, missing values print as a dash.

    Column names and cells are taken literally; `caption` is one paragraph of MyST as in `figure`, without backticks. In
    the columns of `references` cells hold names of figures and tables, with spaces between several, and become links to
    them.
    """
    if "`" in caption:  # it opens the directive, in whose first line CommonMark takes them for the end of its fence
        raise InputError(f"caption {caption[:40]!r} has a backtick, which a table's cannot have; leave it out")
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    written = [_linked if column in references else quote for column in frame.columns]
    rows = [[quote(str(column)) for column in frame.columns], ["--:" if right else ":--" for right in numeric]]
    rows += [
        [write(_cell(value, decimals)) for write, value in zip(written, row, strict=True)]
        for row in frame.itertuples(index=False, name=None)
    ]
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    markdown = f"````{{table}} {_paragraph(caption)}\n:name: {_checked(name)}\n\n{body}\n````\n"
    _show({"text/html": _html_table(frame, decimals, caption)}, markdown, caption)


def number(name: str, value: float | str) -> None:
    """Keep a number (or text already formatted) under `name` for `{glue:text}` in the prose; nothing is displayed."""
    from myst_nb import glue  # pulls in Sphinx, which a kernel that only draws does not need

    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, int | float | str):
        raise InputError(f"number {name!r} is a {type(value).__name__}; accepted are one number or a formatted string")
    glue(name, plain, display=False)


def quote(text: str) -> str:
    """Return `text` so that MyST shows it letter by letter, on one line: no markup, HTML, link or formula."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", visible(" ".join(str(text).split())))


def escaped(text: str) -> str:
    """Return `text` so that HTML shows it letter by letter, unseen characters by their codes."""
    return html.escape(visible(text))


def asset(name: str) -> str:
    """Return the text of a script or style of the pages, a file of `assets`."""
    return (resources.files("darksecrets.figures") / "assets" / name).read_text(encoding="utf-8")


def _interactive(specification: Mapping[str, Any], data: pd.DataFrame | None = None) -> str:
    """Write what `charts.js` turns the picture into, and the data of it, or those given in their place."""
    payload = json.dumps(specification, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    shown = _data_table(specification) if data is None else _folded([_html_table(data, 4, "")])
    return f'<script type="application/json" class="vega-spec">{_inert(payload)}</script>\n{shown}'


def _linked(names: str) -> str:
    """Write names of figures and tables, anywhere in the book, as links that show their numbers."""
    return ", ".join(f"{{numref}}`{_checked(name)}`" for name in names.split() if name != MISSING) or MISSING


def _show(lab: dict[str, Any], markdown: str, plain: str) -> None:
    display(lab | {"text/markdown": markdown, "text/plain": plain}, raw=True)


def _specification(chart: altair.TopLevelMixin | Mapping[str, Any], description: str) -> dict[str, Any]:
    specification = dict(chart) if isinstance(chart, Mapping) else chart.to_dict()
    return specification | {"description": description}


def _svg(specification: Mapping[str, Any]) -> str:
    version = re.search(r"v(\d+\.\d+)", specification.get("$schema", ""))
    return vl_convert.vegalite_to_svg(dict(specification), vl_version=version.group(1) if version else None)


def _svg_source(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _figure_directive(source: str, name: str, caption: str, alt: str, kind: str, legend: str = "") -> str:
    if not alt.strip():
        raise InputError(f"figure {name!r} has no alt text; say in words what the picture shows")
    return (
        f"````{{figure}} {source}\n"
        f":name: {_checked(name)}\n"
        f":alt: {json.dumps(' '.join(alt.split()), ensure_ascii=False)}\n"
        f":figclass: {kind}\n\n"
        f"{_paragraph(caption)}\n"
        + (f"\n```{{raw}} html\n{legend.replace('`', '&#96;')}\n```\n" if legend else "")
        + "````\n"
    )


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise InputError(f"name {name!r} cannot be referred to; accepted are small letters, digits and single hyphens")
    return name


def _paragraph(caption: str) -> str:
    """Keep a caption on one line that starts no block and opens no HTML tag."""
    text = " ".join(caption.split())
    if not text or not (text[0].isalnum() or text[0] in "*_$("):
        raise InputError(f"caption {text[:40]!r} does not begin with a word; write one full sentence")
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)


def _inert(text: str) -> str:
    r"""Write JSON so that no parser sees a tag or a fence in it: `<` as \u003c, a backtick as \u0060."""
    return text.encode("utf-8", "backslashreplace").decode().replace("<", "\\u003c").replace("`", "\\u0060")


def _attribute(text: str) -> str:
    # HTML would keep line breaks too, but MyST may re-indent a block: entities are safe anywhere.
    return html.escape(text).replace("\n", "&#10;").replace("\r", "&#13;")


def _data_table(specification: Mapping[str, Any]) -> str:
    titles = dict(_titles(specification))
    parts = []
    for rows in _datasets(specification):
        frame = pd.DataFrame(rows[:MOST_ROWS])
        frame.columns = [titles.get(column, str(column).replace("_", " ")) for column in frame.columns]
        note = f"The first {MOST_ROWS} of {len(rows)} rows." if len(rows) > MOST_ROWS else ""
        parts.append(_html_table(frame, 4, note))
    return _folded(parts)


def _folded(tables: Sequence[str]) -> str:
    content = "\n".join(tables)
    return (
        '<details class="chart-data"><summary>Data of this figure</summary>\n'
        '<div class="table-scroll" tabindex="0" role="region" aria-label="Data of this figure">'
        f"{content}</div></details>"
    )


def _datasets(specification: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    named = list(specification.get("datasets", {}).values())
    inline = specification.get("data", {}).get("values")
    return [rows for rows in [*named, inline] if isinstance(rows, list) and rows and isinstance(rows[0], dict)]


def _titles(node: Any) -> Iterator[tuple[str, str]]:
    """Find what the chart calls each column: every `field` that has a `title` beside it."""
    if isinstance(node, Mapping):
        if isinstance(node.get("field"), str) and isinstance(node.get("title"), str) and node["title"]:
            yield node["field"], node["title"]
        node = [value for key, value in node.items() if key not in ("data", "datasets")]
    if isinstance(node, list):
        for child in node:
            yield from _titles(child)


def _html_table(frame: pd.DataFrame, decimals: int, caption: str) -> str:
    heads = "".join(f'<th scope="col">{escaped(str(column))}</th>' for column in frame.columns)
    rows = [
        "<tr>" + "".join(f"<td>{escaped(_cell(value, decimals))}</td>" for value in row) + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    ]
    title = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{heads}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"


def _cell(value: Any, decimals: int) -> str:
    if isinstance(value, float | np.floating):
        return MISSING if np.isnan(value) else f"{value:.{decimals}f}"
    return MISSING if value is None or value is pd.NA else str(value)
