# Studies compare several methods on the same collections. Each has a rule of its name.


for study in STUDIES:

    rule:
        name:
            study
        input:
            rows=of_study(study, "files"),
            companions=of_study(study, "companions"),
        output:
            table=PATHS.table.format(table=STUDIES[study].table),
            markdown=PATHS.table_page.format(table=STUDIES[study].table),
            run=PATHS.table_record.format(table=STUDIES[study].table),
        log:
            PATHS.table_log.format(table=STUDIES[study].table),
        conda:
            "../../envs/cpu.yaml"
        params:
            study=study,
            rows=of_study(study, "rows"),
            set_aside=of_study(study, "set_aside"),
        script:
            "../scripts/study.py"
