"""The line of a stage, from what its jobs have told."""

import pytest

from firstsight.stages.job_log import Told
from snakemake_logger_plugin_firstsight.stages import Stage, duration, seconds_left, stage_line


def images(done: int, total: int, seconds: float) -> Told:
    return Told(done, total, "images", seconds)


def test_a_stage_says_images_rate_and_time_left() -> None:
    stage = Stage("detect", 1)
    stage.begin(7, 100.0)
    stage.running[7] = images(8, 32, 18.0)
    assert stage_line(stage, 120.0) == "detect: 8 of 32 images, 0.4 images/s, 54 s left"
    stage.end(7, 180.0, images=32)
    assert stage.is_done
    assert stage_line(stage, 500.0) == "detect: 32 images in 80 s, 0.4 images/s"


def test_several_jobs_count_together() -> None:
    stage = Stage("features", 4)
    stage.begin(1, 0.0)
    stage.begin(2, 0.0)
    stage.end(1, 10.0, images=30)
    stage.running[2] = images(10, 20, 9.0)
    # Of the two that have not begun nobody knows how many images they have.
    assert stage_line(stage, 15.0) == "features: 40 images, 1 of 4 jobs, 2.7 images/s, 25 s left"
    stage.begin(3, 15.0)
    stage.begin(4, 15.0)
    stage.running[3] = stage.running[4] = images(1, 20, 1.0)
    assert stage_line(stage, 20.0).startswith("features: 42 of 90 images, 2.1 images/s, ")


def test_pauses_between_the_jobs_of_a_stage_do_not_count() -> None:
    stage = Stage("scale", 2)
    stage.begin(1, 0.0)
    stage.end(1, 4.0, images=8)
    assert stage.seconds(50.0) == 4.0
    stage.begin(2, 100.0)
    assert seconds_left(stage, 100.0) == 4.0
    stage.end(2, 106.0, images=8)
    assert stage_line(stage, 200.0) == "scale: 16 images in 10 s, 1.6 images/s"


def test_what_is_not_counted_in_images_is_told_all_the_same() -> None:
    stage = Stage("fit", 1)
    stage.begin(1, 0.0)
    assert stage_line(stage, 40.0) == "fit: 40 s so far"
    stage.running[1] = Told(10, 50, "steps", 30.0)
    assert stage_line(stage, 60.0) == "fit: 10 of 50 steps, 2 min left"
    stage.running[1] = Told(50, 50, "steps", 150.0)
    assert stage_line(stage, 200.0) == "fit: 50 of 50 steps, 3 min so far"
    stage.end(1, 230.0, images=60)
    assert stage_line(stage, 230.0) == "fit: 60 images in 4 min, 0.3 images/s"


def test_jobs_without_images_are_counted_themselves() -> None:
    stage = Stage("demo_collection", 3)
    stage.begin(1, 0.0)
    stage.end(1, 2.0, images=0)
    assert stage_line(stage, 2.0) == "demo_collection: 1 of 3 jobs in 2 s"
    for job in (2, 3):
        stage.begin(job, 10.0)
    assert stage_line(stage, 11.0) == "demo_collection: 1 of 3 jobs, 6 s left"
    for job in (2, 3):
        stage.end(job, 12.0, images=0)
    assert stage_line(stage, 12.0) == "demo_collection: 3 jobs in 4 s"


def test_a_job_that_failed_is_not_done() -> None:
    stage = Stage("detect", 2)
    for job in (1, 2):
        stage.begin(job, 0.0)
    stage.end(1, 5.0, images=3)
    stage.end(2, 6.0)
    assert not stage.is_done
    assert stage_line(stage, 90.0) == "detect: 3 images, 1 of 2 jobs in 6 s, 0.5 images/s"


def test_long_stages_speak_more_and_more_rarely() -> None:
    stage, spoken = Stage("fit", 1), 0
    stage.begin(1, 0.0)
    for now in range(3600):
        if stage.is_due(now):
            spoken += 1
            stage.said = stage.seconds(now)
        if now == 29:
            assert spoken == 0
        if now == 120:
            assert spoken == 4
    assert 30 < spoken < 40
    stage.end(1, 3600.0)
    assert not stage.is_due(7200.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (99.4, "99 s"), (100, "2 min"), (3600, "60 min"), (7500, "2 h 05 min"), (-1, "0 s")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
