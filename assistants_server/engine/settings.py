"""What the environment says about the upstream, and what people get wrong there."""

import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit
from urllib.request import getproxies

import httpx2

from assistants_server.web.http_server import is_loopback

OPENAI = "https://api.openai.com/v1"
KEY = re.compile(r"[!-~]+")  # printable ASCII; only that can be sent in a header
ADDRESS = re.compile(
    r"https?://(?:[^/\s@]*@)?(?:[^/\s\[\]@:]+|\[[\da-fA-F:.]+\])(?::\d+)?(?:[/?][^\s#]*)?"
)
QUOTED = re.compile(r"['\"]")


class SettingsError(ValueError):
    """A variable of the environment cannot be used. The message names it, and not its value."""


@dataclass(frozen=True)
class Upstream:
    """Where model turns come from.

    Attributes:
        base_url: the address that ends in ``/v1``. Azure's may have a query behind it.
        api_key: sent to that address and shown to nobody.
    """

    base_url: str
    api_key: str = field(repr=False)

    @classmethod
    def from_environment(cls) -> "Upstream | None":
        """Return what `OPENAI_API_KEY` and `OPENAI_BASE_URL` name, or None without a key.

        Raises:
            SettingsError: no request can be made with them.
        """
        key = os.environ.get("OPENAI_API_KEY")
        if not key:
            return None
        if not KEY.fullmatch(key) or QUOTED.search(key):
            raise SettingsError(
                "OPENAI_API_KEY has a line break, a space, a quotation mark or a character that is "
                "not ASCII in it, and no key has. Set it again, to the key alone."
            )
        upstream = cls(os.environ.get("OPENAI_BASE_URL") or OPENAI, key)
        if not _is_address(upstream.base_url):
            raise SettingsError(
                "OPENAI_BASE_URL is no address. Set it to one like http://localhost:11434/v1, which "
                "begins with http:// or https://."
            )
        if upstream.uses_proxies and _needs_socks():
            raise SettingsError(
                "The environment names a SOCKS proxy (ALL_PROXY, HTTPS_PROXY or HTTP_PROXY), for "
                "which the package socksio is missing. Install it (pip install socksio), or unset "
                "the variable."
            )
        return upstream

    @property
    def shown(self) -> str:
        """The address without a password or a query that may be in it."""
        return re.sub(r"//[^/@]*@", "//", self.address)

    @property
    def address(self) -> str:
        """The address without its query, for paths to be put behind it."""
        return self.base_url.partition("?")[0].rstrip("/")

    @property
    def query(self) -> dict[str, str]:
        """What every request has in its query: on Azure the ``api-version``."""
        return dict(parse_qsl(urlsplit(self.base_url).query))

    @property
    def uses_proxies(self) -> bool:
        """Whether the environment's proxies are asked: not for a server on this machine."""
        return not is_loopback(urlsplit(self.base_url).hostname or "")


def unused_address() -> str | None:
    """Return what to say if an address is set but, without a key, not used."""
    if not os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_KEY"):
        return None
    return (
        "OPENAI_BASE_URL is set but OPENAI_API_KEY is not, so no model is asked. Set the key too; "
        "for a server that needs none, any word will do."
    )


def _is_address(url: str) -> bool:
    try:
        # Ports above 65535, for example, are found by these.
        return bool(ADDRESS.fullmatch(url) and httpx2.URL(url) and urlsplit(url).port != 0)
    except (ValueError, httpx2.InvalidURL):
        return False


def _needs_socks() -> bool:
    named = any(address.startswith("socks") for address in getproxies().values())
    return named and find_spec("socksio") is None
