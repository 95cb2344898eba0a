# What jobs ask a cluster for. On one machine Snakemake counts it only where `--resources` sets a limit.


def growing(base):
    """Resource function: the base at the first attempt, and twice what it was before at each further one."""
    return lambda wildcards, attempt: base * 2 ** (attempt - 1)


def may_use_gpu(wildcards):
    """Whether a job computes on a GPU where it finds one."""
    return of_collection(wildcards).settings.features.device != "cpu"


def gpus_asked_for(wildcards):
    """GPUs asked for by number (--gpus); a job uses one."""
    return int(PLAN.config.gpu_request == "gpu" and may_use_gpu(wildcards))


def gres_asked_for(wildcards):
    """GPUs asked for as a generic resource (--gres)."""
    return "gpu:1" if PLAN.config.gpu_request == "gres" and may_use_gpu(wildcards) else ""


def threads_of_shards(wildcards):
    """Threads function: two where the wildcards' collection has several shards, one where it has one."""
    return min(2, len(of_collection(wildcards).shards))


def dask_of_the_run(wildcards):
    """Where tasks of dask run, as JSON; not among `params`, since results do not depend on it."""
    return PLAN.config.dask.model_dump_json(exclude_unset=True)
