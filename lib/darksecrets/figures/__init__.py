"""Tables in, charts and views out."""

import sys

# Altair checks charts with jsonschema, which on import builds a grammar of international web addresses (about a second
# for each page) where it finds the package that holds it. No chart has such an address, so jsonschema does not find it.
_held = {"rfc3987_syntax": None} if "jsonschema" not in sys.modules and "rfc3987_syntax" not in sys.modules else {}
sys.modules |= _held  # a module that is None cannot be imported
import jsonschema  # noqa: E402, F401

for _name in _held:
    del sys.modules[_name]
