"""What importing the figures must not cost."""

import subprocess
import sys


def test_no_grammar_of_web_addresses_is_built_for_charts():
    told = "import sys, darksecrets.figures.publish; print('rfc3987_syntax' in sys.modules, 'altair' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True"]
