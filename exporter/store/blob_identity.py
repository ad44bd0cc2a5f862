"""Tokens of an identity: who refuses to give one says why, and may quote what was sent to him."""

from collections.abc import Callable
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import ChainedTokenCredential

from exporter.foreign import Foreign
from exporter.store.blob_errors import SECRET_HEADERS
from exporter.store.blob_transport import Transport

_SECRET_FIELDS = frozenset({"client_secret", "client_assertion", "assertion", "password"})


class TokenTransport(Transport):
    """A transport that keeps what of its requests must not be shown: they are few, a token holds for an hour."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.secrets: set[str] = set()

    def send(self, request: Any, **options: Any) -> Any:
        """Send it."""
        self.secrets |= {str(value) for name, value in request.headers.items() if name.lower() in SECRET_HEADERS}
        form = getattr(request, "data", None)
        if isinstance(form, dict):
            self.secrets |= {str(value) for name, value in form.items() if name in _SECRET_FIELDS}
        return super().send(request, **options)


class Identity:
    """A credential whose errors hold nothing secret. A chain of them tells what each was answered, and no request."""

    def __init__(self, credential: ChainedTokenCredential, wire: TokenTransport) -> None:
        self._credential = credential
        self._wire = wire

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """As the credential does."""
        return self._told(self._credential.get_token, *scopes, **options)

    def get_token_info(self, *scopes: str, **options: Any) -> Any:
        """As the credential does."""
        return self._told(self._credential.get_token_info, *scopes, **options)

    def _told(self, ask: Callable[..., Any], *scopes: str, **options: Any) -> Any:
        try:
            return ask(*scopes, **options)
        except AzureError as error:
            words = str(error)
            shown = Foreign(self._wire.secrets).blanked(words)
            if shown == words:
                raise
        raise ClientAuthenticationError(shown)  # not where the other is handled: a traceback would show it
