# A sweep on Snakemake's executors: `snakemake --cores 4 --config grid=notebooks/grids/pocket.yml`, in this directory.
# The units are those of `python -m darksecrets sweep`, command line by command line.
import os
from pathlib import Path

from darksecrets.book import sweep

ROOT = Path(workflow.basedir)
if "grid" not in config:
    raise SystemExit("error: name a grid: snakemake --cores 4 --config grid=notebooks/grids/pocket.yml")
PLAN = {cell[0].cell.run: cell for cell in sweep.plan(ROOT, config["grid"])}


def place(path):
    return os.path.relpath(path, ROOT)


workdir: ROOT


wildcard_constraints:
    run="|".join(PLAN),


rule all:
    input:
        [place(path) for cell in PLAN.values() for unit in cell for path in unit.outputs],


# A rule for each chapter, so that a profile can give one more memory or time than another. The chapters of a run follow
# each other, but a chapter that is done anew does not make the later ones run again: hence `ancient`.
for position, unit in enumerate(next(iter(PLAN.values()))):

    rule:
        name:
            unit.chapter
        input:
            lambda wildcards, position=position: [
                ancient(place(before.notebook)) for before in PLAN[wildcards.run][:position][-1:]
            ],
        output:
            [place(path.parent.with_name("{run}") / path.name) for path in unit.outputs],
        params:
            command=lambda wildcards, position=position: PLAN[wildcards.run][position].command,
        threads: config.get("threads", 1)
        shell:
            "{params.command}"
