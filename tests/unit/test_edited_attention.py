"""Blocks that edit a model's attention: nested, left by an error, in threads, in generators; then all is as before."""

import copy
import gc
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier, Event

import pytest
import torch

from darksecrets.corpora import glue
from darksecrets.errors import InputError
from darksecrets.models import attention, edited_attention, finetuning, importance
from darksecrets.models.ablation import disabled, mean_outputs
from darksecrets.models.edited_attention import edited, is_edited
from darksecrets.models.sweep import sweep
from tests.conftest import write_task
from tests.small_classifiers import EDITABLE, OWN_WAY, batch_of, classifier, encoded, hidden, logits
from tests.small_classifiers import checkpoint as small

FIRST, SECOND = [(0, 1), (2, 0)], [(1, 2)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return small(tmp_path_factory, "bert")


@pytest.fixture
def model(bert):
    return bert.encoder()


@pytest.fixture(scope="module")
def batch(bert):
    return batch_of(bert, encoded(bert))


def with_heads(model, batch, heads, instead="uniform"):
    with disabled(model, heads, instead):
        return hidden(model, batch)


def is_as_before(model, batch, plain):
    return (
        model.config._attn_implementation == "sdpa"
        and not is_edited(model)
        and torch.equal(hidden(model, batch), plain)
    )


@pytest.mark.parametrize("family", EDITABLE)
def test_every_layer_is_handed_over_once_in_order_and_an_edit_of_nothing_changes_nothing(family, tmp_path_factory):
    checkpoint = small(tmp_path_factory, family)
    model, batch = checkpoint.encoder(), batch_of(checkpoint, encoded(checkpoint))
    plain, seen = hidden(model, batch), []
    n_examples, length = batch.mask.shape
    with edited(model, lambda found: seen.append(found)):
        torch.testing.assert_close(hidden(model, batch)[batch.mask], plain[batch.mask], atol=2e-5, rtol=0)
        hidden(model, batch)
    assert [found.layer for found in seen] == [*range(checkpoint.n_layers)] * 2, "each pass begins with layer 0"
    for found in seen:
        assert found.maps.shape == (n_examples, checkpoint.n_heads, length, length)
        assert found.context.shape[:3] == (n_examples, length, checkpoint.n_heads)
        torch.testing.assert_close((found.maps @ found.values).transpose(1, 2), found.context)
        assert found.allowed is not None
        assert not found.allowed[2, ..., len(encoded(checkpoint)[2]) :].any(), "padding may be attended to"
    assert torch.equal(hidden(model, batch), plain)


def test_nested_blocks_add_up_the_inner_one_wins_and_the_outer_one_comes_back(model, batch):
    plain, outer, both = hidden(model, batch), with_heads(model, batch, FIRST), with_heads(model, batch, FIRST + SECOND)
    zero = with_heads(model, batch, FIRST, "zero")
    with disabled(model, FIRST):
        with disabled(model, SECOND):
            assert torch.equal(hidden(model, batch), both)
        assert torch.equal(hidden(model, batch), outer)
        with disabled(model, FIRST, "zero"):
            assert torch.equal(hidden(model, batch), zero)
        with disabled(model, []):
            assert torch.equal(hidden(model, batch), outer)
        assert torch.equal(hidden(model, batch), outer)
    assert is_as_before(model, batch, plain)
    assert len({float(states.sum()) for states in (plain, outer, both, zero)}) == 4


def test_two_models_have_their_own_blocks(bert, model, batch):
    other = copy.deepcopy(model)
    plain, first, second = hidden(model, batch), with_heads(model, batch, FIRST), with_heads(model, batch, SECOND)
    with disabled(model, FIRST):
        assert torch.equal(hidden(other, batch), plain)
        with disabled(other, SECOND):
            assert torch.equal(hidden(model, batch), first)
            assert torch.equal(hidden(other, batch), second)
        assert is_as_before(other, batch, plain)
        assert torch.equal(hidden(model, batch), first)
    assert is_as_before(model, batch, plain)


def test_a_classifier_and_its_encoder_are_one_model(bert, batch):
    model = classifier(bert, 2)
    with disabled(model, FIRST):
        expected = logits(model, batch)
    with disabled(model.base_model, FIRST):
        assert torch.equal(logits(model, batch), expected)
        with disabled(model, SECOND):
            both = logits(model, batch)
    with disabled(model, FIRST + SECOND):
        assert torch.equal(logits(model, batch), both)


def test_after_an_error_in_the_block_or_in_the_midst_of_a_pass_the_model_is_as_before(model, batch):
    plain, first = hidden(model, batch), with_heads(model, batch, FIRST)
    with pytest.raises(ZeroDivisionError), disabled(model, FIRST), disabled(model, SECOND):
        1 / 0  # noqa: B018
    assert is_as_before(model, batch, plain)

    def stop(found):
        if found.layer == 1:
            raise ZeroDivisionError

    with disabled(model, FIRST):
        with pytest.raises(ZeroDivisionError), edited(model, stop):
            hidden(model, batch)
        assert torch.equal(hidden(model, batch), first), "layers are counted anew after a pass that was broken off"
    assert is_as_before(model, batch, plain)
    assert not model._forward_pre_hooks


def test_another_attention_function_comes_back(model, batch):
    model.set_attn_implementation("eager")
    with disabled(model, FIRST), disabled(model, SECOND):
        pass
    assert model.config._attn_implementation == "eager"


def opened(model, heads):
    with disabled(model, heads):
        yield


def test_a_generator_left_open_closes_its_block_when_it_goes(model, batch):
    plain, first = hidden(model, batch), with_heads(model, batch, FIRST)
    generator = opened(model, FIRST)
    next(generator)
    assert torch.equal(hidden(model, batch), first)
    del generator
    gc.collect()
    assert is_as_before(model, batch, plain)


def test_generators_may_close_in_any_order(model, batch):
    plain, second = hidden(model, batch), with_heads(model, batch, SECOND)
    generator = opened(model, FIRST)
    next(generator)
    with disabled(model, SECOND):
        generator.close()
        assert torch.equal(hidden(model, batch), second), "the block that is still open lost its heads"
    assert is_as_before(model, batch, plain)
    assert torch.equal(with_heads(model, batch, SECOND), second), "the block that is closed still has its heads"


def test_a_generator_may_be_closed_by_another_thread(model, batch):
    plain, second = hidden(model, batch), with_heads(model, batch, SECOND)
    generator = opened(model, FIRST)
    next(generator)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(generator.close).result()
    assert is_as_before(model, batch, plain)
    assert torch.equal(with_heads(model, batch, SECOND), second)


N_BLOCKS = 10


def test_threads_disable_different_heads_of_one_model_at_once(model, batch):
    """And a thread without a block, passing at the same time, sees the model undisturbed."""
    plain = hidden(model, batch)
    expected = {name: with_heads(model, batch, heads) for name, heads in (("first", FIRST), ("second", SECOND))}
    start = Barrier(3)

    def work(block, expected):
        """Enter and leave the block again and again; return how far its passes are from what they should be."""
        differences = []
        for _ in range(N_BLOCKS):
            start.wait()
            with block():
                differences += [(hidden(model, batch) - expected)[batch.mask].abs().max() for _ in range(4)]
        return max(map(float, differences))

    blocks = {"first": lambda: disabled(model, FIRST), "second": lambda: disabled(model, SECOND), "none": nullcontext}
    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(work, block, {**expected, "none": plain}[name]) for name, block in blocks.items()]
        differences = [one.result() for one in running]
    assert max(differences) < 1e-5, differences
    assert min(float((states - plain).abs().max()) for states in expected.values()) > 0.01
    assert is_as_before(model, batch, plain)


