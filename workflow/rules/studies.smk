# Studies: the same collections by several methods, side by side; a rule each, named like the study.


for study in STUDIES:

    rule:
        name:
            study
        input:
            rows=of_study(study, "files"),
            companions=of_study(study, "companions"),
        output:
            table=f"{RESULTS}/tables/{STUDIES[study].table}.parquet",
            markdown=f"{RESULTS}/tables/{STUDIES[study].table}.md",
            run=f"{RESULTS}/tables/.{STUDIES[study].table}.run.json",
        log:
            f"{LOGS}/{STUDIES[study].table}.log",
        conda:
            "../../envs/cpu.yaml"
        params:
            rows=of_study(study, "rows"),
            set_aside=of_study(study, "set_aside"),
        script:
            "../scripts/study.py"
