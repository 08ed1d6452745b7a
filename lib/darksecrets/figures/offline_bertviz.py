"""BertViz's output as a page of its own that loads nothing: scripts inside, compact data, the same each time."""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path

from darksecrets.figures import publish

# BertViz asks RequireJS for these two; the page carries them, from the Python packages that ship them.
_SCRIPTS = (("nbclassic", "static/components/jquery/jquery.min.js"), ("mpld3", "js/d3.v5.min.js"))
_LOADER = "window.require = {config() {}}; window.requirejs = (names, view) => view(window.jQuery, window.d3);"
HEAD_HINT = (
    "One colour per head: click a square to switch a head off or on, double-click to see it alone. "
    "Left: the token attending; right: the token attended to. Point at a token to see its lines only."
)
_SAVES = " ".join(f'<button type="button" data-save="{kind}">Save {kind.upper()}</button>' for kind in ("svg", "png"))
MODEL_HINT = "One field per head, one colour per layer: click a field to enlarge it."


def offline(bertviz_html: str, title: str, hint: str) -> str:
    """BertViz's HTML as a page of its own: scripts inside, a fixed id, compact data without tags, counting from 1.

    Two buttons save the drawing as it stands, as SVG and as PNG.
    """
    start = bertviz_html.index("const params = ") + len("const params = ")
    parameters, end = json.JSONDecoder().raw_decode(bertviz_html, start)
    before = bertviz_html[bertviz_html.index("<div") : start]
    after = bertviz_html[bertviz_html.index("\n", end) :]  # the rest of the line is a comment with the data again
    before, n_removed = re.subn(r"require\.config\(\{.*?\}\);", "", before, flags=re.DOTALL)
    if n_removed != 1:
        raise RuntimeError("this BertViz does not load its scripts as release 1.4.1 does; install that release")
    before = before.replace(parameters["root_div_id"], "bertviz")
    before = re.sub(r'<select id="(\w+)">', r'<select id="\1" aria-label="\1">', before)
    parameters["root_div_id"] = "bertviz"
    for shown in {"include_layers", "include_heads"} & parameters.keys():  # only displayed; the data are in their order
        parameters[shown] = [place + 1 for place in parameters[shown]]
    if parameters.get("layer") is not None:  # the one that is shown first, looked up among those displayed
        parameters["layer"] += 1
    data = json.dumps(parameters, separators=(",", ":")).replace("<", "\\u003c")
    scripts = "\n".join(f"<script>{code}</script>" for code in (*map(_packaged, *zip(*_SCRIPTS, strict=True)), _LOADER))
    style = "body { background: #fff; color: #1a1a1a; font: 15px sans-serif; margin: 8px; overflow-x: auto }"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style>\n{scripts}\n</head><body><p>{hint}</p>\n<p>{_SAVES}</p>\n"
        f"{before}{data};{after}<script>{publish.asset('save_drawing.js')}</script></body></html>\n"
    )


@cache
def _packaged(package: str, file: str) -> str:
    """Text of a script that an installed package carries; the package itself is not imported."""
    return (Path(importlib.util.find_spec(package).origin).parent / file).read_text(encoding="utf-8")
