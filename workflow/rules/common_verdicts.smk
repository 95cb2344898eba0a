# What a person said of the results of an earlier run. Nothing here computes.


def verdicts_given(wildcards):
    """The file of verdicts, where the config names one."""
    return [PLAN.config.verdicts.file.as_posix()] if PLAN.config.verdicts.file else []


def judged_for_threshold(wildcards):
    """The images whose verdicts choose the threshold of the wildcards' collection and detector, where they do."""
    return PLAN.judged(wildcards.collection, of_detector(wildcards).name)