def test_the_last_thread_out_puts_the_attention_function_back(model, batch):
    entered, leave = Event(), Event()

    def stay():
        with disabled(model, FIRST):
            entered.set()
            leave.wait(10)
            return hidden(model, batch)

    first = with_heads(model, batch, FIRST)
    with ThreadPoolExecutor(1) as thread:
        with disabled(model, SECOND):
            staying = thread.submit(stay)
            assert entered.wait(10)
        assert is_edited(model)
        assert model.config._attn_implementation == edited_attention.NAME
        leave.set()
        assert torch.equal(staying.result(), first)
    assert not is_edited(model)
    assert model.config._attn_implementation == "sdpa"


def test_a_pass_that_another_threads_block_interrupts_keeps_its_padding_out(model, batch):
    """Its mask was made for the function with which it began."""
    plain, entered, leave = hidden(model, batch), Event(), Event()
    edited_attention.check(model)  # which passes through the model itself

    def stay():
        with disabled(model, FIRST):
            entered.set()
            leave.wait(10)

    with ThreadPoolExecutor(1) as thread:

        def interrupt(*_):
            thread.submit(stay)
            assert entered.wait(10)

        hook = model.encoder.layer[1].register_forward_pre_hook(interrupt)
        interrupted = hidden(model, batch)
        hook.remove()
        leave.set()
    torch.testing.assert_close(interrupted[batch.mask], plain[batch.mask], atol=1e-5, rtol=0)


