"""The columns of a table: what type each has, and how a JSON value becomes one.

A row comes in as the event's own bytes, value by value. A column holds the value as its type where it is one; a value
that is of another type, or is written in another way than Amplitude writes that type, stands in `other` as well, by its
own bytes. So nothing is lost, and nobody has to look at the array to find that out.
"""

from collections.abc import Iterable

from exporter.archive.columns import KNOWN

COLUMNS = tuple(sorted(KNOWN))
TIMES = frozenset(
    (
        "client_event_time",
        "client_upload_time",
        "event_time",
        "processed_time",
        "server_received_time",
        "server_upload_time",
        "user_creation_time",
    )
)
INTEGERS = frozenset(("$schema", "amplitude_id", "app", "event_id", "session_id"))
NUMBERS = frozenset(("location_lat", "location_lng"))
BOOLEANS = frozenset(("is_attribution_event",))
NESTED = frozenset(
    (
        "data",
        "event_properties",
        "global_user_properties",
        "group_properties",
        "groups",
        "plan",
        "user_properties",
    )
)
"""Their text is the event's own bytes."""
OTHER, RAW = "other", "_raw"

FIELD, LINE, RETURN = b"\x01", b"\n", b"\x02"
"""Between fields and behind rows, and in place of a carriage return: bytes that stand in no line of JSON."""
NULL = b"null"
BUFFER, SPARE = 8 << 20, 1 << 16
"""Of the reader, in bytes: smaller ones cost CPU, and one has to hold the longest row."""
TIME_FORMATS = """['"%Y-%m-%d %H:%M:%S.%f"', '"%Y-%m-%d %H:%M:%S"']"""
LONGEST_TIME = len('"2025-11-06 05:04:03.000000"')


def rows_from(path: str, longest: int) -> str:
    """The rows of a file as text: JSON values, and NULL for `null`. ``longest``: no row has more bytes."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in (*COLUMNS, OTHER, RAW))
    return (
        f"read_csv({literal(path)}, columns = {{{columns}}}, delim = '{FIELD.decode()}', quote = '', escape = '', "
        f"header = false, auto_detect = false, nullstr = 'null', new_line = '\\n', max_line_size = {longest}, "
        f"buffer_size = {max(BUFFER, longest + SPARE)})"
    )


def select(rows: str) -> str:
    """The table of ``rows``, which are as `rows_from` gives them."""
    held = [f"{_held(name)} AS {quoted(name)}" for name in COLUMNS]
    odd = {name: test for name in COLUMNS if (test := _odd(name))}
    beside = (f"CASE WHEN {test} THEN {literal(_key(name))} || {quoted(name)} END" for name, test in odd.items())
    others = (
        f"CASE WHEN {' OR '.join(odd.values())} "
        f"THEN '{{' || concat_ws(',', {', '.join(beside)}, nullif(other[2:-2], '')) || '}}' ELSE other END"
    )
    raw = f"replace({RAW}, chr({RETURN[0]}), chr(13))"
    cast = ", ".join(f"{_strict(name)} AS {_cast(name)}" for name in sorted(TIMES | INTEGERS))
    return f"SELECT {', '.join(held)}, {others} AS {OTHER}, {raw} AS {RAW} FROM (SELECT *, {cast} FROM {rows})"


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def lists(texts: Iterable[str]) -> str:
    """A list of texts in SQL."""
    return f"[{', '.join(map(literal, texts))}]"


def _key(name: str) -> str:
    return f'"{name}":'


def _held(name: str) -> str:
    """What the column holds. Only a string begins below `#`: with its quotation mark."""
    value = quoted(name)
    if name in NESTED:
        return value
    if name in TIMES:
        return f"coalesce({_cast(name)}, {_cast_time(value)})"
    if name in INTEGERS:
        return f"CASE WHEN {_cast(name)}::VARCHAR = {value} THEN {_cast(name)} END"
    if name in NUMBERS or name in BOOLEANS:
        return f"try_cast({value} AS {'DOUBLE' if name in NUMBERS else 'BOOLEAN'})"
    return (
        f"CASE WHEN {value} >= '#' THEN {value} WHEN contains({value}, '\\') THEN json_extract_string({value}, '$') "
        f"ELSE replace({value}, '\"', '') END"
    )


def _cast_time(value: str) -> str:
    """A time in another form, e.g. with a zone. Not the words that DuckDB takes for times, nor a number."""
    moment = f"timezone('UTC', try_cast(replace({value}, '\"', '') AS TIMESTAMPTZ))"
    return f"CASE WHEN regexp_matches({value}, '^\"[0-9]{{4}}-') THEN {moment} END"


def _strict(name: str) -> str:
    """The value as Amplitude writes it; both what is held and whether it is odd hang on it, so it is cast once."""
    value = quoted(name)
    return f"try_strptime({value}, {TIME_FORMATS})" if name in TIMES else f"try_cast({value} AS BIGINT)"


def _cast(name: str) -> str:
    return quoted(f"cast {name}")


def _odd(name: str) -> str:
    """Whether the value is not one of the column's type, as Amplitude writes it; "" where every value is."""
    value = quoted(name)
    if name in NESTED:
        return ""
    if name in TIMES:
        return f"({value} IS NOT NULL AND ({_cast(name)} IS NULL OR strlen({value}) > {LONGEST_TIME}))"
    if name in INTEGERS:
        return f"coalesce({_cast(name)}::VARCHAR = {value}, {value} IS NULL) = false"
    if name in NUMBERS:
        cast = f"try_cast({value} AS DOUBLE)::VARCHAR"
        return f"coalesce({cast} = {value} OR {cast} = {value} || '.0', {value} IS NULL) = false"
    if name in BOOLEANS:
        return f"{value} NOT IN ('true', 'false')"
    return f"{value} >= '#'"
