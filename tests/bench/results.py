"""From measurements to medians, paired ratios and the targets. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.day import MEGABYTE
from tests.bench.measure import Run

DAYS, FIRST_BYTE_SECONDS = 60, 2.0
"""Of the case with many days."""
COMPARED_MB = 500
"""The size that ratios are told of; another one if it was not measured."""

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
        """The median of ``one``'s figure by the largest of the others', turn by turn; None if no turn has them all."""
        ratios = []
        for run in self.of(one, size):
            beside = [r for other in others for r in self.of(other, size) if r.turn == run.turn]
            if len(beside) == len(others):
                ratios.append(figure(run) / max(map(figure, beside)))
        return median(ratios) if ratios else None

    def largest_memory(self, contender: str) -> float | None:
        """MB, over all sizes."""
        found = [run.memory / MEGABYTE for run in self.runs if run.contender == contender]
        return max(found) if found else None

    def growth(self, contender: str) -> float | None:
        """Peak memory with the largest size by the one with the smallest."""
        first, last = (self.median(contender, size, memory) for size in (self.sizes[0], self.sizes[-1]))
        return last / first if first and last and len(self.sizes) > 1 else None


@dataclass(frozen=True)
class Target:
    """What must be reached, what is worth reaching for, and what was reached (None: not measured)."""

    what: str
    must: float
    wish: float
    reached: float | None
    unit: str = ""


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
    speedup = results.ratio("many-4", ["many-1"], 0, wall)
    temp = max((run.temp / MEGABYTE for run in (*folder, *azurite)), default=None)
    a_day = results.median("many-4", 0, lambda run: run.wall / DAYS)
    return [
        Target(f"{told}: seconds a day, to a folder", 0.6, 0.55, a_day, " s"),
        Target(f"{told}: against one at a time", 1 / 3, 1 / 3.7, speedup),
        Target(f"{told}: peak memory, to a folder", 90, 70, results.largest_memory("many-4"), " MB"),
        Target(f"{told}: peak memory, to Azurite", 120, 100, results.largest_memory("many-4-azurite"), " MB"),
        Target(f"{told}: working files of all days together", 400, 100, temp, " MB"),
    ]


def _of_sizes(results: Results) -> list[Target]:
    if not results.sizes:
        return []
    size = results.compared
    naive = results.ratio("local", ["naive"], size, cpu)
    return [
        Target(f"CPU against the naive script, {size} MB, to a folder", 1 / 20, 1 / 30, naive),
        Target(f"CPU against the floor, {size} MB", 3, 2, results.ratio("local", ["floor"], size, cpu)),
        Target("peak memory, to a folder, any size", 64, 40, results.largest_memory("local"), " MB"),
        Target("peak memory, to Azurite, any size", 140, 100, results.largest_memory("azurite"), " MB"),
        Target(
            f"memory to a folder, {results.sizes[-1]} MB against {results.sizes[0]} MB",
            1.2,
            1.05,
            results.growth("local"),
        ),
        Target(
            f"wall, to Azurite, against the longer of (to a folder, upload alone), {size} MB",
            1.3,
            1.1,
            results.ratio("azurite", ["local", "upload"], size, wall),
        ),
    ]
