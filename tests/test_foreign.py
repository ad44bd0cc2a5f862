import base64
import json
import unicodedata
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.foreign import LONGEST_QUOTE, LONGEST_SENTENCE, Foreign

KEY, SECRET, ACCOUNT = "a1b2c3d4e5f60718", 'S3cr+t/w\'th "odd" %41 <&é>', base64.b64encode(bytes(range(64))).decode()
ALL = (KEY, SECRET, f"{KEY}:{SECRET}", ACCOUNT)
foreign = Foreign(ALL)

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "capitals": lambda s: "".join(c.swapcase() if c.isascii() else c for c in s),
    "basic": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "base64 in an address": lambda s: quote(base64.b64encode(s.encode()).decode(), safe=""),
    "percent": lambda s: quote(s, safe=""),
    "percent, small letters": lambda s: quote(s, safe="").lower(),
    "every byte in percent": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "percent twice": lambda s: quote(quote(s, safe=""), safe=""),
    "a form's": quote_plus,
    "hexadecimal": lambda s: s.encode().hex().upper(),
    "JSON": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "bytes in Python": lambda s: repr(s.encode())[2:-1],
    "HTML": lambda s: escape(s).replace("'", "&apos;"),
    "HTML by number": lambda s: "".join(f"&#{ord(c)};" if c.isascii() else c for c in s),
    "folded": lambda s: "\r\n ".join(s[n : n + 5] for n in range(0, len(s), 5)),
    "with nothing in between": "\u200b".join,
    "in colours": "\x1b[31m".join,
}


@pytest.mark.parametrize("secret", ALL, ids=["key", "secret", "pair", "account"])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_blanked_in_every_spelling(secret: str, spell: Callable[[str], str]) -> None:
    """What stands around it stays."""
    assert foreign(f"before [{spell(secret)}] after").replace("******", "***") in {
        "before [***] after",
        "before [***=] after",
        "before [***%3D] after",
    }


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("secret", ALL, ids=["key", "secret", "pair", "account"])
def test_a_secret_is_blanked_inside_of_something_encoded(before: int, secret: str) -> None:
    """Wherever it begins there, for base64 takes three bytes at a time."""
    text = base64.b64encode(("x" * before + secret + "yz").encode()).decode()
    shown = foreign(text)
    assert "***" in shown
    assert len(shown) <= before * 2 + 12


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("filler", [250, 280, 290, 299])
def test_no_half_of_a_secret_stands_at_the_cut(filler: int, spell: Callable[[str], str]) -> None:
    """It is blanked before the text is cut."""
    shown = foreign("x" * filler + spell(KEY))
    assert shown == ("x" * filler + "***")[:LONGEST_QUOTE]


def test_what_is_far_too_long_to_be_read_gives_no_half_of_a_secret_either() -> None:
    """Nor if only spaces stand before it."""
    for filler in range((1 << 16) - 20, (1 << 16) + 1):
        assert KEY[:4] not in foreign(" " * filler + KEY)
    assert foreign("long " * 100_000) == ("long " * 60).rstrip()


def test_short_secrets_are_not_blanked() -> None:
    """A proxy's user called `me` would spoil every sentence."""
    assert Foreign(("", "me", "abc", "a bc", "wxyz"))("me, abc, a bc and wxyz") == "me, abc, a bc and ***"


def test_only_printable_characters_pass() -> None:
    """No terminal escapes, no marks of direction, nothing invisible; every line break is a space."""
    assert foreign("a\x1b[2J\x1b]0;title\x07b\x9b1mc") == "a ]0;title bc"
    assert foreign("user\u202egpj.exe \u2066x\u2069 z\u200be\ufeffr\u00ado\u3164") == "usergpj.exe x zero"
    assert foreign("one\u2028two\u2029three\x85four\r\nfive\tsix\x00seven\u00a0eight") == (
        "one two three four five six seven eight"
    )
    assert foreign("naïve Ελλάδα 日本 \U0001f600 \ud83d") == "naïve Ελλάδα 日本 \U0001f600"


