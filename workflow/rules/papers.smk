# The papers' tables, with what was measured beside their figures.
from functools import cache

from firstsight.plan.papers import plan_papers


@cache
def planned_papers():
    """The figures of the papers, and which results of the run stand beside them."""
    return plan_papers(PLAN)


rule papers:
    input:
        rows=lambda wildcards: planned_papers().files,
    output:
        table=PATHS.table.format(table="papers"),
        markdown=PATHS.table_page.format(table="papers"),
        run=PATHS.table_record.format(table="papers"),
    log:
        PATHS.table_log.format(table="papers"),
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=lambda wildcards: planned_papers().rows,
        default_detector=lambda wildcards: planned_papers().default_detector,
    script:
        "../scripts/papers.py"
