"""What others wrote: Amplitude, proxies, servers, whoever named a file. It is told through one door, `Foreign`."""

import re
from collections.abc import Iterable
from unicodedata import category

from exporter.foreign.spelled import LAYERS, SHORTEST_SECRET, Spelled, spellings

LONGEST_QUOTE = 300
"""Characters of foreign text that are shown."""
LONGEST_SENTENCE = 1000
"""Characters of a sentence of ours, in which foreign text is quoted, that are shown when it is read back."""
BLANK = "***"
_LONGEST_READ = 1 << 16
_HALF_READ = 1 << 12
"""Characters before the end of what is read in which the first half of a secret may stand."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Unicode calls printable, and nobody sees."""
_CREDENTIAL = re.compile(
    r"\b(?:(?:Bearer|Basic|SharedKey(?:Lite)?)[ ]+([\w+/=~.:-]{19,}[\w+/=~-])|(eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?)"
    r"|(?:sig|AccountKey|client_secret|access_token)=([^\s&;\"'<>]{8,}))",
    re.ASCII | re.IGNORECASE,
)
"""What can only be a credential, whoever's it is: of a token nobody knows before it is there."""
_COLOURS = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")


class Foreign:
    """The one door of foreign text: what others wrote passes it before it is logged, stored or shown.

    Calling it gives one line of at most LONGEST_QUOTE printable characters in which every secret is blanked. It is
    made once, of all that must not be shown. What is sent as Basic credentials is a secret of its own:
    ``Foreign((key, secret, f"{key}:{secret}"))``.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {spelling for secret in secrets for spelling in spellings(secret)}
        self._needles = frozenset(spelling for spelling in found if len(spelling) >= SHORTEST_SECRET)

    def __call__(self, text: str | bytes) -> str:
        """``text`` as it may be shown: blanked before it is cut, so that no half of a secret stands at the cut."""
        return self._shown(text, _LONGEST_READ)[:LONGEST_QUOTE].rstrip()

    def sentence(self, text: str) -> str:
        """A sentence of ours that was stored, as it may be shown: whoever can write there can have changed it."""
        shown = self._shown(text, _HALF_READ * 2)
        return shown if len(shown) <= LONGEST_SENTENCE else f"{shown[: LONGEST_SENTENCE - 3].rstrip()}..."

    def line(self, text: str) -> str:
        """``text`` in one line as it may be shown, not cut: for who knows its length."""
        return self.blanked(printable(text))

    def _shown(self, text: str | bytes, most: int) -> str:
        read = text[:most]
        shown = self.line(read if isinstance(read, str) else read.decode("utf-8", "replace"))
        return shown[:-_HALF_READ] if len(text) > len(read) else shown

    def blanked(self, text: str) -> str:
        """``text`` without secrets, however they are spelled in it, and otherwise as it is."""
        found, spelled = [match.span(match.lastindex or 0) for match in _CREDENTIAL.finditer(text)], Spelled.of(text)
        for _ in range(LAYERS):
            found += spelled.find(self._needles)
            spelled = spelled.undone()
        shown, end = "", 0
        for start, stop in sorted(found):
            if stop > end:
                shown += (text[end:start] + BLANK) if start >= end else ""
                end = stop
        return shown + text[end:]


def printable(text: str) -> str:
    """``text`` in one line, without what is not printed or nobody sees: colours, controls, marks of direction."""
    text = _INVISIBLE.sub("", _COLOURS.sub("", text))
    shown = (one if one.isprintable() else "" if category(one) == "Cf" else " " for one in text)
    return " ".join("".join(shown).split())
