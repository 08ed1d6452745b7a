"""Names that columns of labelled text commonly have, in letters of lower case, the likeliest first."""

LABELS = (
    *("label_text", "label_name", "label", "labels", "gold_label", "class", "class_name", "category", "target", "y"),
    *("intent", "sentiment", "emotion", "rating", "stars", "score", "quality"),
)
TEXTS = (
    *("text", "sentence", "review", "content", "body", "comment", "utterance", "tweet", "document", "message"),
    *("question", "query", "title"),
)
PAIRS = (
    *(("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence")),
    *(("question", "passage"), ("question", "context"), ("query", "passage"), ("text1", "text2"), ("text_a", "text_b")),
    *(("text", "text_pair"), ("text", "second"), ("first", "second"), ("#1 string", "#2 string")),
)
NUMBERS = (  # of columns that number the rows
    *("id", "idx", "index", "guid", "uid", "row", "number", "unnamed: 0", "__index_level_0__", ""),
)
KNOWN = frozenset((*LABELS, *TEXTS, *NUMBERS, *(name for pair in PAIRS for name in pair))) - {""}
