"""Lines on a terminal, of which the last ones change in place; anywhere else whole lines only, which stay."""

import os
import shutil
from collections.abc import Sequence
from typing import TextIO


class Screen:
    """Writes to a stream that jobs may write to, too."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._n_changing = 0
        self.is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, line: str) -> None:
        """Write a line that stays, above those that change."""
        self._write(self._without_changing() + line + "\n")

    def show(self, lines: Sequence[str]) -> None:
        """Write lines in place of those that were shown before; nothing where the stream is no terminal."""
        if not self.is_terminal:
            return
        width, height = shutil.get_terminal_size()
        # What wraps or scrolls away could not be overwritten.
        fitting = [line[: width - 1] for line in lines[: max(1, height - 1)]]
        self._write(self._without_changing() + "".join(line + "\n" for line in fitting))
        self._n_changing = len(fitting)

    def _without_changing(self) -> str:
        """What the terminal must be sent for the changing lines to go away."""
        number, self._n_changing = self._n_changing, 0
        return f"\x1b[{number}A\x1b[J" if number else ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
