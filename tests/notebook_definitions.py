"""What the released notebook computes, written out from its definitions: slow and obvious, one head at a time.

Words come from spaCy's parse itself and tokens from their spelling, so that nothing here depends on the library's own
links, marks or places. A head's map is an array (query, key) of one input.
"""

from functools import cache

import numpy as np
import torch

from darksecrets.corpora import linguistics

LONGEST, LONGEST_FRAME = 200, 20  # tokens that an input is padded to
PARTS = {
    "noun": ("NN", "NNP", "NNPS", "NNS"),
    "verb": ("VB", "VBD", "VBG", "VBN", "VBP", "VBZ"),
    "pronoun": ("PRP", "PRP$"),
}
ROLES = {
    "subject": ("nsubj", "nsubjpass", "csubj", "csubjpass", "agent", "expl"),
    "object": ("dobj", "iobj", "dative", "attr", "oprd"),
}
NEGATIONS = (
    *("neither", "nor", "not", "never", "none", "don't", "won't", "didn't", "hadn't", "haven't", "can't", "isn't"),
    *("wasn't", "shouldn't", "couldn't", "nothing", "nowhere"),
)
FEATURES = (*PARTS, *ROLES, "negation", "[CLS]", "[SEP]")


def read(model, tokenizer, first, second="", longest=LONGEST):
    """Return an input's tokens, and its maps (layer, head, query, key) with the rows and columns of the padding."""
    one, other = (tokenizer.tokenize(text) for text in (first, second))
    while len(one) + len(other) > longest - 3:
        (one if len(one) > len(other) else other).pop()
    tokens = ["[CLS]", *one, "[SEP]", *([*other, "[SEP]"] if other else [])]
    n_padding = longest - len(tokens)
    n_second = len(other) + 1 if other else 0
    inputs = {
        "input_ids": tokenizer.convert_tokens_to_ids(tokens) + [0] * n_padding,
        "attention_mask": [1] * len(tokens) + [0] * n_padding,
        "token_type_ids": [0] * (len(tokens) - n_second) + [1] * n_second + [0] * n_padding,
    }
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        tensors = {name: torch.tensor([values]) for name, values in inputs.items()}
        maps = torch.cat(model(**tensors, output_attentions=True).attentions)
    return tokens, maps.numpy()


def feature(one_map, tokens, tokenizer, texts, name):
    """Return the attention that a kind of word receives in texts, None where the input is skipped."""
    if name in ("[CLS]", "[SEP]"):
        pieces = [name]
    else:
        words = [word for text in texts for word in _words(text, name)]
        if name == "negation" and not words:
            return None
        pieces = [piece for word in words for piece in tokenizer.tokenize(word)]
    received = [0.0]
    for key, token in enumerate(tokens):
        if token in pieces:
            received.append(sum(one_map[query, key] for query in range(len(tokens))) / len(tokens))
    return max(received)


def link(one_map, tokens, tokenizer, texts):
    """Return the weights from verb to subject and from subject to verb."""
    verbs, subjects = [], []
    for text in texts:
        for token in _parsed(text):
            if token.dep_ == "nsubj" and token.head.pos_ == "VERB":
                subjects += tokenizer.tokenize(token.text)
                verbs += tokenizer.tokenize(token.head.text)
    of_verbs = [place for place, token in enumerate(tokens) if token in verbs]
    of_subjects = [place for place, token in enumerate(tokens) if token in subjects]
    pairs = list(zip(of_verbs, of_subjects, strict=False))
    return (
        max((one_map[verb, subject] for verb, subject in pairs), default=0.0),
        max((one_map[subject, verb] for verb, subject in pairs), default=0.0),
    )


def frame(one_map, tokens, tokenizer, target, elements):
    """Return the weight from the texts of a target's elements to the text of the target."""
    of_target = [tokens.index(piece) for piece in tokenizer.tokenize(target)]
    of_elements = [tokens.index(piece) for element in elements for piece in tokenizer.tokenize(element)]
    return max(one_map[source, place] for source, place in zip(of_elements, of_target, strict=False))


def cosine(one_map, other_map):
    """Return the cosine similarity of two maps, padding and all."""
    one, other = (np.asarray(values, dtype=float).ravel() for values in (one_map, other_map))
    return (one @ other) / np.sqrt((one @ one) * (other @ other))


def _words(text, name):
    if name == "negation":
        return [word for word in NEGATIONS if word in text]
    if name in PARTS:
        return [token.text for token in _parsed(text) if token.tag_ in PARTS[name]]
    return [token.text for token in _parsed(text) if token.dep_ in ROLES[name]]


@cache
def _parsed(text):
    return linguistics.parser()(text)
