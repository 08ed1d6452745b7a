"""An HTML page that stands alone: everything that it needs is in it, and it asks the browser to load nothing."""

from collections.abc import Iterable
from pathlib import Path

import jinja2
import vl_convert
from markupsafe import Markup

from darksecrets.errors import InputError, check_directory, visible
from darksecrets.figures import publish

NOTHING = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'"
# Vega compiles its expressions, which browsers count as evaluating code.
SCRIPTS = f"{NOTHING}; script-src 'unsafe-inline' 'unsafe-eval'"


def document(title: str, parts: Iterable[str], style: str = "", has_charts: bool = False) -> str:
    """Return the page of `title` (plain text) whose parts are HTML; empty ones are left out.

    With `has_charts` it carries what makes charts of `publish.figure_html` interactive; without, no script may run.
    """
    styles = "\n".join([*map(publish.asset, ("book.css", "report.css")), style])
    scripts = (
        f"<script>(() => {{{_script(vl_convert.javascript_bundle())}}})();</script>\n"
        f"<script>{_script(publish.asset('charts.js'))}</script>\n"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{publish.escaped(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{SCRIPTS if has_charts else NOTHING}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{styles}</style>\n</head>\n'
        f"<body>\n<main>\n{''.join(f'{part}{chr(10)}' for part in parts if part)}</main>\n"
        f"{scripts if has_charts else ''}</body>\n</html>\n"
    )


def template(package: str, name: str) -> jinja2.Template:
    """Return a template of a package, for parts of a page: what is filled in is text, or marked as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
        trim_blocks=True,
    )
    return environment.get_template(name)


def check_output(directory: Path, mark: str) -> None:
    """Raise InputError where pages cannot be written: a file, or what holds something without the file `mark`."""
    check_directory(directory, "output")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / mark).is_file():
        raise InputError(f"output {str(directory)!r} is not empty and has no {mark}; name another directory")


def _script(text: str) -> str:
    """Keep a script from ending the element that it is in."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
