# The papers' tables, with what was measured beside their figures.


rule papers:
    input:
        rows=of_papers("files"),
    output:
        table=PATHS.table.format(table="papers"),
        markdown=PATHS.table_page.format(table="papers"),
        run=PATHS.table_record.format(table="papers"),
    log:
        PATHS.table_log.format(table="papers"),
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=of_papers("rows"),
        default_detector=of_papers("default_detector"),
    script:
        "../scripts/papers.py"
