"""The frame of every job: its log, its record, and what a user sees of an error."""

import errno
import json
import time
import warnings
from pathlib import Path

import pytest

from firstsight.errors import DamagedError, FirstsightError
from firstsight.stages.job import run_job
from firstsight.stages.job_log import CONSOLE, INTERRUPTED, QUIET, read_job_log
from firstsight.storage.json import read_json, write_json


def test_a_job_leaves_a_record_and_a_line(tmp_path: Path) -> None:
    with run_job(
        tmp_path / "logs/a.log", tmp_path / "a.json", rule="detect", collection="c", shard="s", config="{}"
    ) as job:
        for number in job.progress(range(3), 3):
            with job.step("one"):
                job.n_images += number
        job.weights_sha256 = "f" * 64
    record = json.loads((tmp_path / "a.json").read_text())
    assert (record["rule"], record["collection"], record["shard"], record["detector"]) == ("detect", "c", "s", "")
    assert record["n_images"] == 3
    assert record["seconds"] >= json.loads(record["seconds_by_step"])["one"] > 0
    assert record["peak_memory_mb"] > 10
    assert {"firstsight", "python", "platform", "torch", "snakemake"} <= set(json.loads(record["versions"]))
    assert record["weights_sha256"] == "f" * 64
    assert record["machine"]
    assert record["device_name"]
    assert record["fingerprint"] == ""
    assert record["config"] == "{}"
    assert (tmp_path / "logs/a.log").read_text().startswith("detect c s: 3 images in ")


def test_a_users_mistake_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught, run_job(tmp_path / "a.log", tmp_path / "a.json", rule="detect"):
        raise FirstsightError("image x\nis bad")
    assert caught.value.code == "firstsight: image x is bad"
    assert not (tmp_path / "a.json").exists()
    assert "Traceback" not in (tmp_path / "a.log").read_text()


def test_any_other_error_is_a_line_with_the_place_of_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught, run_job(tmp_path / "a.log", tmp_path / "a.json", rule="detect"):
        raise ZeroDivisionError("oh")
    assert str(tmp_path / "a.log") in str(caught.value.code)
    assert "\n" not in str(caught.value.code)
    assert "ZeroDivisionError: oh" in (tmp_path / "a.log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    record = tmp_path / "a.json"
    with (
        pytest.raises(SystemExit) as caught,
        run_job(tmp_path / "a.log", record, rule="features"),
        open("/dev/full", "w") as full,
    ):
        full.write("x")
    line = f"firstsight: No space left on device: {tmp_path}; mend that and run again, what is finished is kept"
    assert caught.value.code == line
    assert not record.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("console", ["", QUIET])
def test_a_log_on_a_full_disk_is_the_same_line(tmp_path: Path, console: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONSOLE, console)
    with pytest.raises(SystemExit) as caught, run_job("/dev/full", tmp_path / "a.json", rule="features") as job:
        job.note("a line")
    assert str(caught.value.code).startswith("firstsight: No space left on device: ")


def test_a_damaged_result_is_taken_away(tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    store.touch()
    with pytest.raises(SystemExit) as caught, run_job(tmp_path / "a.log", tmp_path / "a.json", rule="detect"):
        raise DamagedError(f"'{store}' is damaged at '00001'", store)
    line = f"firstsight: '{store}' is damaged at '00001': it was taken away, run again to have it made anew"
    assert caught.value.code == line
    assert not store.exists()


def test_a_damaged_file_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "threshold.json"
    write_json(path, {"threshold": 0.25})
    assert read_json(path) == {"threshold": 0.25}
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SystemExit) as caught, run_job(tmp_path / "a.log", tmp_path / "a.json", rule="describe"):
        read_json(path)
    line = f"firstsight: '{path}' is damaged, it is not JSON: it was taken away, run again to have it made anew"
    assert caught.value.code == line
    assert not path.exists()


def test_a_record_has_the_fingerprint_of_its_path(tmp_path: Path) -> None:
    record = tmp_path / "c/detectors/fca_small-0123456789/kinds/described/abcdefabcd.run.json"
    with run_job(tmp_path / "a.log", record, rule="describe"):
        pass
    assert json.loads(record.read_text())["fingerprint"] == "0123456789"


def test_a_long_job_notes_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstsight.stages.job.SECONDS_OF_SILENCE", 0.02)
    log = tmp_path / "a.log"
    with run_job(log, tmp_path / "a.json", rule="fit") as job:
        assert list(job.progress(range(3), 3, unit="steps")) == [0, 1, 2]
        assert log.read_text() == "", "what is quick says nothing"
        for number in job.progress(range(3), 3, unit="steps"):
            time.sleep(0.03)
            told = read_job_log(log)
            assert (told.done, told.total, told.unit) == ((number, 3, "steps") if number else (0, 0, ""))
        assert read_job_log(log).done == 3
    assert read_job_log(log).images == 0


def test_a_quiet_job_says_in_its_log_alone_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CONSOLE, QUIET)
    log = tmp_path / "a.log"
    for error, reason in {
        FirstsightError("image x\nis bad"): "image x is bad",
        ZeroDivisionError("oh"): "unexpected error: ZeroDivisionError: oh",
        OSError(errno.ENOSPC, "full", "here"): "No space left on device: here; mend that and run again, "
        "what is finished is kept",
    }.items():
        with pytest.raises(SystemExit) as caught, run_job(log, tmp_path / "a.json", rule="detect"):
            raise error
        assert caught.value.code == 1
        assert read_job_log(log).failure == reason
    assert capsys.readouterr().err == ""


def test_a_job_that_is_stopped_has_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught, run_job(tmp_path / "a.log", tmp_path / "a.json", rule="detect"):
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert read_job_log(tmp_path / "a.log").failure == INTERRUPTED
    assert not (tmp_path / "a.json").exists()


def test_a_quiet_job_notes_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CONSOLE, QUIET)
    before = warnings.showwarning
    with run_job(tmp_path / "a.log", tmp_path / "a.json", rule="detect"):
        warnings.simplefilter("always")
        warnings.warn("odd", stacklevel=1)
    assert warnings.showwarning is before
    assert read_job_log(tmp_path / "a.log").warnings == ("UserWarning: odd",)
    assert capsys.readouterr().err == ""
