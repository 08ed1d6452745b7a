"""The reference run's tables computed anew, where that needs no fine-tuning, and after one fine-tuning of a small task.

Each function returns tables by the names they are published under; `check` compares them with those.
"""

import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from darksecrets.corpora import annotated_maps, framenet
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.errors import InputError
from darksecrets.models import attended, side_by_side
from darksecrets.models.attended import Attended
from darksecrets.models.setup import Setup
from darksecrets.models.side_by_side import Job
from darksecrets.overview import parsing
from darksecrets.reported import TUNED
from darksecrets.sections import (
    feature_claims,
    features,
    fine_tuning,
    links,
    map_labels,
    patterns,
    relations,
)
from darksecrets.sections.features import PAPER

Tables = dict[str, pd.DataFrame]
ARCHIVE = ".tar.xz"  # what FrameNet may be packed in


def of_patterns(setup: Setup) -> Tables:
    """Classify the maps of the pre-trained model (Section 4.1)."""
    classified = patterns.classified(setup, checkpoints=[BEFORE])
    predictions = map_labels.published().query("rescaled_to == 0")
    found = patterns.PatternTables.of(classified, predictions, annotated_maps.load())
    layers = patterns.by_layer(classified)
    return {"pattern_shares": found.shares, "pattern_heads": found.heads, "pattern_layers": layers}


def of_features(setup: Setup) -> Tables:
    """Measure the pre-trained model's attention to features (Section 4.4)."""
    tables = _features(attended.measured(setup, checkpoints=[BEFORE]))
    return tables | {"feature_lengths": attended.input_lengths(setup)}


def of_links(setup: Setup) -> Tables:
    """Measure the pre-trained model's attention on links in the tasks' texts (Section 4.5)."""
    found = attended.measured(setup, checkpoints=[BEFORE])
    heads, diagonal = links.by_head(found.links), links.diagonal_scores(found.diagonal)
    tables = {
        "link_heads": heads,
        "link_scores": diagonal,
        "link_coincidence": links.coincidence(heads, diagonal),
        "link_matched": links.matched(found.links),
    }
    tables = {name: links.compact(table) for name, table in tables.items()}
    released = links.released_against_paper(found.released_links, tables["link_heads"])
    return tables | {"link_released": released}


def of_pocket_links(setup: Setup, n_linked: int) -> Tables:
    """Measure the pre-trained model in pocket sentences whose linked words are kept apart (Section 4.5)."""
    follows = links.follows(links.measure_pocket(setup, n_linked))
    return {"link_follows": links.compact(follows)}


def of_frames(setup: Setup, place: str, reading: str) -> Tables:
    """Measure the pre-trained model on FrameNet (Section 4.2), in a directory, an archive, or on NLTK's data path."""
    with _unpacked(place, setup.results.root) as directory:
        chosen = framenet.load(directory or "framenet", reading, setup.results)
        counts = framenet.counts(setup.results, chosen.directory)
    found = relations.summarize(relations.measure(setup, chosen.sentences))
    measures = relations.by_measure(found.heads, relations.measure_tokens(setup, chosen.sentences))
    tables = {"frame_heads": found.heads, "frame_specific": found.specific, "frame_measures": measures}
    return tables | {"frame_counts": counts}


def of_parser(treebank: str) -> Tables:
    """Hold the parser against a treebank (Section 4.4)."""
    return {"parser_agreement": parsing.against_file(treebank)}


def of_fine_tuning(setup: Setup, made_from: Mapping[str, Any]) -> Tables:
    """Fine-tune the setup's task and seed as in the run that is described, with as many threads, and measure the result
    (Sections 4.3 and 4.4).
    """
    n_models = len(made_from["tasks"]) * len(made_from["seeds"])
    job = Job("pretrained", setup.tasks[0], setup.seeds[0])
    side_by_side.finetune(setup, [job], n_models=n_models)
    predictions = fine_tuning.predictions(setup, made_from["max_scored"], [TUNED])
    changes = [
        fine_tuning.similarities(setup),
        fine_tuning.similarities(setup, fine_tuning.RELEASED, made_from["max_released"]),
    ]
    return {
        "tuning_scores": fine_tuning.scores(predictions),
        "tuning_by_layer": fine_tuning.change_by(pd.concat(changes), ["layer"]),
        "feature_layers": _features(attended.measured(setup, checkpoints=[AFTER]))["feature_layers"],
    }


def _features(found: Attended) -> Tables:
    weights = features.feature_weights(found.features)
    paper = [one for one in weights if one.reading == PAPER]
    return {
        "feature_heads": features.means(features.plain(weights), features.HEADS),
        "feature_layers": features.means(paper, features.LAYERS),
        "feature_special": features.special_shares(paper),
        "feature_gaps": feature_claims.gaps(paper),
        "feature_readings": features.readings(weights),
    }


@contextmanager
def _unpacked(place: str, cache: Path) -> Iterator[str]:
    """Give a directory's name back; unpack an archive (0.8 GB) into one that is removed afterwards."""
    if not place.endswith(ARCHIVE):
        yield place
        return
    if not Path(place).is_file():
        raise InputError(f"frames {place!r}: there is no such archive; {framenet.INSTALL}")
    cache.mkdir(parents=True, exist_ok=True)
    directory = cache / "unpacked"
    with FileLock(cache / "unpacking.lock"):
        shutil.rmtree(directory, ignore_errors=True)  # a process that was killed may have left it
        try:
            with tarfile.open(place) as archive:
                archive.extractall(directory, filter="data")
            yield str(directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
