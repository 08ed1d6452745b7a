"""What turns a build into something to publish: licences in the footer, buttons that lead to the repository, and one
archive of the pages.
"""

import hashlib
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import darksecrets
from darksecrets.errors import InputError

ARCHIVES = Path("_build/archive")
ENCLOSED = ("LICENSE", "LICENSE-TEXT.md", "CITATION.cff", "CHANGELOG.md")  # what goes with the pages
REPOSITORY = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")
BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")
LAUNCHERS = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}
FOOTER = (
    "<p>Version {version}. Text, figures and data: "
    '<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>; code: '
    '<a href="https://spdx.org/licenses/MIT.html">MIT</a>.</p>'
)
# The first time that a zip file can hold: every file gets it, so that archives are equal.
OLDEST = (1980, 1, 1, 0, 0, 0)
NOT_PAGES = (".buildinfo", ".doctrees")  # Sphinx's own notes


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return Jupyter Book's configuration with the footer, and with buttons if `repository: url:` is set.

    The buttons are links: no page loads anything by them. They lead to the repository, its issues, the page's source,
    and for a notebook to Binder and Colab.
    """
    html = config.get("html", {}) | {"extra_footer": FOOTER.format(version=darksecrets.__version__)}
    repository = config.get("repository") or {}
    address = str(repository.get("url") or "").removesuffix("/").removesuffix(".git")
    if not address:
        return config | {"html": html}
    if not REPOSITORY.fullmatch(address):
        raise InputError(
            f"_config.yml: repository url {address!r} cannot be used; write https://github.com/OWNER/NAME, or leave it "
            "empty for a book without buttons"
        )
    repository = {"branch": "main", "path_to_book": ""} | repository | {"url": address}
    return config | {
        "html": html | dict.fromkeys(BUTTONS, True),
        "repository": repository,
        "launch_buttons": LAUNCHERS,
    }


def archive(root: Path, html: Path) -> Path:
    """Write the pages in `html`, with licences and citation, as one zip file; return it.

    The same pages give the same bytes. Its SHA-256 stands beside it, in the form that `sha256sum --check` reads.
    """
    name = f"darksecrets-book-{darksecrets.__version__}"
    pages = {path.relative_to(html).as_posix(): path for path in html.rglob("*") if path.is_file()}
    files = {place: path for place, path in pages.items() if place.split("/")[0] not in NOT_PAGES}
    files |= {place: root / place for place in ENCLOSED if (root / place).is_file()}
    target = root / ARCHIVES / f"{name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    sums = target.with_name(f"{target.name}.sha256")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed:
            for place, path in sorted(files.items()):
                entry = zipfile.ZipInfo(f"{name}/{place}", OLDEST)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                packed.writestr(entry, path.read_bytes())
        sha256 = hashlib.sha256(partial.read_bytes()).hexdigest()
        sums.unlink(missing_ok=True)  # a sum that is there is that of the archive beside it
        partial.replace(target)
        sums.write_text(f"{sha256}  {target.name}\n")
    finally:
        partial.unlink(missing_ok=True)
    return target
