"""From measurements to medians, paired ratios and the targets: the worst pair is what is claimed. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.day import MEGABYTE
from tests.bench.measure import Run

DAYS, FIRST_BYTE_SECONDS = 60, 2.0
"""Of the case with many days."""
COMPARED_MB = 500
"""The size that ratios are told of; another one if it was not measured."""

BEFORE_TITLE = "the revision before"

type Figure = Callable[[Run], float]


@dataclass(frozen=True)
class Results:
    """All measurements of one call."""

    runs: Sequence[Run]

    @property
    def sizes(self) -> list[int]:
        """MB, ascending."""
        return sorted({run.size for run in self.runs if run.size})

    @property
    def compared(self) -> int:
        """The size that ratios are told of."""
        return COMPARED_MB if COMPARED_MB in self.sizes else self.sizes[-1]

    def of(self, contender: str, size: int) -> list[Run]:
        """One contender's measurements, in order of turn."""
        return [run for run in self.runs if (run.contender, run.size) == (contender, size)]

    def median(self, contender: str, size: int, figure: Figure) -> float | None:
        """None if it was not measured."""
        found = [figure(run) for run in self.of(contender, size)]
        return median(found) if found else None

    def ratio(self, one: str, others: Sequence[str], size: int, figure: Figure) -> float | None:
        """The median of `ratios`; None if there is none."""
        found = self.ratios(one, others, size, figure)
        return median(found) if found else None

    def ratios(self, one: str, others: Sequence[str], size: int, figure: Figure) -> list[float]:
        """``one``'s figure by the largest of the others', for each turn that has them all."""
        ratios = []
        for run in self.of(one, size):
            beside = [r for other in others for r in self.of(other, size) if r.turn == run.turn]
            if len(beside) == len(others):
                ratios.append(figure(run) / max(map(figure, beside)))
        return ratios

    def memories(self, contender: str) -> list[float]:
        """MB, of each measurement of any size."""
        return [run.memory / MEGABYTE for run in self.runs if run.contender == contender]

    def growth(self, contender: str) -> float | None:
        """Peak memory with the largest size by the one with the smallest."""
        first, last = (self.median(contender, size, memory) for size in (self.sizes[0], self.sizes[-1]))
        return last / first if first and last and len(self.sizes) > 1 else None


@dataclass(frozen=True)
class Target:
    """What must be reached, what is worth reaching for, and the figure of each pair, or of each measurement."""

    what: str
    must: float
    wish: float
    found: Sequence[float]
    unit: str = ""

    @property
    def reached(self) -> float | None:
        """The worst of them: that is claimed. None: not measured."""
        return max(self.found, default=None)


def wall(run: Run) -> float:
    """Seconds."""
    return run.wall


def cpu(run: Run) -> float:
    """Seconds."""
    return run.cpu


def memory(run: Run) -> float:
    """MB."""
    return run.memory / MEGABYTE


def targets(results: Results) -> list[Target]:
    """The project's own targets; all are upper bounds."""
    return [*_of_sizes(results), *_of_many_days(results)]


def _of_many_days(results: Results) -> list[Target]:
    """60 small days whose first byte takes 2 s, 4 at once."""
    told = f"{DAYS} small days, first byte after {FIRST_BYTE_SECONDS:g} s, 4 at once"
    folder, azurite = (results.of(key, 0) for key in ("many-4", "many-4-azurite"))
    temp = [run.temp / MEGABYTE for run in (*folder, *azurite)]
    a_day = [run.wall / DAYS for run in folder]
    speedup = results.ratios("many-4", ["many-1"], 0, wall)
    return [
        Target(f"{told}: seconds a day, to a folder", 0.6, 0.55, a_day, " s"),
        Target(f"{told}: against one at a time", 1 / 3, 1 / 3.7, speedup),
        Target(f"{told}: peak memory, to a folder", 90, 70, results.memories("many-4"), " MB"),
        Target(f"{told}: peak memory, to Azurite", 120, 100, results.memories("many-4-azurite"), " MB"),
        Target(f"{told}: working files of all days together", 400, 100, temp, " MB"),
    ]


def _of_sizes(results: Results) -> list[Target]:
    if not results.sizes:
        return []
    size = results.compared
    naive = results.ratios("local", ["naive"], size, cpu)
    growth = results.growth("local")
    return [
        Target(f"CPU against the naive script, {size} MB, to a folder", 1 / 20, 1 / 30, naive),
        Target(f"CPU against the floor, {size} MB", 3, 2, results.ratios("local", ["floor"], size, cpu)),
        Target("peak memory, to a folder, any size", 64, 40, results.memories("local"), " MB"),
        Target("peak memory, to Azurite, any size", 140, 100, results.memories("azurite"), " MB"),
        Target(
            f"memory to a folder, {results.sizes[-1]} MB against {results.sizes[0]} MB",
            1.2,
            1.05,
            [growth] if growth else [],
        ),
        Target(
            f"wall, to Azurite, against the longer of (to a folder, upload alone), {size} MB",
            1.3,
            1.1,
            results.ratios("azurite", ["local", "upload"], size, wall),
        ),
        Target(
            f"CPU against {BEFORE_TITLE}, {size} MB, to a folder",
            1.1,
            1,
            results.ratios("local", ["before"], size, cpu),
        ),
    ]
