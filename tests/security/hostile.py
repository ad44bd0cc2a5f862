"""What somebody who can write to the store, or a server on the way, may put there; and what may come of it: nothing."""

import base64
import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unicodedata import category
from urllib.parse import quote

import azure.functions as func

REPOSITORY = Path(__file__).parents[2]
MOVES = "\x1b[2J\x1b]0;owned\x07\x9b1m\x08\r\u202egpj.exe\u2066\u200b\ufeff"
MARKUP = "[/nope] [link=http://evil.example]here[/link] <script>alert(1)</script> <img src=x onerror=y> {{7*7}}"
FORGED = "\n2025-11-07 00:00:00,000 - INFO - FORGED\r\nFORGED: yes\u2028FORGED\x85FORGED"
LONG = "x" * 60_000
TEXTS = (MOVES, MARKUP, FORGED, MOVES + MARKUP + FORGED + LONG, LONG)


def spelled(secret: str) -> set[str]:
    """The ways in which a secret could be read: plain, for a URL, in Base64, in hexadecimal."""
    encoded = base64.b64encode(secret.encode()).decode()
    return {
        secret,
        quote(secret, safe=""),
        encoded,
        encoded.rstrip("="),
        quote(encoded, safe=""),
        secret.encode().hex(),
    }


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that can be read in a text, in any spelling, in capitals or not."""
    low = text.lower()
    return [secret for secret in secrets if any(spelling.lower() in low for spelling in spelled(secret))]


def check_shown(text: str, secrets: Iterable[str] = ()) -> None:
    """Assert that a text which somebody sees moves no terminal, forges no line, leaks nothing, and is not endless."""
    odd = {f"U+{ord(c):04X}" for c in text if category(c) in {"Cc", "Cf", "Zl", "Zp"} and c != "\n"}
    assert odd == set()
    assert not any(line.startswith(("FORGED", "2025-11-07 00:00:00,000")) for line in text.splitlines())
    assert leaks(text, secrets) == []
    assert len(text) < 250_000  # of dozens of texts of 60,000 each


def call(folder: Path, env: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, in a folder of its own, with nothing of this machine's settings."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "HOME": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def call_on_terminal(folder: Path, env: Mapping[str, str], *words: str) -> tuple[int, str]:
    """The same at a terminal, whose library then draws: the exit code, and all that the terminal was sent."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "200", **env},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as child:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 1 << 16):
                shown += piece
        os.close(ours)
    return child.returncode, shown.decode(errors="replace")


def ask_app(name: str, day: str | None = None, *, accept: str = "application/json", **params: str) -> func.HttpResponse:
    """Call one of the app's HTTP functions, as the host does."""
    import function_app  # noqa: PLC0415 - it makes libraries quieter, which tests listen to

    called = getattr(function_app, name)._function.get_user_function()
    request = func.HttpRequest(
        "GET",
        "https://app.example/api/exports",
        headers={"Accept": accept},
        params=params,
        route_params={"day": day} if day else {},
        body=b"",
    )
    context: Any = SimpleNamespace(trace_context=SimpleNamespace(trace_parent="", trace_state=""))
    answer = called(req=request, context=context)
    assert isinstance(answer, func.HttpResponse)
    return answer
