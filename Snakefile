# firstsight: which pixels of which texture images are wrong, and how. See config.yaml.
import json
import sys
import time
from pathlib import Path

from snakemake.utils import min_version

min_version("9.10")

sys.path.insert(0, str(Path(workflow.basedir) / "src"))


include: "workflow/rules/common.smk"
include: "workflow/rules/common_references.smk"
include: "workflow/rules/common_resources.smk"
include: "workflow/rules/common_records.smk"
include: "workflow/rules/collections.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/detect.smk"
include: "workflow/rules/describe.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/names.smk"
include: "workflow/rules/common_export.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/common_studies.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/comparisons.smk"


onstart:
    bring_to_present(PLAN.results, time.time())


localrules:
    all,
    assign,


rule all:
    default_target: True
    input:
        page=f"{RESULTS}/reports/index.html",
        tables=expand(f"{RESULTS}/tables/{{table}}.parquet", table=TABLES),


rule assign:
    input:
        page=f"{RESULTS}/reports/index.html",
        clusters=everywhere(f"{KINDS}/clusters.parquet", only=lambda collection, detector: collection.is_new),
