"""Lines that are events although they look odd, lines that are none although they nearly look it, and strategies."""

import json

from hypothesis import strategies as st

USUAL = [
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
    b'{"event_time":"\\u0032025-11-06","a":"\\\\"}',
    b'{"":null,"b":[true,false,{}]}',
    b'{"near":-1E-400,"most":1.7976931348623157e308,"zero":0e999999,"padded":1e0000000000000000000000001}',
    b'{"largest":18446744073709551615,"least":-9223372036854775808,"exact":99999999999999999999.0}',
    b'{"whole":"\\ud83d\\ude00","not an escape":"\\\\ud83d","text":"99999999999999999999","also":"1e400,"}',
    b'{"nul":"\\u0000"}',
    b'{"del":"\x7f"}',
    '{"lines":"\u2028\u2029\u0085"}'.encode(),
    '{"text":"Köln 株式会社 \U0001f600"}'.encode(),
    b'{"deep":' + b"[" * 1_022 + b"]" * 1_022 + b"}",
    b'{"wide":[' + b"[0]," * 3_000 + b"0]}",
    b'{"brackets":"' + b"[" * 3_000 + b'"}',
]
UNUSUAL = [
    b'{"big":123456789012345678901234567890}',
    b'{"one more":18446744073709551616}',
    b'{"one less":-9223372036854775809}',
    b'{"huge":' + b"9" * 5_000 + b"}",
    b'{"far":1e400,"near":-1E-400}',
    b'{"far":[-1.5E+400]}',
    b'{"far":1.7976931348623159e308}',
    b'{"long":1' + b"0" * 400 + b".5}",
    b'{"event_time":1e400}',
    b'{"half":"\\ud83d"}',
    b'{"half":"\\ud83d\\ud83d\\ude00"}',
    b'{"half":"\\\\\\uDE00"}',
    b'{"\\ud83d":1}',
    b' \t{"half":"\\ud83d"}\t ',
    b'{"deep":' + b"[" * 1_023 + b"]" * 1_023 + b"}",
    b'{"deep":' + b'[{"a":' * 511 + b"[1]" + b"}]" * 511 + b"}",
    b'{"deep":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
]
LEGAL = USUAL + UNUSUAL
BROKEN = [
    (b"[]", "not a JSON object"),
    (b'"text"', "not a JSON object"),
    (b"1", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'[{"a":1}]', "not a JSON object"),
    (b"{", "not JSON at byte 2"),
    (b'{"a":1}}', "not JSON at byte 8"),
    (b'{"a":1},', "not JSON at byte 8"),
    (b'{"a":1}{"b":2}', "not JSON at byte 8"),
    (b'{"a":1},{"b":2}', "not JSON at byte 8"),
    (b'{"a":1,}', "not JSON at byte"),
    (b"{'a':1}", "not JSON at byte 2"),
    (b'{"a":NaN}', "NaN is no JSON value"),
    (b'{"a":Infinity}', "Infinity is no JSON value"),
    (b'{"a":-Infinity}', "-Infinity is no JSON value"),
    (b'{"event_time":NaN}', "NaN is no JSON value"),
    (b'{"a":01}', "not JSON at byte"),
    (b'{"a":1.}', "not JSON at byte"),
    (b'{"a":.5}', "not JSON at byte"),
    (b'{"a":+1}', "not JSON at byte"),
    (b'{"a":0x1}', "not JSON at byte"),
    (b'{"a":"\t"}', "not JSON at byte 6"),
    (b'{"a":"\x00"}', "not JSON at byte"),
    (b'{"a":"\\q"}', "not JSON at byte"),
    (b'{"a":"\\u12"}', "not JSON at byte"),
    (b'{"a":1}//', "not JSON at byte"),
    (b'{"a":1}\x0c', "not JSON at byte"),
    (b"\xef\xbb\xbf{}", "not JSON at byte 1"),
    (b'{"a":"\xff"}', "not UTF-8 at byte 7"),
    (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 7"),
    (b'{"a":"\xc0\xaf"}', "not UTF-8 at byte 7"),
    (b"\x00{}", "not JSON at byte 1"),
    ("{}".encode("utf-16-le"), "not JSON at byte"),
    (b'{"deep":' + b"[" * 200_000 + b"]" * 199_999 + b"}", "not JSON at byte 400008"),
]
NUMBERS = b"0 1 - . e E + 01 1e400 e308 99999999999 922337203685477580 0000000000"
WORDS = b'{ } [ ] " \\ \\u d83d , : NaN Infinity true null false "a" "event_time" "\\q" "\\u12" //'
ODD = [b"\x00", b"\x1f", b"\x7f", "é".encode(), b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b" ", b"\t", b"\x0b", b"\r"]
PIECES = [*NUMBERS.split(), *WORDS.split(), *ODD]
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
