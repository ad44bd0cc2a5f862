"""A real export in a child process that stops itself at a named step: killed for good, or suspended for a while.

`python -m tests.kit.stopped DAY NOW RUN STEP NTH SIGNAL`; settings come from the environment. The step is the moment:
a timer would hit the gap between the dump and its manifest hardly ever.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import date, datetime
from pathlib import Path

from exporter.clock import Clock
from exporter.errors import ExportError
from exporter.export import export_day
from exporter.report import Progress
from exporter.settings import Settings
from exporter.wiring import open_exporter

REPOSITORY = Path(__file__).parents[2]
DONE, FAILED = 0, 1

log = logging.getLogger(__name__)


def stopping(step: str, nth: int, sent: signal.Signals) -> Progress:
    """A progress callback that sends this process a signal the ``nth`` time it comes to ``step``.

    Blocks are staged one at a time, and none is on its way when the signal comes, so that a test can tell to the
    byte what has been sent.
    """
    on_its_way = threading.RLock()
    seen: Counter[str] = Counter()

    def tell(reached: str, _done: int, _total: int | None) -> None:
        if reached == "staging":
            on_its_way.acquire()
        seen[reached] += 1
        if (reached, seen[reached]) == (step, nth):
            with on_its_way:
                os.kill(os.getpid(), sent)
        if reached == "staged":
            on_its_way.release()

    return tell


def start(
    env: dict[str, str], day: date, now: datetime, *, run: str, at: tuple[str, int], sent: signal.Signals
) -> subprocess.Popen[str]:
    """Start an export that stops at ``at``, a step and which of its occurrences."""
    words = (str(day), now.isoformat(), run, at[0], str(at[1]), sent.name)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.kit.stopped", *words],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed(env: dict[str, str], day: date, now: datetime, at: tuple[str, int]) -> str:
    """Run an export that kills itself at ``at``; return what it printed.

    Raises:
        AssertionError: it never came there.
    """
    with start(env, day, now, run="run-killed", at=at, sent=signal.SIGKILL) as child:
        said, _ = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, f"{at} was not reached: {said}"
    return said


def wait_until_suspended(child: subprocess.Popen[str]) -> None:
    """Return once the child has stopped itself."""
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"ended with status {status}: {child.stdout and child.stdout.read()}"


def main() -> int:
    """Export one day as the arguments say; the last line names the outcome."""
    day, now, run, step, nth, sent = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("azure").setLevel(logging.WARNING)
    moment = datetime.fromisoformat(now)
    clock = Clock(lambda: moment, time.monotonic, time.sleep)
    progress = stopping(step, int(nth), signal.Signals[sent])
    with open_exporter(Settings.from_mapping(os.environ), clock, run, progress) as core:
        try:
            done = export_day(date.fromisoformat(day), core)
        except ExportError as error:
            log.error(f"{type(error).__name__}: {error}")
            return FAILED
    log.info(done.outcome)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
