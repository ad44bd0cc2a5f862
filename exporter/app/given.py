"""The settings as the app reads them."""

import logging
from collections.abc import Mapping

from exporter.app import telemetry
from exporter.errors import SettingsError
from exporter.settings import Settings


def app_settings(environment: Mapping[str, str], *, keys_needed: bool = True) -> Settings:
    """Read at each call, so that a wrong value is a failure line, not a vanished app.

    Raises:
        SettingsError: with every problem.
    """
    settings = Settings.from_mapping(environment, keys_needed=keys_needed)
    if not (settings.storage_url or settings.storage_connection_string):
        raise SettingsError("EXPORT_STORAGE_URL is missing: the app's own disk is no place for dumps")
    logging.getLogger("exporter").setLevel(settings.log_level)
    telemetry.hide(settings.secrets)
    return settings


def why_not(environment: Mapping[str, str]) -> str:
    """What is wrong with the settings; nothing could be recorded while it was."""
    try:
        app_settings(environment)
    except SettingsError as error:
        return str(error)
    return ""
