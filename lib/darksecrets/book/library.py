"""The API reference, written from the source of the library: signatures and docstrings, without importing anything.

Docstrings are Markdown here, so they go into the pages as they are. A title of a page in italics becomes a link.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import darksecrets

PACKAGES = ("corpora", "models", "figures", "sections", "overview", "apps", "book")  # in the order of their imports
OTHERS = "others"  # the modules beside the packages
LIBRARY = Path(darksecrets.__file__).parent
ITALIC = re.compile(r"(?<![*\w])\*(?=[^\s*])([^*]+)\*(?![*\w])")
TAG = re.compile(r"<(?=[A-Za-z/!])")
CODE = re.compile(r"(`+[^`]*`+)")
KEPT_LINES = "\b"  # where a docstring of a command says: keep the lines of this paragraph
Documented = ast.FunctionDef | ast.ClassDef


def write(folder: Path, titles: Mapping[str, str]) -> None:
    """Write `NAME-modules.md` beside each page `NAME.md` in `folder`, to be included; `titles` maps titles to pages."""
    for package in (*PACKAGES, OTHERS):
        if (folder / f"{package}.md").is_file():
            (folder / f"{package}-modules.md").write_text(reference(package, titles), encoding="utf-8")


def reference(package: str, titles: Mapping[str, str]) -> str:
    """Return the reference of a package's modules as MyST: what is public, in the order of the files."""
    return "\n\n".join(block for path in modules(package) for block in _module(path, titles)) + "\n"


def modules(package: str) -> list[Path]:
    """Return the files of a package, its own docstring's first; for `OTHERS` those beside the packages."""
    if package == OTHERS:
        return [*sorted(LIBRARY.glob("[!_]*.py")), LIBRARY / "__main__.py"]
    return sorted(
        (LIBRARY / package).rglob("*.py"), key=lambda path: (path.parent, path.name != "__init__.py", path.name)
    )


def public(body: list[ast.stmt]) -> list[Documented]:
    """Return the public functions and classes of a module or class."""
    return [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")]


def _module(path: Path, titles: Mapping[str, str]) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    yield f"## {'.'.join(name.split('.')[2:]) or name}\n\n:::{{py:module}} {name}\n:::"
    yield _prose(tree, titles)
    for node in public(tree.body):
        yield _described(node, titles)


def _described(node: Documented, titles: Mapping[str, str], inside: str = "") -> str:
    """Return a function, class or member as MyST: a directive of Sphinx's Python domain, members inside their class.

    The signature is a block of plain text, and not the directive's own, of which each token would be an element: pages
    of hundreds of signatures stay light.
    """
    fence = ":::" if inside else "::::"
    kind = ("method" if inside else "function") if isinstance(node, ast.FunctionDef) else "class"
    blocks = [f"{fence}{{py:{kind}}} {node.name}", "", *_signature(node, inside), _prose(node, titles)]
    if isinstance(node, ast.ClassDef):
        blocks += [f"\n{_described(member, titles, node.name)}" for member in public(node.body)]
    return "\n".join([*blocks, fence])


def _signature(node: Documented, inside: str) -> list[str]:
    decorators = {ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in node.decorator_list}
    if decorators & {"command", "group"}:
        return []
    if isinstance(node, ast.ClassDef):
        text = f"{node.name}({_made_from(node, decorators)})"
    else:
        is_bound = inside and "staticmethod" not in decorators
        arguments = ast.unparse(_without_first(node.args) if is_bound else node.args)
        returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        text = node.name + (f"({arguments})" if not decorators & {"property", "cached_property"} else "") + returned
    return ["```{code-block} text", ":class: signature", "", text, "```", ""]


def _made_from(node: ast.ClassDef, decorators: set[str]) -> str:
    """Return what a class is made from: the fields of a dataclass or named tuple, or the arguments of `__init__`."""
    makers = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    if makers:
        return ast.unparse(_without_first(makers[0].args))
    if "dataclass" not in decorators and not any(ast.unparse(base) == "NamedTuple" for base in node.bases):
        return ""
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    return ", ".join(ast.unparse(item) for item in fields if not ast.unparse(item.target).startswith("_"))


def _without_first(arguments: ast.arguments) -> ast.arguments:
    kept = ast.arguments(**{name: getattr(arguments, name) for name in arguments._fields})
    kept.args = arguments.args[1:]
    return kept


def _prose(node: ast.Module | Documented, titles: Mapping[str, str]) -> str:
    paragraphs = (ast.get_docstring(node) or "").split("\n\n")
    return "\n\n".join(_paragraph(text, titles) for text in paragraphs)


def _paragraph(text: str, titles: Mapping[str, str]) -> str:
    if text.startswith(KEPT_LINES):
        return f"```text\n{text.removeprefix(KEPT_LINES).strip(chr(10))}\n```"

    def linked(found: re.Match[str]) -> str:
        page = titles.get(" ".join(found[1].split()))
        return f"{{doc}}`{' '.join(found[1].split())} </{page}>`" if page else found[0]

    pieces = [
        piece if piece.startswith("`") else ITALIC.sub(linked, TAG.sub("&lt;", piece)) for piece in CODE.split(text)
    ]
    return "".join(pieces)
