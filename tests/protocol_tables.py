"""Small tables of the chapters that the protocol notes read."""

from darksecrets.sections import feature_claims, links
from darksecrets.sections.features import feature_weights
from darksecrets.sections.relations import by_measure, summarize
from tests.disabling_tables import tables as disabling_tables
from tests.feature_tables import features_of
from tests.link_tables import frames_of, links_of, released_of, tokens_of

FEATURES = feature_claims.feature_tables(feature_weights(features_of(sep_of_tasks={"SST-2": 0.05})))
LINKS = links_of()
BY_HEAD = links.by_head(LINKS)
RELEASED = links.released_against_paper(released_of(BY_HEAD), BY_HEAD)
FRAMES = summarize(frames_of())
MEASURES = by_measure(FRAMES.heads, tokens_of(frames_of()))
DISABLING = disabling_tables(("SST-2", "RTE"))
