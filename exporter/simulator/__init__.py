"""An Amplitude Export API on loopback, deterministic and scriptable: the demo's and the tests' source."""

from exporter.simulator.contents import Content, Missing, OddKind, OddLine, Resized
from exporter.simulator.deletions import Deletion, OnDeletions
from exporter.simulator.faults import (
    ALWAYS,
    ONCE,
    Fault,
    SpoilKind,
    Spoilt,
    Status,
    TooLarge,
    TooManyRequests,
    When,
    Wire,
    WireKind,
)
from exporter.simulator.simulator import Request, Simulator
from exporter.simulator.spelling import FAULT_NAMES, parse_faults

__all__ = [
    "ALWAYS",
    "FAULT_NAMES",
    "ONCE",
    "Content",
    "Deletion",
    "Fault",
    "Missing",
    "OddKind",
    "OddLine",
    "OnDeletions",
    "Request",
    "Resized",
    "Simulator",
    "SpoilKind",
    "Spoilt",
    "Status",
    "TooLarge",
    "TooManyRequests",
    "When",
    "Wire",
    "WireKind",
    "parse_faults",
]
