"""Fine-tuned classifiers as people have them, tiny and with random weights, and labelled text for each."""

import pandas as pd
import torch
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import RobertaProcessing
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

from darksecrets.apps import own_report
from darksecrets.models import checkpoints
from darksecrets.models.quiet import quiet
from tests.conftest import SMALL, save_encoder
from tests.small_classifiers import classifier

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
FIVE = ("awful", "bad", "fair", "good", "great")
N_ROWS = 40


def texts(row):
    return f"Number {row} is long{' and longer' * (row % 7)}.", f"I say {'yes' if row % 3 else 'no, not that'}."


def save(directory, model, tokenizer):
    """Write a classifier as `save_pretrained` does; return its directory."""
    with quiet():
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    return str(directory)


def spread(model, tokenizer, pairs):
    """Let a classifier's answers differ over these texts, so that it answers none of its classes to all of them."""
    firsts, seconds = zip(*pairs, strict=True)
    inputs = tokenizer(list(firsts), list(seconds) if seconds[0] else None, padding=True, return_tensors="pt")
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        logits = model(**inputs).logits
        last.bias.sub_(logits.mean(0)).div_(logits.std(0))
        last.weight.div_(logits.std(0)[:, None])
    return model


def predicted(directory, pairs):
    """The model's own answers, a class or score per pair of texts, so that most labels can be right."""
    checkpoint, model = checkpoints.load_fine_tuned(directory)
    firsts, seconds = zip(*pairs, strict=True)
    inputs = checkpoint.tokenizer(
        list(firsts), list(seconds) if seconds[0] else None, padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        logits = model(**inputs).logits
    return logits[:, 0].tolist() if logits.shape[1] == 1 else logits.argmax(1).tolist()


def bert_with_csv(folder):
    """A BERT of 2 classes without names, and a CSV file of 3 columns; a fifth of the labels is wrong."""
    checkpoint = checkpoints.load(str(save_encoder(folder / "encoder", "bert")))
    pairs = [texts(row) for row in range(N_ROWS)]
    model = spread(classifier(checkpoint, 2), checkpoint.tokenizer, pairs)
    model = save(folder / "bert", model, checkpoint.tokenizer)
    labels = [label if row % 5 else 1 - label for row, label in enumerate(predicted(model, pairs))]
    rows = [(*pair, label) for pair, label in zip(pairs, labels, strict=True)]
    pd.DataFrame(rows, columns=["sentence1", "sentence2", "label"]).to_csv(folder / "pairs.csv", index=False)
    return model, str(folder / "pairs.csv")


def roberta_with_tsv(folder):
    """A RoBERTa of 5 named classes with a tokenizer of bytes, and a TSV file of labels by their names, a fifth of them
    wrong.
    """
    bytes_ = ByteLevelBPETokenizer()
    bytes_.train_from_iterator([" ".join(texts(row)) for row in range(N_ROWS)], 400, special_tokens=SPECIAL)
    bytes_._tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL, strict=True))
    names |= {"cls_token": "<s>", "sep_token": "</s>", "model_input_names": ["input_ids", "attention_mask"]}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_._tokenizer, **names)
    named = {"id2label": dict(enumerate(FIVE)), "label2id": {name: number for number, name in enumerate(FIVE)}}
    sizes = SMALL | {"vocab_size": len(tokenizer), "max_position_embeddings": 50, "pad_token_id": 1}
    torch.manual_seed(0)
    model = RobertaForSequenceClassification(RobertaConfig(**sizes, **named))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim == 2 and "embed" not in name:
                weights.mul_(6)
    singles = [(" ".join(texts(row)), "") for row in range(N_ROWS)]
    directory = save(folder / "roberta", spread(model.eval(), tokenizer, singles), tokenizer)
    labels = [label if row % 5 else (label + 1) % 5 for row, label in enumerate(predicted(directory, singles))]
    rows = [(text, FIVE[label].upper()) for (text, _), label in zip(singles, labels, strict=True)]
    pd.DataFrame(rows, columns=["review", "rating"]).to_csv(folder / "reviews.tsv", sep="\t", index=False)
    return directory, str(folder / "reviews.tsv")


def distilbert_with_scores(folder):
    """A DistilBERT that gives a score, and a JSONL file of single texts with scores."""
    checkpoint = checkpoints.load(str(save_encoder(folder / "encoder", "distilbert")))
    model = save(folder / "distilbert", classifier(checkpoint, 1), checkpoint.tokenizer)
    firsts = [" ".join(texts(row)) for row in range(N_ROWS)]
    scores = [score + 0.1 * (row % 4) for row, score in enumerate(predicted(model, [(one, "") for one in firsts]))]
    frame = pd.DataFrame({"text": firsts, "score": scores})
    frame.to_json(folder / "scores.jsonl", orient="records", lines=True)
    return model, str(folder / "scores.jsonl")


def report_on(model, data, store, tolerated=1.0, words="guess", **columns_and_sizes):
    """Open a model and texts, and report on them."""
    subject = own_report.open_subject(model, data, **columns_and_sizes)
    return own_report.report(subject, store, tolerated, words)
