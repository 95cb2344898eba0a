# What is exported, and from where. Nothing here computes.

EXPORTED = f"{RESULTS}/exports/{{collection}}/{{detector}}"


wildcard_constraints:
    format=one_of(PLAN.config.export.formats),


def of_kinds(file):
    """Input function: the file of the kinds that the wildcards' collection asks for."""
    return lambda wildcards: of_these(f"{KINDS}/{file}", wildcards, kinds=kinds_of(of_collection(wildcards)))
