import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.utils import get_auth_from_url, prepend_scheme_if_needed
from urllib3.util import parse_url

from exporter.foreign.proxies import proxy_problems, proxy_secrets, proxy_shown

FORM = "it is not an address of the form http://user:password@host:port"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "  ",
        "http://proxy:3128",
        "HTTPS://Proxy.corp.example/",
        "http://user:pa%23ss@proxy:3128/",
        "http://user@proxy",
        "http://us%40er:p$!'()*+,;=-._~&@10.0.0.1:80",
        "http://[fd00::1]:3128",
        "proxy.corp.example:3128",
        "proxy",
    ],
)
def test_a_proxy_that_can_be_read_is_no_problem(address: str) -> None:
    """In capitals or small letters, as the variables are."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "all_proxy"):
        assert proxy_problems({name: address, "NO_PROXY": "*", "OTHER_PROXY": "http://["}) == []


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("http://hans:qu#ix@proxy:3128", FORM),
        ("http://hans:qu%ix@proxy:3128", FORM),
        ("http://hans:qu%zzix@proxy:3128", FORM),
        ("http://hans:qu[ix@proxy:3128", FORM),
        ("http://hans:qu/ix@proxy:3128", FORM),
        ("http://hans:qu?ix@proxy:3128", FORM),
        ("http://hans:qu@ix@proxy:3128", FORM),
        ("http://hans:qu:ix@proxy:3128", FORM),
        ("http://hans:qu ix@proxy:3128", FORM),
        ("http://hans:quix@proxy\r\nX: y", FORM),
        ("http://hans:quix@", FORM),
        ("http://hans:quix@proxy:port", FORM),
        ("http://hans:quix@proxy/way", FORM),
        ("ftp://hans:quix@proxy", FORM),
        ("http://hans:quix@proxy:99999", "its port is not a number from 1 to 65535"),
        ("http://hans:quix@proxy:0", "its port is not a number from 1 to 65535"),
        ("hans:quix@proxy:3128", "write http:// or https:// before the host"),
        ("localhost:3128", "write http:// or https:// before the host"),
        ("socks5h://hans:quix@proxy:1080", "a SOCKS proxy is not supported"),
        ("http://hans:qu%E2%82%ACix@proxy", "its user or password holds a character"),
        ("http://hans:qu%FFix@proxy", "its user or password holds a character"),
    ],
)
def test_a_proxy_that_cannot_be_read_is_refused_without_a_word_of_it(address: str, wrong: str) -> None:
    """The sentence names the variable and what to do; nothing before the host is quoted."""
    (problem,) = proxy_problems({"https_proxy": address})
    assert problem.startswith(f"https_proxy: {wrong}")
    for part in ("hans", "qu#", "qu%", "quix", "ix@"):
        assert part not in problem


def test_every_proxy_is_looked_at() -> None:
    """One sentence each."""
    problems = proxy_problems({"HTTPS_PROXY": "http://[", "ALL_PROXY": "socks5://x", "HTTP_PROXY": "http://fine"})
    assert [problem.split(":")[0] for problem in problems] == ["HTTPS_PROXY", "ALL_PROXY"]


@given(st.text(st.sampled_from("http:/sock5uP@[].#%4?-0~é\\ "), max_size=25))
@example("http://user:pa%23ss@proxy:3128")
def test_what_is_taken_is_read_alike_by_those_who_connect(address: str) -> None:
    """Our reading, that of requests and that of urllib3 agree on host, port and user."""
    if proxy_problems({"HTTPS_PROXY": address}) or not address.strip():
        return
    complete = prepend_scheme_if_needed(address, "http")  # type: ignore[no-untyped-call]
    parts = parse_url(complete)
    assert (parts.scheme, parts.path) in {(s, p) for s in ("http", "https") for p in (None, "", "/")}
    assert proxy_shown(address).lower() == (f"{parts.host}:{parts.port}" if parts.port else parts.host)
    user, password = get_auth_from_url(complete)
    assert not (user or password) or {user, password} - {""} <= set(proxy_secrets({"HTTPS_PROXY": address}))


def test_user_and_password_are_secrets_as_written_and_as_sent() -> None:
    """The pair too, for it is sent as Base64; also of an address that is refused."""
    assert proxy_secrets({"https_proxy": "http://us%40er:pa%23ss@proxy:3128", "HTTP_PROXY": "http://proxy"}) == (
        "us%40er:pa%23ss",
        "us%40er",
        "pa%23ss",
        "us@er:pa#ss",
        "us@er",
        "pa#ss",
    )
    assert proxy_secrets({"HTTPS_PROXY": "hans:qu#ix@proxy"}) == ("hans:qu#ix", "hans", "qu#ix")


def test_a_proxy_is_shown_without_user_and_password() -> None:
    """Also one that cannot be read."""
    assert proxy_shown("http://hans:quix@proxy.corp:3128/") == "proxy.corp:3128"
    assert proxy_shown("https://hans@proxy") == "proxy"
    assert proxy_shown("http://hans:qu#ix@proxy") == "not readable"
