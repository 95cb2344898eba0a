"""What a job writes into its log for the console, read again."""

from pathlib import Path

from firstsight.stages.job_log import (
    READ_BYTES,
    Told,
    failure_line,
    notice_line,
    progress_line,
    read_job_log,
    summary_line,
    told_by,
    warning_line,
)


def test_lines_are_read_as_they_were_written() -> None:
    lines = ["device auto: 3 of 4", progress_line(3, 32, "images", 6.25), progress_line(12, 32, "images", 24.0)]
    assert told_by(lines) == Told(12, 32, "images", 24.0)
    lines += [warning_line("slow\ndisk"), warning_line("slow disk"), warning_line("odd")]
    assert told_by(lines).warnings == ("slow disk", "odd")
    assert told_by([*lines, notice_line("the rate is\n2 %"), notice_line("the rate is 2 %")]).notices == (
        "the rate is 2 %",
    )
    assert told_by(lines)[:4] == (12, 32, "images", 24.0)
    done = told_by([*lines, summary_line("detect pile fca", 32, 64.0) + " (read 0.1 s)"])
    assert (done.images, done.failure) == (32, "")
    failed = told_by([*lines, failure_line("image x\nis bad")])
    assert (failed.images, failed.failure) == (None, "image x is bad")


def test_a_job_without_images_has_none() -> None:
    assert told_by([summary_line("demo_collection brick", 0, 2.0)]).images == 0


def test_only_the_last_line_says_how_it_ended() -> None:
    assert told_by([failure_line("no room"), "goes on"]) == Told()
    assert told_by([]) == Told()


def test_a_log_may_be_missing_long_or_half_written(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert read_job_log(log) == Told()
    assert read_job_log(tmp_path) == Told()
    log.write_bytes(
        b"1 of 9 images in 1.0 s\n" + b"\xff\n" * READ_BYTES + b"2 of 9 images in 2.0 s\n3 of 9 images in 3.0"
    )
    assert read_job_log(log) == Told(2, 9, "images", 2.0)
    log.write_text("1 of 9 images in 1.0 s")
    assert read_job_log(log) == Told()
