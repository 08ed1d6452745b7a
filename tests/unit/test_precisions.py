"""Which precision a processor is given."""

import pytest

from darksecrets.errors import InputError
from darksecrets.models import precisions
from darksecrets.models.setup import Setup

PROCESSORS = {
    "AMD without": ("vendor_id : AuthenticAMD\nflags : fma avx2", "float32"),
    "AMD": ("vendor_id : AuthenticAMD\nflags : fma avx2 avx512_bf16", "bfloat16"),
    "Intel": ("vendor_id : GenuineIntel\nflags : avx2 avx512_bf16", "float32"),
    "Intel with matrix units": ("vendor_id : GenuineIntel\nflags : avx2 avx512_bf16 amx_bf16 amx_tile", "bfloat16"),
    "not Linux": ("", "float32"),
}


@pytest.mark.parametrize(("described", "expected"), PROCESSORS.values(), ids=PROCESSORS)
def test_bfloat16_is_for_processors_that_are_faster_with_it(described, expected):
    assert precisions.of_processor(described) == expected


def test_a_recipe_names_what_is_computed_in(tmp_path, monkeypatch):
    described = tmp_path / "cpuinfo"
    monkeypatch.setattr(precisions, "PROCESSOR", described)
    assert precisions.chosen("auto") == "float32"  # there is no such file
    described.write_text(PROCESSORS["AMD"][0])
    for asked, given in (("auto", "bfloat16"), ("float32", "float32"), ("bfloat16", "bfloat16")):
        assert precisions.chosen(asked) == given
        assert Setup(precision=asked, store=tmp_path / "store").recipe.precision == given


def test_others_are_refused():
    with pytest.raises(InputError, match=r"^precision 'half' is unknown; accepted are float32, bfloat16 and auto$"):
        precisions.chosen("half")
    with pytest.raises(InputError, match=r"accepted are float32 and bfloat16$"):
        precisions.check("auto")
