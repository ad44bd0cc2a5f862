"""What a night does for those whom Amplitude deletes: they are proposed, or erased here, too. It never fails a run."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from exporter import report
from exporter.amplitude.deletions import Deletion
from exporter.clock import Deadline
from exporter.days.erasures import Erasures
from exporter.errors import DeadlineError, ExportError
from exporter.foreign import Foreign
from exporter.privacy.book import Work
from exporter.privacy.follow import Held, erase, grouped, held
from exporter.privacy.keyed import Kept
from exporter.report import Step

log = logging.getLogger(__name__)


@contextmanager
def told(secrets: Iterable[str]) -> Iterator[None]:
    """What goes wrong inside is a warning: no day depends on it."""
    try:
        yield
    except DeadlineError:
        log.warning(report.deletions_failed("there was no time left. What is begun goes on the next night"))
    except (ExportError, OSError) as error:
        log.warning(report.deletions_failed(Foreign(secrets).sentence(str(error))))
    except Exception as error:  # noqa: BLE001 - a night is never failed by what comes after its days
        log.warning(report.deletions_failed(f"a mistake in the exporter, please report it ({type(error).__name__})"))


@dataclass(frozen=True)
class Following:
    """How a night follows Amplitude's list, which ``listed`` asks for.

    ``auto``: who is left is erased, by ``work``, until ``deadline``; else proposed.
    """

    listed: Callable[[], Sequence[Deletion]]
    work: Work
    kept: Kept
    temp_limit: int
    deadline: Deadline
    auto: bool = False

    def follow(self) -> None:
        """Read the list, and propose or erase.

        Raises:
            ExportError: what went wrong.
        """
        records = Erasures.of(self.work.days)
        found: Held = held(self.listed(), self.kept, records, self.work.clock.now().date())
        told = report.deletions_listed(found.count, found.erased, found.waiting, len(found.left))
        if not found.left:
            log.info(told)
        elif not self.auto:
            log.warning(f"{told}. Look at them with `erase --from-amplitude --dry-run`, and erase them without it")
        else:
            log.info(told)
            work = replace(self.work, progress=self._in_time)
            for asked in grouped(found.left, self.kept, records):
                erase(asked, work, self.kept, self.temp_limit)

    def _in_time(self, step: Step, done: int, total: int | None) -> None:
        self.deadline.check()
        self.work.progress(step, done, total)
