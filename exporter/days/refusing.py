"""Why a stored day is left as it is, in words: an export gave less than is on record of it."""

from collections.abc import Mapping

from exporter.days.hours import ALL_DAY


def gone(name: str, events: int) -> str:
    """What there is to say of a day whose dump is gone, and of which Amplitude has nothing any more."""
    return (
        f"{name} is gone; its manifest tells of {events} events, and Amplitude has nothing now. Restore it, or "
        "delete the manifest if the day is to be empty"
    )


def unproven(name: str, had: Mapping[str, int], gives: int) -> str:
    """What there is to say of a dump that no manifest proves, and that holds more than Amplitude gives."""
    has = sum(count for hour, count in had.items() if hour != ALL_DAY) or had.get(ALL_DAY, 0)
    return (
        f"{name} and its manifest do not fit, as when an exporter was stopped between the two, and tell of {has} "
        f"events; Amplitude gives {gives} now (fewer in all, or in an hour). Try again later, force the day if fewer "
        "is right, or delete the dump if the day is to be empty"
    )
