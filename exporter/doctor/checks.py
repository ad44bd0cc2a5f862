"""Every check, side by side and bounded in time, and what they found.

Each check ends with one sentence that says what was found and, if that is wrong, what to do. None stops another, and
whatever the other side does, the report is there after SECONDS.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Thread

from exporter import report
from exporter.clock import Clock
from exporter.doctor.found import FAILED, OK, WARNING, Check
from exporter.doctor.place import PLACE, check_place
from exporter.doctor.room import ROOM, check_room
from exporter.doctor.source import SOURCE, check_source
from exporter.errors import ExportError, SettingsError
from exporter.foreign import Foreign
from exporter.settings import SETTING_NAMES, Settings, unknown_names

SECONDS = 10.0
"""For all checks together."""


@dataclass(frozen=True)
class Report:
    """What the checks of one call found, in their order."""

    run: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.result == FAILED)

    @property
    def ok(self) -> bool:
        """Whether an export can begin: a warning is no failure."""
        return not self.failed

    def plain(self) -> dict[str, object]:
        """The report for JSON."""
        return {"ok": self.ok, "run": self.run, "checks": [vars(check) for check in self.checks]}


def check_all(
    values: Mapping[str, str], clock: Clock, run: str, *, in_app: bool = False, seconds: float = SECONDS
) -> Report:
    """Check what the settings in ``values`` need; ``in_app``: a folder is no place for dumps there.

    What is wrong with one setting is said, and everything that does not depend on it is checked all the same.
    """
    settings, problem = _readable(values, in_app=in_app)
    found = [Check("program", OK, report.program()), _check_settings(values, problem)]
    if settings is None:
        names = (*SOURCE, *PLACE, *ROOM)
        return Report(run, (*found, *(Check(name, FAILED, "not tried: see settings") for name in names)))
    source = check_source(settings, clock)
    place = check_place(settings, run, clock.now()) if not in_app or _has_container(settings) else _not_tried(PLACE)
    groups = [_Group(SOURCE, source), _Group(PLACE, place), _Group(ROOM, check_room(settings))]
    end = clock.monotonic() + seconds
    for group in groups:
        group.start()
    for group in groups:
        group.join(max(0.0, end - clock.monotonic()))
    found += [check for group in groups for check in group.report(seconds)]
    foreign = Foreign(settings.secrets)  # no sentence holds one: to be sure
    return Report(run, tuple(replace(check, sentence=foreign.blanked(check.sentence)) for check in found))


class _Group(Thread):
    """Checks that follow one another. A daemon: one that is never answered keeps no program from its end."""

    def __init__(self, names: Sequence[str], checks: Iterator[Check]) -> None:
        super().__init__(name=f"doctor-{names[0]}", daemon=True)
        self._names = names
        self._checks = checks
        self._found: list[Check] = []

    def run(self) -> None:
        """Let one check after the other be made; what is raised is what the next one of them found."""
        try:
            for check in self._checks:
                self._found.append(check)
        except ExportError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"{error.filename or 'the system'}: {error.strerror}. Look at the path and its permissions")
        except Exception as error:  # noqa: BLE001 - whatever it is, the other checks are to be told
            self._fail(f"a mistake in the exporter, please report it ({type(error).__name__})")

    def report(self, seconds: float) -> Iterator[Check]:
        """A check for every name, those without an answer included."""
        found = list(self._found)
        missing = self._names[len(found) :]
        if missing and self.is_alive():
            found.append(
                Check(missing[0], FAILED, f"no answer within {seconds:g} s. Call again, or look at the network")
            )
        yield from found
        for name in self._names[len(found) :]:
            yield Check(name, FAILED, f"not tried: see {found[-1].name}")

    def _fail(self, sentence: str) -> None:
        name = self._names[min(len(self._found), len(self._names) - 1)]
        self._found.append(Check(name, FAILED, " ".join(sentence.split())))


def _readable(values: Mapping[str, str], *, in_app: bool) -> tuple[Settings | None, str]:
    """The settings, those that are wrong left out, and what is wrong. None if the rest makes no sense either."""
    try:
        settings = Settings.from_mapping(values)
    except SettingsError as error:
        problem = str(error)
    else:
        if not in_app or _has_container(settings):
            return settings, ""
        return settings, "EXPORT_STORAGE_URL is missing: the app's own disk is no place for dumps"
    told = (re.findall(r"\w+", line.partition(":")[0]) for line in problem.splitlines())
    wrong = {word for words in told for word in words} & (SETTING_NAMES | set(values))
    try:
        rest = {name: value for name, value in values.items() if name not in wrong}
        return Settings.from_mapping(rest, keys_needed=False), problem
    except SettingsError:
        return None, problem


def _check_settings(values: Mapping[str, str], problem: str) -> Check:
    if problem:
        return Check("settings", FAILED, "; ".join(problem.splitlines()))
    if unknown := unknown_names(values):
        return Check("settings", WARNING, "; ".join(unknown))
    return Check("settings", OK, "every setting can be read")


def _has_container(settings: Settings) -> bool:
    return bool(settings.storage_url or settings.storage_connection_string)


def _not_tried(names: Sequence[str]) -> Iterator[Check]:
    yield from (Check(name, FAILED, "not tried: see settings") for name in names)