def test_reading_maps_and_predicting_inside_a_block_keep_the_heads_disabled(bert, tmp_path):
    split = glue.load("STS-B", "dev", write_task(tmp_path, "STS-B", 8))
    model = classifier(bert, 1)
    examples = attention.encode(bert.tokenizer, split.examples)
    batch = batch_of(bert, examples)
    before = finetuning.predict(model, bert.tokenizer, split)
    with disabled(model, FIRST):
        expected = logits(model, batch)[:, 0].numpy()
        maps = attention.read_maps(model, batch)
        after_reading = logits(model, batch)[:, 0].numpy()
        predicted = finetuning.predict(model, bert.tokenizer, split)
        again = attention.read_maps(model, batch)
    assert abs(expected - before).min() > 1e-3
    assert (expected == after_reading).all()
    assert predicted == pytest.approx(expected, abs=1e-5)
    assert finetuning.predict(model, bert.tokenizer, split) == pytest.approx(before, abs=1e-6)
    assert torch.equal(maps, again)
    for row, example in enumerate(examples):
        own = maps[row][tuple(zip(*FIRST, strict=True))][:, : len(example)]
        assert (own[..., : len(example)] - 1 / len(example)).abs().max() < 1e-6
        assert own[..., len(example) :].abs().max() == 0


WAYS_IN = {
    "edited": lambda model, checkpoint, examples: edited(model, print).__enter__(),
    "disabled": lambda model, checkpoint, examples: disabled(model, []).__enter__(),
    "sweep": lambda model, checkpoint, examples: sweep(model, checkpoint.tokenizer, examples, [[(0, 0)]]),
    "mean_outputs": lambda model, checkpoint, examples: mean_outputs(model, checkpoint.tokenizer, examples),
    "gradient_importance": lambda model, checkpoint, examples: importance.gradient_importance(
        model, checkpoint.tokenizer, examples, [0] * len(examples)
    ),
}


@pytest.mark.parametrize("family", OWN_WAY)
def test_encoders_that_take_no_attention_function_are_refused_by_all_ways_in(family, tmp_path_factory):
    checkpoint = small(tmp_path_factory, family)
    examples = encoded(checkpoint)
    for name, enter in WAYS_IN.items():
        for model in (checkpoint.encoder(), checkpoint.classifier(2)):
            before = model.config._attn_implementation
            for _ in range(2):
                with pytest.raises(InputError, match=r"takes no attention function.* BERT, RoBERTa, .* do$") as caught:
                    enter(model, checkpoint, examples)
                assert "\n" not in str(caught.value), name
            assert model.config._attn_implementation == before
            assert not is_edited(model)
