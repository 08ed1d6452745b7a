"""One input, looked at closely: its tokens and maps, what its heads attend to, and its answer with heads disabled.

What the explorer shows and a program can ask for; nothing here draws. Explained in the chapter *The explorer*.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from darksecrets.corpora import linguistics
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.annotation import FEATURES, Sentence
from darksecrets.corpora.glue import Example, Task
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.models import ablation, attention, feature_attention, pattern_classifier
from darksecrets.models.ablation import Head, disabled
from darksecrets.models.alignment import word_pieces
from darksecrets.models.attention import Batch, Encoded
from darksecrets.models.edited_attention import use_attention
from darksecrets.models.setup import Setup
from darksecrets.models.sweep import sweep
from darksecrets.sections.fine_tuning import cosine
from darksecrets.sections.patterns import PatternsOfMaps

CHECKPOINTS = (BEFORE, AFTER)
MOST_TOKENS = 512  # as many as BERT has places for
KEPT_WEIGHTS = 2**25  # of all maps that are kept for coming back to: 128 MB
SCORE = "score, 0 to 5"  # what a regression answers


@dataclass(frozen=True)
class Reading:
    """What a model made of an input, with some heads disabled: `maps` (layer, head, query, key), and `outputs`: a
    probability per label, or a score; None of a model without an output layer.
    """

    maps: np.ndarray
    outputs: np.ndarray | None


class Exploration:
    """An input, read by a task's fine-tuned model and by the one that it was fine-tuned from.

    `task`, `checkpoint` (`pre-trained` or `fine-tuned`), the sentences `first` and `second`, and the heads that are
    `disabled` are what is being looked at; `look` changes any of them. Models are loaded, and inputs read, when they
    are first asked for, once for each input and set of disabled heads. Layers and heads are counted from 0.
    """

    def __init__(self, setup: Setup, task: str | None = None, seed: int | None = None) -> None:
        self.setup, self.seed = setup, setup.seeds[0] if seed is None else seed
        self.task, self.checkpoint = task or setup.tasks[0], AFTER
        self.first, self.second = "", ""
        self.disabled: frozenset[Head] = frozenset()
        self.notes: tuple[str, ...] = ()  # what was done to the input, in sentences
        self._models: dict[str, PreTrainedModel] = {}
        self._kept: OrderedDict[tuple, Reading] = OrderedDict()
        example = setup.split(self.task, "dev").examples[0]
        self.look(first=example.first, second=example.second or "")

    def look(
        self,
        task: str | None = None,
        checkpoint: str | None = None,
        first: str | None = None,
        second: str | None = None,
        disabled: Collection[Head] | None = None,
    ) -> None:
        """Look at something else; what is not given stays.

        Raises `InputError` and changes nothing for an unknown task or checkpoint, an empty first sentence, and heads
        that the model does not have. An input of over 512 tokens is cut, which `notes` tells.
        """
        task, checkpoint = task or self.task, checkpoint or self.checkpoint
        for name, value, accepted in (("task", task, self.setup.tasks), ("checkpoint", checkpoint, CHECKPOINTS)):
            if value not in accepted:
                raise InputError(f"{name} {value!r} is not here; accepted are {', '.join(accepted)}")
        first = (self.first if first is None else first).strip()
        second = (self.second if second is None else second).strip()
        if not first:
            raise InputError("the first sentence is empty: type at least one word")
        heads = self.disabled if disabled is None else frozenset(disabled)
        ablation.grouped(self.model(BEFORE), heads)  # refuses heads that the model does not have
        encoded, notes = self._encoded(first, second)
        if not any(sentence == 0 for sentence, *_ in encoded.spans):
            raise InputError("the tokenizer finds no word in the first sentence: type at least one")
        self.task, self.checkpoint, self.first, self.second = task, checkpoint, first, second
        self.disabled, self.encoded, self.notes = heads, encoded, notes

    @property
    def tokens(self) -> list[str]:
        """The input as the model reads it."""
        return self.setup.load().tokenizer.convert_ids_to_tokens(self.encoded.input_ids)

    @property
    def second_start(self) -> int | None:
        """The place of the second sentence's first token; None where there is one sentence."""
        return next((place for place, (sentence, *_) in enumerate(self.encoded.spans) if sentence == 1), None)

    @property
    def reading(self) -> Reading:
        """What the chosen checkpoint makes of the input with the disabled heads."""
        return self.read(self.checkpoint, self.disabled)

    def read(self, checkpoint: str, heads: Collection[Head] = ()) -> Reading:
        """Return what a checkpoint makes of the input with some heads disabled; computed once."""
        model = self.model(checkpoint)
        key = (checkpoint == AFTER and self.task, self.encoded.input_ids, self.encoded.token_type_ids, frozenset(heads))
        if key not in self._kept:
            self._kept[key] = _read(model, self._batch, heads)
            while len(self._kept) > 1 and sum(one.maps.size for one in self._kept.values()) > KEPT_WEIGHTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def model(self, checkpoint: str) -> PreTrainedModel:
        """Open the task's classifier, or the encoder that it was fine-tuned from; opened once."""
        name = self.task if checkpoint == AFTER else BEFORE
        if name not in self._models:
            is_tuned = checkpoint == AFTER
            self._models[name] = self.setup.finetuned(self.task, self.seed) if is_tuned else self.setup.load().encoder()
        return self._models[name]

    def answers(self) -> pd.DataFrame:
        """Return the classifier's answer: one row per label, or one for a score, undisturbed and with heads disabled.

        Columns: answer, `undisturbed`, `disabled`; probabilities, or the score. The pre-trained model has no answers.
        """
        plain, changed = (self.read(AFTER, heads).outputs for heads in ((), self.disabled))
        return pd.DataFrame({"answer": list(labels(TASKS[self.task])), "undisturbed": plain, "disabled": changed})

    def effects(self) -> pd.DataFrame:
        """Disable each head of the classifier alone and see how far that moves its answer, by one sweep.

        One row per head, the largest effect first: layer, head, `answer` (the undisturbed model's), its probability
        `undisturbed` and `disabled`, or the score, and their difference `change`.
        """
        outputs = _without_each_head(self, [self.encoded])[:, 0]
        place = int(outputs[0].argmax())
        heads = ablation.all_heads(self.model(AFTER))
        table = pd.DataFrame(heads, columns=["layer", "head"]).assign(
            answer=labels(TASKS[self.task])[place], undisturbed=outputs[0, place], disabled=outputs[1:, place]
        )
        table["change"] = table["disabled"] - table["undisturbed"]
        return table.sort_values("change", key=np.abs, ascending=False, kind="stable", ignore_index=True)

    def patterns(self) -> pd.DataFrame:
        """Return the pattern of each map that is looked at: layer, head, pattern, confidence (0 to 1)."""
        reducer = PatternsOfMaps(self._patterns, self.setup.load().tokenizer.sep_token_id)
        reducer(torch.from_numpy(self.reading.maps)[None], self._batch)
        return reducer.table().drop(columns="example")

    def features(self, layer: int, head: int) -> pd.DataFrame:
        """Return the features found in the input, and what share of a head's attention goes to each.

        Columns: feature, `found` (its words), attention (to the word that receives most, as in Section 4.4).
        """
        texts = (self.first, self.second) if self.second else (self.first,)
        sentences, tokenizer = linguistics.annotate(texts), self.setup.load().tokenizer
        marks = feature_attention.marks(self.encoded, sentences, tokenizer)
        received = feature_attention.from_all(torch.from_numpy(self.reading.maps)[None], self._batch)
        most = feature_attention.largest(received[:, layer : layer + 1, head : head + 1], [marks])[0, 0, 0]
        words = self._words(sentences)
        for special in (feature_attention.CLS, feature_attention.SEP, feature_attention.SEP_SUM):
            words[special] = [self.tokens[place] for name, pieces in marks if name == special for place in pieces]
        table = pd.DataFrame({"feature": feature_attention.FEATURE_COLUMNS, "attention": most.tolist()})
        table.insert(1, "found", [", ".join(words.get(feature, [])) for feature in table["feature"]])
        return table[table["attention"].notna()].reset_index(drop=True)

    def similarity(self) -> np.ndarray:
        """Cosine similarity of each head's maps before and after fine-tuning, nothing disabled: (layer, head)."""
        before, after = (torch.from_numpy(self.read(checkpoint).maps) for checkpoint in CHECKPOINTS)
        return cosine(before, after).numpy()

    def prepare(self) -> None:
        """Load what is otherwise loaded when it is first asked for, so that the first answer is as quick as others."""
        self.patterns()
        self.similarity()
        self.features(0, 0)

    @cached_property
    def _patterns(self) -> pattern_classifier.PatternClassifier:
        return pattern_classifier.load()

    @property
    def _batch(self) -> Batch:
        return attention.collate([self.encoded], self.setup.load().tokenizer, len(self.encoded))

    def _encoded(self, first: str, second: str) -> tuple[Encoded, tuple[str, ...]]:
        tokenizer, example = self.setup.load().tokenizer, [Example("0", first, second or None, 0)]
        room = min(MOST_TOKENS, attention.longest_input(self.model(BEFORE)))
        (whole,) = attention.encode(tokenizer, example, None)
        if len(whole) <= room:
            return whole, ()
        (encoded,) = attention.encode(tokenizer, example, room)
        return encoded, (f"The text has {len(whole):,} tokens. The model reads at most {room}; the rest was cut off.",)

    def _words(self, sentences: Sequence[Sentence]) -> dict[str, list[str]]:
        """Return the words of each feature that the model reads at least in part."""
        pieces = word_pieces(self.encoded, sentences)
        return {
            feature: [
                sentence.words[place].text
                for sentence, of_words in zip(sentences, pieces, strict=True)
                for place in sentence.places(feature)
                if of_words[place]
            ]
            for feature in FEATURES
        }


