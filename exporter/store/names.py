"""What may be the name of an object. A name from outside never leads out of the store."""

from exporter.errors import StoreError

_LONGEST_SHOWN = 100


def is_name(name: str) -> bool:
    """Whether an object may be called so: parts between single slashes, of which none begins with a dot.

    So ``..`` and absolute names are none, and no object hides from a listing or meets a folder's own hidden files. A
    backslash is refused since Azure takes it for a slash.
    """
    parts = name.split("/")
    return all(parts) and not any(part.startswith(".") for part in parts) and name.isprintable() and "\\" not in name


def checked(name: str) -> str:
    """``name``, if an object may be called so.

    Raises:
        StoreError: it may not.
    """
    if is_name(name):
        return name
    raise StoreError(
        f"{name[:_LONGEST_SHOWN]!r} is no name for an object of the store: it may not begin or end with a slash, nor "
        "hold a backslash, a control character, or a part that is empty or begins with a dot. Nothing was done"
    )


def checked_prefix(prefix: str) -> str:
    """``prefix``, if names can begin with it.

    Raises:
        StoreError: no name can.
    """
    checked(f"{prefix}x")
    return prefix
