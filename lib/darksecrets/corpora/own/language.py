"""Whether kinds of words can be looked for in texts of one's own: the parser knows English and nothing else.

It gives an analysis of any text, in any language, so it has to be asked before. English is told by its commonest words
that other languages do not share: about a quarter of the words of English prose, and next to none of another language.
"""

import re
from collections.abc import Sequence

from darksecrets.corpora import linguistics
from darksecrets.corpora.annotation import Sentence
from darksecrets.corpora.glue import Split
from darksecrets.errors import InputError
from darksecrets.runs import Store

GUESS, YES, NO = "guess", "yes", "no"
CHOICES = {GUESS: "if the texts read as English", YES: "always", NO: "never"}
ENGLISH = frozenset(
    (
        *("the", "and", "of", "to", "is", "that", "it", "with", "not", "are", "this", "be", "his", "her", "they"),
        *("from", "which", "who", "what", "how", "when", "would", "could", "there", "their", "has", "had", "were"),
        *("you", "been", "by", "at", "or", "an", "your", "my", "than", "then", "does", "did"),
    )
)
MOST_CHARACTERS = 1_000_000  # of a text; spaCy refuses longer ones
LEAST = 0.1  # share of such words, over all texts
WORD = re.compile(r"[^\W\d_]+")


def share_of_english(texts: Sequence[str]) -> float:
    """Return the share of all words that are among the commonest of English; 0 without a word."""
    words = [word for text in texts for word in WORD.findall(text.lower())]
    return sum(word in ENGLISH for word in words) / len(words) if words else 0.0


def check(words: str) -> None:
    """Raise InputError unless `words` is one of `CHOICES`."""
    if words not in CHOICES:
        accepted = ", ".join(f"{name} ({when})" for name, when in CHOICES.items())
        raise InputError(f"words is {words!r}; accepted are {accepted}")


def annotated(split: Split, store: Store, words: str = GUESS) -> tuple[list[tuple[Sentence, ...]], str]:
    """Return the sentences of each example, parsed, and an empty text; or without words, and the reason in a sentence.

    `words` is one of `CHOICES`. Raises InputError for another, and with "yes" where the texts cannot be parsed.
    """
    check(words)
    texts = [linguistics.texts_of(example) for example in split.examples]
    reason = _reason(texts, words)
    if not reason:
        try:
            _check_length(texts)
            return linguistics.annotated(split, "", store), ""
        except InputError as error:
            if words == YES:
                raise
            reason = f"{error}."
    nothing = [tuple(Sentence(text, (), {}) for text in of_example) for of_example in texts]
    return nothing, f"Kinds of words were not looked for: {reason}"


def _reason(texts: Sequence[Sequence[str]], words: str) -> str:
    """Say why not to look for words; an empty text where nothing speaks against it."""
    if words == NO:
        return "so it was asked."
    share = share_of_english([text for of_example in texts for text in of_example])
    if words == YES or share >= LEAST:
        return ""
    return (
        f"only {share:.0%} of the words are common English ones, and the parser knows English alone. If the texts are "
        f"English after all, set words to {YES}."
    )


def _check_length(texts: Sequence[Sequence[str]]) -> None:
    longest = max(len(text) for of_example in texts for text in of_example)
    if longest > MOST_CHARACTERS:
        raise InputError(
            f"a text has {longest:,} characters, more than the {MOST_CHARACTERS:,} that the parser takes; shorten it"
        )
