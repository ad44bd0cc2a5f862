"""What Amplitude's answers mean: the status, and the words beside it. Pure."""

import json
import re
from http import HTTPStatus

from exporter.errors import PermanentError, RefusedError, RetriableError, WindowTooBigError
from exporter.window import Window

NO_DATA_WORDS = "Raw data files were not found"
SIZE_WORDS = re.compile(r"size|large|shorten|4\s*GB", re.IGNORECASE)
OWN_DESTINATION = (
    "Use Amplitude's own Azure Blob Storage or S3 destination for such hours (Data, Destinations in its web app)"
)


def means_data(status: int, said: str, window: Window, base_url: str) -> bool:
    """What a status means: True, an archive follows; False, the window is empty; everything else raises.

    ``said`` is what Amplitude wrote beside it. 429 and 5xx arrive here only after their retries.
    """
    quoted = f"status {status}" + (f", Amplitude says: {said}" if said else "")
    match status:
        case HTTPStatus.OK:
            return True
        case HTTPStatus.NOT_FOUND if NO_DATA_WORDS in said:
            return False
        case HTTPStatus.NOT_FOUND:
            raise PermanentError(f"window {window}: {quoted}. That is no Export API: look at AMP_BASE_URL ({base_url})")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise RefusedError(
                f"Amplitude refuses the keys ({quoted}). Look at AMP_API_KEY, AMP_SECRET_KEY and the region: the "
                f"project must live behind AMP_BASE_URL ({base_url}; EU https://analytics.eu.amplitude.com, "
                "US https://amplitude.com)"
            )
        case HTTPStatus.BAD_REQUEST if not said or SIZE_WORDS.search(said):
            if window.hours > 1:
                raise WindowTooBigError(f"window {window}: {quoted}")
            raise PermanentError(f"hour {window.first} is too big for the Export API ({quoted}). {OWN_DESTINATION}")
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise RetriableError(
                f"window {window}: {quoted}, after every retry. Amplitude allows 5 requests at once, dashboards "
                "included: try again later, or lower EXPORT_CONCURRENCY"
            )
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RetriableError(f"window {window}: {quoted}, after every retry. Try again later")
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise PermanentError(f"window {window}: {quoted}, a redirect. Look at AMP_BASE_URL ({base_url})")
        case _:
            raise PermanentError(f"window {window}: {quoted}. Asking again will not help")


def words_of(body: bytes, secrets: tuple[str, ...]) -> str:
    """Amplitude's own words from its error envelope, else the start of the body as one line of text.

    Some proxies show the request in their error page: the ``secrets`` are blanked.
    """
    try:
        error = json.loads(body)["error"]
        words = [error["message"], (error.get("metadata") or {}).get("details")]
        text = ": ".join(str(word) for word in words if word)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace"))
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300].rstrip(".")
