"""An untrained BERT-base: a checkpoint like any other, in the paper's shape."""

import pytest
import torch

from darksecrets.errors import InputError
from darksecrets.models import attention, checkpoints
from darksecrets_upkeep import untrained


def test_it_has_the_shape_of_the_papers_model_and_can_be_read(tmp_path):
    opened = checkpoints.load(str(untrained.write(tmp_path / "bert")))
    assert (opened.n_layers, opened.n_heads) == (12, 12)
    assert 109e6 < opened.n_parameters < 110e6
    tokens, maps = attention.maps_of(opened.encoder(), opened.tokenizer, "He was becoming agitated.")
    assert tokens == ["[CLS]", "he", "was", "becoming", "agitated", ".", "[SEP]"]
    assert maps.shape == (12, 12, 7, 7)
    weights = torch.cat([weight.flatten() for weight in opened.encoder().encoder.parameters() if weight.dim() == 2])
    assert weights.std().item() == pytest.approx(checkpoints.BERT_STANDARD_DEVIATION, rel=0.01)
    with pytest.raises(InputError, match="is there already"):
        untrained.write(tmp_path / "bert")
