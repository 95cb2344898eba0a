"""How far the stages of a run are, and the line of each: pure functions of what is known of its jobs and the time.

A stage is all jobs of one rule. Times are seconds of one clock, whichever.
"""

from dataclasses import dataclass, field

from firstsight.stages.job_log import Told

FIRST_LINE = 30.0
"""A stage that takes longer says how far it is after so many seconds, and again when it has taken a tenth longer."""


@dataclass
class Stage:
    """The jobs of one rule.

    Attributes:
        name: of the rule.
        n_jobs: how many there are in the run.
        running: what is known of each that is going on, by its number.
        n_done: how many have ended well.
        n_images: of those that have ended well.
        spent: seconds in which any was going on, up to ``since``.
        since: when the first of ``running`` began; None where none is going on.
        said: the seconds of the stage at its last line.
    """

    name: str
    n_jobs: int
    running: dict[int, Told] = field(default_factory=dict)
    n_done: int = 0
    n_images: int = 0
    spent: float = 0.0
    since: float | None = None
    said: float = 0.0

    def begin(self, job: int, now: float) -> None:
        """A job has begun."""
        if self.since is None:
            self.since = now
        self.running[job] = Told()

    def end(self, job: int, now: float, *, images: int | None = None) -> None:
        """A job has ended, well and with so many images, or badly (None)."""
        self.running.pop(job, None)
        if images is not None:
            self.n_done += 1
            self.n_images += images
        if not self.running:
            self.spent, self.since = self.seconds(now), None

    def seconds(self, now: float) -> float:
        """Seconds in which any job was going on."""
        return self.spent + (0.0 if self.since is None else now - self.since)

    @property
    def is_done(self) -> bool:
        """Whether all jobs have ended well."""
        return self.n_done >= self.n_jobs

    def is_due(self, now: float) -> bool:
        """Whether it is time for a line on how far the stage is."""
        return bool(self.running) and self.seconds(now) >= max(FIRST_LINE, self.said + FIRST_LINE, 1.1 * self.said)


def stage_line(stage: Stage, now: float) -> str:
    """How far a stage is: images done, images a second, time left; of a stage that is done, how long it took."""
    seconds = stage.seconds(now)
    images = stage.n_images + sum(told.done for told in stage.running.values() if told.unit == "images")
    rate = f"{images / seconds:.1f} images/s" if images and seconds > 0 else ""
    if not stage.running:
        what = _joined(count(images, "image") if images else "", "" if stage.is_done and images else _jobs(stage))
        return f"{stage.name}: {_joined(f'{what} in {duration(seconds)}', rate)}"
    left = seconds_left(stage, now)
    time = f"{duration(seconds)} so far" if left is None else f"{duration(left)} left"
    return f"{stage.name}: {_joined(_parts_done(stage, images), rate, time)}"


def seconds_left(stage: Stage, now: float) -> float | None:
    """About how long a stage still takes; None where nothing is known yet."""
    if len(stage.running) == 1 and stage.n_done == stage.n_jobs - 1:
        (told,) = stage.running.values()
        if told.done:
            # After the last item something may follow that nothing is told of.
            return told.seconds / told.done * (told.total - told.done) if told.done < told.total else None
    partly = sum(min(1.0, told.done / told.total) for told in stage.running.values() if told.total)
    share = (stage.n_done + partly) / stage.n_jobs
    return stage.seconds(now) * (1 - share) / share if 0 < share < 1 else None


def count(number: int, what: str) -> str:
    """3 images, 1 image."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Seconds in words, with no more figures than they are good for."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _parts_done(stage: Stage, images: int) -> str:
    """What is done of a stage that is going on, and of how much, as far as that is known."""
    told = list(stage.running.values())
    if stage.n_done + len(told) == stage.n_jobs and all(each.total for each in told):
        if all(each.unit == "images" for each in told):
            return f"{images} of {count(stage.n_images + sum(each.total for each in told), 'image')}"
        if stage.n_jobs == 1:
            return f"{told[0].done} of {told[0].total} {told[0].unit}"
    return _joined(count(images, "image") if images else "", _jobs(stage) if stage.n_jobs > 1 else "")


def _jobs(stage: Stage) -> str:
    jobs = count(stage.n_jobs, "job")
    return jobs if stage.is_done else f"{stage.n_done} of {jobs}"


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))
