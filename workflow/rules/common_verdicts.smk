# What a person said of the results of an earlier run. Nothing here computes.


def verdicts_given(wildcards):
    """The file of verdicts, where the config names one."""
    return [PLAN.config.verdicts.as_posix()] if PLAN.config.verdicts else []
