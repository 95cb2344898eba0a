# firstsight: which pixels of which texture images are wrong, and how. See config.yaml.
import json
import sys
import time
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

# Not workflow.basedir, which is another folder where another workflow uses this one as a module.
BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=False))
sys.path.insert(0, str(BASE / "src"))


include: "workflow/rules/common.smk"
include: "workflow/rules/common_references.smk"
include: "workflow/rules/common_resources.smk"
include: "workflow/rules/common_records.smk"
include: "workflow/rules/common_verdicts.smk"
include: "workflow/rules/common_kinds.smk"
include: "workflow/rules/collections.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/detect.smk"
include: "workflow/rules/describe.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/common_groups.smk"
include: "workflow/rules/groups.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/names.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/common_studies.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/comparisons.smk"
include: "workflow/rules/papers.smk"


RUN = RunLock(PLAN.results)
# Jobs read this file, too, while the run that started them has the results.
if not (workflow.subprocess_exec or workflow.remote_exec):
    RUN.look()


onstart:
    with one_line():
        RUN.begin()
    bring_to_present(PLAN.results, time.time())
    for line in PLAN.unread:
        print(f"firstsight: {line}", file=sys.stderr)


onsuccess:
    RUN.end()


onerror:
    RUN.end()


localrules:
    all,
    assign,


rule all:
    default_target: True
    input:
        page=PATHS.page,
        tables=expand(PATHS.table, table=TABLES),
        groups=GROUP_RESULTS,


rule assign:
    input:
        page=PATHS.page,
        clusters=everywhere(PLAN, PATHS.clusters, only=lambda collection, detector: collection.is_new),
