"""The attention pass against the plain way: one unpadded input at a time, `output_attentions=True`."""

import gc

import pytest
import torch

from darksecrets.corpora.glue import Example
from darksecrets.errors import InputError
from darksecrets.models import attention, checkpoints

PAIRS = [
    Example("0", "A cat sat.", "The cat was sitting on the old mat by the door.", 0),
    Example("1", "Nobody knows why it rained so much that long and dreary autumn in the hills.", "It rained.", 1),
    Example("2", "Yes.", "No.", 0),
    Example("3", "A dog, which had not slept, barked at the postman.", "The postman was barked at.", 1),
    Example("4", "Prices fell.", "Prices rose by 3.5 % in the second quarter of the year.", 0),
]
SINGLES = [Example(pair.id, pair.first, None, pair.label) for pair in PAIRS]


class Collect:
    """A reducer that does what no analysis may: it keeps all maps, cut to their real tokens."""

    def __init__(self):
        self.maps = {}

    def __call__(self, maps, batch):
        for row, example, own in zip(batch.rows, batch.examples, maps, strict=True):
            length = len(example)
            assert own[..., length:, :].abs().sum() == 0
            assert own[..., length:].abs().sum() == 0
            self.maps[row] = own[..., :length, :length].clone()


@pytest.mark.parametrize("examples", [PAIRS, SINGLES], ids=["pairs", "singles"])
def test_pass_equals_single_unpadded_inputs(family_directory, examples):
    checkpoint = checkpoints.load(str(family_directory))
    model, collected = checkpoint.encoder(), Collect()
    encoded = attention.encode(checkpoint.tokenizer, examples)
    attention.attention_pass(model, checkpoint.tokenizer, encoded, [collected])
    assert sorted(collected.maps) == list(range(len(examples)))
    for row, example in enumerate(examples):
        inputs = checkpoint.tokenizer(*filter(None, (example.first, example.second)), return_tensors="pt")
        with torch.inference_mode():
            plain = torch.cat(model(**inputs, output_attentions=True).attentions)
        assert plain.shape[:2] == (checkpoint.n_layers, checkpoint.n_heads)
        assert plain.std() > 0.01, "maps this flat would hide a mistake"
        torch.testing.assert_close(collected.maps[row], plain, atol=1e-6, rtol=0)


def test_padding_is_kept_only_when_asked_for(tiny_bert):
    checkpoint = checkpoints.load(tiny_bert)
    encoded = attention.encode(checkpoint.tokenizer, PAIRS)
    (batch,) = attention.batches(encoded, checkpoint.tokenizer, 12, pad_to=40)
    maps = attention.read_maps(checkpoint.encoder(), batch)
    assert maps.shape == (5, 3, 4, 40, 40)
    torch.testing.assert_close(maps.sum(-1), torch.ones(5, 3, 4, 40), msg="a padding query's row is a distribution")
    assert maps[2, ..., len(batch.examples[2]) :].abs().sum() == 0, "a padding key got attention"


def test_batches_hold_every_example_once_within_the_bounds(tiny_bert):
    tokenizer = checkpoints.load(tiny_bert).tokenizer
    words = [Example(str(n), "word " * (1 + n * 7 % 90), None, 0) for n in range(100)]
    encoded = attention.encode(tokenizer, words)
    seen = list(attention.batches(encoded, tokenizer, maps_per_example=144))
    assert sorted(row for batch in seen for row in batch.rows) == list(range(100))
    lengths = [batch.inputs["input_ids"].shape[1] for batch in seen]
    assert lengths == sorted(lengths, reverse=True)
    for batch, length in zip(seen, lengths, strict=True):
        assert length == max(len(example) for example in batch.examples), "padded beyond the batch"
        assert len(batch.examples) * 144 * length**2 <= attention.MAX_CELLS
    assert any(len(batch.examples) < attention.MAX_BATCH for batch in seen[:-1]), "the bound was never felt"


def test_long_pairs_are_cut_and_too_long_for_the_frame_is_refused(tiny_bert):
    tokenizer = checkpoints.load(tiny_bert).tokenizer
    encoded = attention.encode(tokenizer, [Example("0", "one " * 300, "two " * 20, 0)])
    assert len(encoded[0]) == attention.MAX_LENGTH
    assert sum(encoded[0].token_type_ids) == 21, "the short sentence and its [SEP] stay whole"
    with pytest.raises(InputError, match="more than pad_to=64"):
        list(attention.batches(encoded, tokenizer, pad_to=64))


@pytest.mark.parametrize("second", [None, "zero point"], ids=["a text", "a pair"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_texts_are_cut_at_the_side_that_the_tokenizer_says(tiny_bert, side, second):
    tokenizer = checkpoints.load(tiny_bert).tokenizer
    tokenizer.truncation_side = side
    words = ["one", "two", "three", "four", "five", "six"]
    (encoded,) = attention.encode(tokenizer, [Example("0", " ".join(words), second, 0)], max_length=8 if second else 5)
    kept = words[-3:] if side == "left" else words[:3]
    ends = ["[SEP]", *second.split(), "[SEP]"] if second else ["[SEP]"]
    assert tokenizer.convert_ids_to_tokens(encoded.input_ids) == ["[CLS]", *kept, *ends]
    texts = " ".join(words), second or ""
    shown = [texts[sentence][start:end] for sentence, start, end in encoded.spans if sentence >= 0]
    assert shown == [*kept, *texts[1].split()]


def test_no_maps_outlive_their_batch(tiny_bert):
    checkpoint = checkpoints.load(tiny_bert)

    class Count:
        most = 0

        def __call__(self, maps, batch):
            alive = sum(torch.is_tensor(thing) and thing.ndim == 5 for thing in gc.get_objects())
            self.most = max(self.most, alive)

    count = Count()
    encoded = attention.encode(checkpoint.tokenizer, SINGLES * 30)
    attention.attention_pass(checkpoint.encoder(), checkpoint.tokenizer, encoded, [count])
    assert count.most <= 2
