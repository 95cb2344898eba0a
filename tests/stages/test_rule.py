"""From Snakemake's object to a job and its record."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.config
import pytest

from firstsight.stages.rule import as_paths, run_rule


class Named(dict[str, Any]):
    """Values by name, as attributes too: what Snakemake's lists offer of themselves."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def snakemake(folder: Path, **changes: Any) -> SimpleNamespace:
    """A stand-in for the object that scripts get, of a rule that has everything."""
    parts: dict[str, Any] = {
        "wildcards": Named(collection="tiles", shard="abcdefabcd", detector="fca-0123456789"),
        "params": Named(name="fca", config='{"crop": 0}'),
        "output": Named(run=str(folder / "a.run.json")),
        "resources": Named(mem_mb=1000),
        "log": [str(folder / "a.log")],
        "threads": 3,
        "rule": "first_detect",
    }
    return SimpleNamespace(**{**parts, **changes})


def test_the_record_has_what_the_rule_has(tmp_path: Path) -> None:
    with run_rule(snakemake(tmp_path), "detect") as job:
        assert (job.collection, job.shard, job.detector) == ("tiles", "abcdefabcd", "fca")
        job.n_images = 2
    record = json.loads((tmp_path / "a.run.json").read_text())
    assert {key: record[key] for key in ("rule", "collection", "shard", "detector", "n_images", "config")} == {
        "rule": "detect",
        "collection": "tiles",
        "shard": "abcdefabcd",
        "detector": "fca",
        "n_images": 2,
        "config": '{"crop": 0}',
    }
    assert (tmp_path / "a.log").read_text().startswith("detect tiles fca abcdefabcd: 2 images")


def test_a_rule_of_the_whole_run_has_less(tmp_path: Path) -> None:
    whole = snakemake(
        tmp_path, wildcards=Named(), params=Named(record=str(tmp_path / "b.json")), output=Named(), resources=Named()
    )
    with run_rule(whole, "tables"):
        pass
    record = json.loads((tmp_path / "b.json").read_text())
    assert [record[key] for key in ("rule", "collection", "shard", "detector", "config")] == ["tables", "", "", "", ""]


def test_a_rule_with_dask_gets_as_many_threads_as_the_job_has(tmp_path: Path) -> None:
    resources = Named(mem_mb=1000, dask=json.dumps({"scheduler": "local"}))
    before = dask.config.get("num_workers", None)
    with run_rule(snakemake(tmp_path, resources=resources), "threshold", tasks=1):
        assert dask.config.get("num_workers") == 3
        assert dask.config.get("scheduler") == "threads", "a single task needs no cluster"
    assert dask.config.get("num_workers", None) == before


def test_several_tasks_get_a_cluster_with_the_jobs_threads(tmp_path: Path) -> None:
    from distributed import get_client  # noqa: PLC0415

    resources = Named(mem_mb=1000, dask=json.dumps({"scheduler": "local"}))
    with run_rule(snakemake(tmp_path, resources=resources), "threshold", tasks=2):
        (worker,) = get_client().scheduler_info()["workers"].values()
        assert (worker["nthreads"], worker["memory_limit"]) == (3, 1000 * 10**6)


def test_a_fault_within_is_one_line_and_leaves_no_record(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unexpected error in rule detect"), run_rule(snakemake(tmp_path), "detect"):
        raise ZeroDivisionError
    assert not (tmp_path / "a.run.json").exists()


def test_files_become_paths() -> None:
    assert as_paths(["a/b", "c"]) == [Path("a/b"), Path("c")]
