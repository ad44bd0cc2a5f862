"""Lines that are events although they look odd, lines that are none although they nearly look it, and strategies."""

import json

from hypothesis import strategies as st

LEGAL = [
    b"{}",
    b' {"a" : 1} ',
    b'\t{"a":1}\t',
    b'{"a":1,"a":2}',
    b'{"event_time":"2025-11-06 05:00:00","event_time":"2024-01-01"}',
    b'{"event\\u005ftime":"2025-11-06 05:00:00","event_time":1}',
    b'{"event_time":null,"\\u0065vent_time":"2025-11-06 05:00:00"}',
    b'{"a":{"event_time":"2024-01-01"},"event_time":"2025-11-06 05:00:00"}',
    b'{"a":[{"event_time":"2024-01-01"}]}',
    b'{"event_time":{"event_time":"2024-01-01"}}',
    b'{"":null,"b":[true,false,{}]}',
    b'{"big":123456789012345678901234567890}',
    b'{"huge":' + b"9" * 5_000 + b"}",
    b'{"far":1e400,"near":-1E-400}',
    b'{"event_time":1e400}',
    b'{"half":"\\ud83d"}',
    b'{"\\ud83d":1}',
    b'{"nul":"\\u0000"}',
    b'{"del":"\x7f"}',
    '{"lines":"\u2028\u2029\u0085"}'.encode(),
    '{"text":"Köln 株式会社 \U0001f600"}'.encode(),
    b'{"deep":' + b"[" * 300 + b"]" * 300 + b"}",
]
BROKEN = [
    (b"[]", "not a JSON object"),
    (b'"text"', "not a JSON object"),
    (b"1", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'[{"a":1}]', "not a JSON object"),
    (b"{", "not JSON at character 2"),
    (b'{"a":1}}', "not JSON at character 8: Extra data"),
    (b'{"a":1},', "not JSON at character 8: Extra data"),
    (b'{"a":1}{"b":2}', "not JSON at character 8: Extra data"),
    (b'{"a":1},{"b":2}', "not JSON at character 8: Extra data"),
    (b'{"a":1,}', "not JSON at character"),
    (b"{'a':1}", "not JSON at character 2"),
    (b'{"a":NaN}', "NaN is no JSON value"),
    (b'{"a":Infinity}', "Infinity is no JSON value"),
    (b'{"a":-Infinity}', "-Infinity is no JSON value"),
    (b'{"event_time":NaN}', "NaN is no JSON value"),
    (b'{"a":01}', "not JSON at character"),
    (b'{"a":1.}', "not JSON at character"),
    (b'{"a":.5}', "not JSON at character"),
    (b'{"a":+1}', "not JSON at character"),
    (b'{"a":0x1}', "not JSON at character"),
    (b'{"a":"\t"}', "not JSON at character 7: Invalid control character"),
    (b'{"a":"\x00"}', "not JSON at character"),
    (b'{"a":"\\q"}', "not JSON at character"),
    (b'{"a":"\\u12"}', "not JSON at character"),
    (b'{"a":1}//', "not JSON at character"),
    (b'{"a":1}\x0c', "not JSON at character"),
    (b"\xef\xbb\xbf{}", "not JSON at character 1"),
    (b'{"a":"\xff"}', "not UTF-8 at byte 7"),
    (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 7"),
    (b'{"a":"\xc0\xaf"}', "not UTF-8 at byte 7"),
    (b"\x00{}", "not JSON at character 1"),
    ("{}".encode("utf-16-le"), "not JSON at character"),
    (b'{"deep":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
]
WORDS = (
    b'{ } [ ] " \\ \\u d83d 0 1 - . e E + , : 1e400 NaN Infinity true null false "a" "event_time" "\\q" "\\u12" // 01'
)
ODD = [b"\x00", b"\x1f", b"\x7f", "é".encode(), b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b" ", b"\t", b"\x0b", b"\r"]
PIECES = [*WORDS.split(), *ODD]
FRAMES = [
    b"%b",
    b'{"a":%b}',
    b'{"event_time":%b}',
    b'{"event_time":"%b"}',
    b'{"a":"%b"}',
    b'{"%b":1}',
    b'{"a":[%b]}',
    b"{}%b",
    b"%b{}",
]

odd_lines = st.builds(
    lambda frame, pieces: frame.replace(b"%b", b"".join(pieces)),
    st.sampled_from(FRAMES),
    st.lists(st.sampled_from(PIECES), max_size=6),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4).map(
    lambda value: json.dumps(value, ensure_ascii=False).encode()
)