def labels(task: Task) -> tuple[str, ...]:
    """Name what a task's classifier answers: its labels, or the score."""
    return (SCORE,) if task.labels is None else task.labels


def outputs_of(logits: torch.Tensor) -> np.ndarray:
    """Turn logits (..., output) into probabilities, or leave a score as it is."""
    return (logits if logits.shape[-1] == 1 else logits.softmax(-1)).cpu().numpy()


def most_moved(setup: Setup, task: str, n_examples: int = 20, max_tokens: int = 24) -> Exploration:
    """Open, of the first short validation examples of a task, the one whose answer a single head moves most.

    That head is disabled. `max_tokens` says what short is; where nothing is, any length will do.
    """
    exploration, examples = Exploration(setup, task), setup.split(task, "dev").examples
    encoded = attention.encode(setup.load().tokenizer, examples)
    tried = ([one for one in encoded if len(one) <= max_tokens] or encoded)[:n_examples]
    outputs = _without_each_head(exploration, tried)
    answers = outputs[0].argmax(-1)
    places = np.arange(len(tried))
    changes = np.abs(outputs[1:, places, answers] - outputs[0, places, answers])
    head, place = np.unravel_index(changes.argmax(), changes.shape)
    example = examples[tried[place].row]
    disabled = [ablation.all_heads(exploration.model(AFTER))[head]]
    exploration.look(first=example.first, second=example.second or "", disabled=disabled)
    return exploration


