"""A checkpoint in BERT-base's shape with random weights: what the profile `paper` runs on where nothing can be fetched.

It proves the path, and says what it costs; its numbers say nothing about BERT. Explained in the appendix *The reference
run*.
"""

from pathlib import Path

import torch
from transformers import AutoModel, BertConfig

from darksecrets.errors import InputError
from darksecrets.models import checkpoints
from darksecrets.models.quiet import quiet

SEED = 0


def write(directory: Path) -> Path:
    """Write config, tokenizer and safetensors of an untrained BERT-base (12 layers of 12 heads) into a new directory.

    The tokenizer is MiniLM's, which is that of bert-base-uncased. Raises InputError where the directory holds anything.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{str(directory)!r} is there already; name a directory that is empty or does not exist")
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(SEED)
        AutoModel.from_config(BertConfig()).save_pretrained(directory)
    checkpoints.load("minilm").tokenizer.save_pretrained(directory)
    return directory
