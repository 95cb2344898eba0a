"""Lines that change on a terminal, and none that does elsewhere."""

import io
import os
import pty

import pytest

from snakemake_logger_plugin_firstsight.screen import Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_there_are_whole_lines_only() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.show(["changing"])
    screen.say("one")
    screen.show([])
    screen.say("two")
    assert stream.getvalue() == "one\ntwo\n"


def test_on_a_terminal_the_last_lines_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "10")
    stream = Terminal()
    screen = Screen(stream)
    screen.show(["a", "b"])
    screen.say("stays")
    screen.show(["c" * 20])
    screen.show([])
    assert stream.getvalue() == "a\nb\n" + "\x1b[2A\x1b[Jstays\n" + "c" * 9 + "\n" + "\x1b[1A\x1b[J"


def test_a_real_terminal_is_known_and_a_dumb_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    primary, secondary = pty.openpty()
    with os.fdopen(primary, "rb"), os.fdopen(secondary, "w") as stream:
        monkeypatch.setenv("TERM", "xterm")
        assert Screen(stream).is_terminal
        monkeypatch.setenv("TERM", "dumb")
        assert not Screen(stream).is_terminal