def _without_each_head(exploration: Exploration, encoded: Sequence[Encoded]) -> np.ndarray:
    """Answer inputs with nothing and then with each head disabled, by one sweep: (set, input, output)."""
    model, tokenizer = exploration.model(AFTER), exploration.setup.load().tokenizer
    sets = [[], *([head] for head in ablation.all_heads(model))]
    numbered = [replace(one, row=row) for row, one in enumerate(encoded)]
    return outputs_of(torch.from_numpy(sweep(model, tokenizer, numbered, sets).logits))


def _read(model: PreTrainedModel, batch: Batch, heads: Collection[Head]) -> Reading:
    use_attention(model, "eager")  # the default implementation computes no maps
    with disabled(model, heads) if heads else torch.inference_mode(), torch.inference_mode():
        found = model(**batch.on(model), output_attentions=True)
    maps = torch.stack(found.attentions, dim=1)[0].cpu().numpy()
    logits = getattr(found, "logits", None)
    return Reading(maps, None if logits is None else outputs_of(logits[0]))


def described(exploration: Exploration) -> pd.DataFrame:
    """Say what is looked at: part (sentence, tokens) and text, a row each."""
    rows = [("first sentence", exploration.first), ("second sentence", exploration.second)]
    rows = [row for row in rows if row[1]]
    return pd.DataFrame([*rows, ("tokens", " ".join(exploration.tokens))], columns=["part", "text"])


def finding(exploration: Exploration) -> str:
    """Say in a sentence what the disabled heads do to the answer."""
    table = exploration.answers()
    before, after = (int(table[column].argmax()) for column in ("undisturbed", "disabled"))
    first, last = (table[column][before] for column in ("undisturbed", "disabled"))
    n_heads = len(exploration.disabled)
    disabled = "one head" if n_heads == 1 else f"{n_heads} heads"
    what = "the score" if len(table) == 1 else f'the probability of "{table["answer"][before]}"'
    turned = "" if before == after else f', and the answer turns to "{table["answer"][after]}"'
    return f"on one input, disabling {disabled} moves {what} from {first:.3f} to {last:.3f}{turned}."
