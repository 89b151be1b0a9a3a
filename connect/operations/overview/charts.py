"""Stacked bars as plain SVG geometry: no script to draw them, colours by the stylesheet, each bar a link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT, GAP = 600, 120, 2


@dataclass(frozen=True)
class Series:
    """One colour: its name, its tone, where it leads, and its number in each bar."""

    name: str
    tone: str
    numbers: Sequence[int]
    link: str = ""

    @property
    def total(self) -> int:
        return sum(self.numbers)


@dataclass(frozen=True)
class Piece:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True)
class Chart:
    """Stacked bars over time."""

    title: str
    starts: Sequence[datetime]
    series: Sequence[Series]
    link: str = ""
    by_day: bool = False

    @property
    def view_box(self) -> str:
        return f"0 0 {WIDTH} {HEIGHT}"

    @property
    def highest(self) -> int:
        return max((sum(numbers) for numbers in zip(*(one.numbers for one in self.series), strict=True)), default=0)

    @property
    def is_empty(self) -> bool:
        return not self.highest

    @property
    def first(self) -> str:
        return self._told(self.starts[0])

    def _told(self, moment: datetime) -> str:
        return f"{moment:%d %b}" if self.by_day else f"{moment:%d %b %H:%M}"

    @property
    def pieces(self) -> list[Piece]:
        """Every rectangle, from the bottom up."""
        width = WIDTH / max(1, len(self.starts))
        shown = []
        for index, start in enumerate(self.starts):
            floor = float(HEIGHT)
            for one in self.series:
                number = one.numbers[index]
                height = round(HEIGHT * number / self.highest, 2) if self.highest else 0.0
                if number:
                    height = max(height, 1.5)
                    title = f"{self._told(start)}: {number:,} {one.name}"
                    shown.append(Piece(round(index * width, 2), round(floor - height, 2), round(width - GAP, 2), height,
                                       one.tone, title))  # fmt: skip
                    floor -= height
        return shown


def numbers(counts: Mapping[datetime, int], starts: Sequence[datetime]) -> list[int]:
    """Counts by moment, added up into the bar each falls into."""
    bars = [0] * len(starts)
    for moment, count in counts.items():
        place = next((index for index in range(len(starts) - 1, -1, -1) if starts[index] <= moment), None)
        if place is not None:
            bars[place] += count
    return bars