def test_bytes_are_read_as_utf_8() -> None:
    """What is none is shown as a replacement character."""
    assert foreign("<h1>Grüße</h1>\n".encode() + b"\xff\x00PK") == "<h1>Grüße</h1> \ufffd PK"


@given(st.text() | st.binary(), st.text(min_size=4, max_size=20))
def test_every_text_becomes_one_printable_line(text: str | bytes, secret: str) -> None:
    """Whatever it holds, and whatever the secret is."""
    shown = Foreign((secret,))(text)
    assert len(shown) <= LONGEST_QUOTE
    assert shown.isprintable()
    assert not any(unicodedata.category(character) == "Cf" for character in shown)


@given(st.text(max_size=50), st.text(max_size=50))
def test_without_a_secret_nothing_is_blanked(before: str, after: str) -> None:
    """And around one nothing but it changes: a formatter of log lines uses this."""
    assert foreign.blanked(before) == before
    assert foreign.blanked(f"{before}|{KEY}\n{after}") == f"{before}|***\n{after}"


TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL3N0b3JhZ2UifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Authorization: Bearer {TOKEN}, twice", "Authorization: Bearer ***, twice"),
        (f"token={TOKEN}", "token=***"),
        ("SharedKey account:mpOlpSULoo3fYKQ9b/w8pyFjA7LtwHWrWu7bFNUDfGo= was sent", "SharedKey *** was sent"),
        ("Basic dXNlcjpwYXNzd29yZDpsb25n.", "Basic ***."),
        ("?sv=2026&sig=ab%2Bcdefgh%3D&se=1", "?sv=2026&sig=***&se=1"),
        ("AccountName=a;AccountKey=abcdefgh==;x", "AccountName=a;AccountKey=***;x"),
        ("client_secret=hush-hush-hush", "client_secret=***"),
        ("Basic authentication is required, Bearer too", "Basic authentication is required, Bearer too"),
        ("the design=1 of a config=abcdefghij", "the design=1 of a config=abcdefghij"),
    ],
)
def test_what_can_only_be_a_credential_is_blanked_unknown(text: str, shown: str) -> None:
    """A token is there before anybody can name it; words about credentials stay."""
    assert Foreign()(text) == shown


@pytest.mark.parametrize("spell", [str, lambda s: base64.b64encode(s.encode()).decode(), lambda s: quote(s, safe="")])
@pytest.mark.parametrize("size", [8, 11, 15])
def test_half_a_secret_at_the_end_of_a_text_is_blanked(size: int, spell: Callable[[str], str]) -> None:
    """Libraries and servers cut texts, too; less than eight characters tell nothing, and end many a word."""
    assert foreign(f"it said {spell(KEY)[:size]}") == "it said ***"
    assert foreign(f"it said {KEY[:7]}") == f"it said {KEY[:7]}"
    assert foreign(f"it said {KEY[:8]}. And so on") == f"it said {KEY[:8]}. And so on"


def test_a_half_that_repeats_is_found_at_its_beginning() -> None:
    """The longest one counts."""
    repeating = Foreign(("abcdefghabcdefghXY",))
    for size in range(8, 18):
        assert repeating(f"it said {'abcdefghabcdefghXY'[:size]}") == "it said ***"


def test_a_stored_sentence_is_cut_later_than_a_quotation() -> None:
    """And says so. What is far too long is not read to its end."""
    assert foreign.sentence("s" * LONGEST_SENTENCE) == "s" * LONGEST_SENTENCE
    assert foreign.sentence("s" * (LONGEST_SENTENCE + 1)) == "s" * (LONGEST_SENTENCE - 3) + "..."
    assert foreign.sentence(f"a\nb\x1b[31m {KEY}") == "a b ***"
    for filler in range(LONGEST_SENTENCE - 20, LONGEST_SENTENCE + 5):
        assert KEY[:8] not in foreign.sentence("s" * filler + KEY)
    for filler in range((1 << 13) - 20, (1 << 13) + 1):
        assert KEY[:4] not in foreign.sentence(" " * filler + KEY)
