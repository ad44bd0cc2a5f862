"""What can be given to the templates: bounds, defaults, names, and what is refused before anything is deployed."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from exporter.settings import SETTING_NAMES, Settings
from tests.infra import compiler
from tests.infra.promises import COMMAND_LINE_ONLY

MAIN = (compiler.INFRA / "main.bicep").read_text(encoding="utf-8")
FILE = (compiler.INFRA / "main.bicepparam").read_text(encoding="utf-8")
READ = re.compile(r"readEnvironmentVariable\('(\w+)'(?:, '([^']*)')?\)")
# Parameter, variable, and the default where the variable is not set.
GIVEN = re.findall(rf"(?m)^param (\w+) = .*?{READ.pattern}", FILE)


def _parameter(name: str) -> tuple[dict[str, int], str, str]:
    """The bounds, the type and the default of a parameter of main.bicep."""
    found = re.search(rf"((?:^@.+\n|^  '.+\n|^\]\)\n)*)^param {name} ({{.*?}}|\S+)(?: = (.+))?$", MAIN, re.MULTILINE)
    assert found, name
    bounds = {kind: int(value) for kind, value in re.findall(r"@(m\w+)\((\d+)\)", found[1])}
    default = re.sub(r"^take\((.+), 63\)$", r"\1", found[3] or "")  # the compiler wants to see that it is not too long
    return bounds, found[2], default.strip("'")


def _settings() -> Iterator[tuple[str, str, Any, msgspec.Meta]]:
    """Variable, parameter, default and bounds of every setting that the parameter file reads."""
    hints = get_type_hints(Settings, include_extras=True)
    by_variable = {variable: parameter for parameter, variable, _ in GIVEN}
    for item in dataclasses.fields(Settings):
        if (variable := item.metadata["name"]) in by_variable:
            (meta,) = get_args(hints[item.name])[1:] or (msgspec.Meta(),)
            yield variable, by_variable[variable], item.default, meta


def test_every_parameter_is_read_from_the_environment() -> None:
    """A parameter that the file leaves out goes back to its default at every deployment from GitHub."""
    assert [parameter for parameter, _, _ in GIVEN] == re.findall(r"(?m)^param (\w+)", FILE)
    assert {parameter for parameter, _, _ in GIVEN} == set(re.findall(r"(?m)^param (\w+)", MAIN))


def test_defaults_of_the_file_are_those_of_the_template() -> None:
    """Whoever deploys without the file gets the same."""
    for parameter, _, default in GIVEN:
        _, kind, other = _parameter(parameter)
        if kind != "string[]":  # these have no default, and an empty text is refused
            assert default == other, parameter


def test_settings_have_their_own_names_and_defaults() -> None:
    """Every setting of the app that is not made by the templates can be set, by the setting's own name."""
    assert {variable for variable, *_ in _settings()} == SETTING_NAMES - COMMAND_LINE_ONLY - {"EXPORT_STORAGE_URL"}
    for variable, parameter, default, _ in _settings():
        assert float(_parameter(parameter)[2]) == default if isinstance(default, int | float) else True, variable
        made = "${exportContainer}-ledger" if variable == "EXPORT_LEDGER_CONTAINER" else default  # as ledger_beside
        assert _parameter(parameter)[2] == made or not isinstance(default, str), variable


@pytest.mark.parametrize(
    ("variable", "parameter", "default", "meta"), list(_settings()), ids=lambda each: str(each)[:30]
)
def test_bounds_are_those_of_the_setting(variable: str, parameter: str, default: object, meta: msgspec.Meta) -> None:
    """What the app refuses is refused at deployment, and what it takes can be deployed."""
    bounds, kind, _ = _parameter(parameter)
    if kind == "int":
        assert bounds["minValue"] == meta.ge
        assert meta.le is None or bounds["maxValue"] == meta.le
    elif isinstance(default, float):
        assert f"{{ name: '{parameter}'" in re.sub(r"\{\s+", "{ ", MAIN)
        assert f"a number from {meta.ge:g} to {meta.le:g}" in MAIN, variable


def test_every_number_has_both_bounds() -> None:
    """A digit too many is refused before it is paid for."""
    numbers = re.findall(r"(?m)^param (\w+) int", MAIN)
    assert len(numbers) >= 10
    for parameter in numbers:
        assert {"minValue", "maxValue"} <= set(_parameter(parameter)[0]), parameter
