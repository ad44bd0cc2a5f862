"""Chromium for the tests of this folder. Without it they skip; when CI=true they fail."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import opened


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run; each test opens a context of its own."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    reason = "chromium is not on the PATH: on Debian, apt-get install chromium"
    if not path and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if not path:
        pytest.skip(reason)
    with opened(path) as running:
        yield running
