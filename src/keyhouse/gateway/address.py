"""Where an upstream may be: what its address says, which of them may be called, and how a request to it begins.

Pure: nothing is resolved or connected here. Whoever connects asks here first (`upstream.py`).
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

_NAT64: Final = IPv6Network("64:ff9b::/96")
_PORTS: Final = {"http": 80, "https": 443}
_TARGET: Final = re.compile(r"/[!-~]*")
_VALUE: Final = re.compile(r"[ -~\t]*")


class Forbidden(Exception):  # noqa: N818  it is an answer, not a fault
    """This is not called, or not sent; the text says why."""


class Place:
    """A server, from the base of its address. Raises Forbidden for one that may not be called.

    Plain http, and addresses that are not public, may be only with `allow_private`. A host that is an address is
    vetted right here; one that is a name (`is_name`) must be resolved, and what it means then be vetted.
    """

    __slots__ = ("_host_header", "_path", "host", "is_name", "is_tls", "port")

    def __init__(self, base_url: str, *, allow_private: bool) -> None:
        try:
            url = urlsplit(base_url)
            port = url.port
        except ValueError as error:
            raise Forbidden(f"its base_url cannot be read: {error}") from None
        if url.scheme not in _PORTS or not url.hostname or url.username or url.password is not None:
            raise Forbidden("its base_url is not a plain http(s) address")
        if url.query or url.fragment or not _TARGET.fullmatch(url.path or "/"):
            raise Forbidden("its base_url has more than a scheme, a host, a port and a path")
        self.is_tls = url.scheme == "https"
        if not self.is_tls and not allow_private:
            raise Forbidden("its base_url is not https")
        try:
            self.host = url.hostname if url.hostname.isascii() else url.hostname.encode("idna").decode()
        except UnicodeError:
            raise Forbidden("its base_url has a host that is no name") from None
        self.port = port if port is not None else _PORTS[url.scheme]
        self.is_name = not _is_address(self.host)
        if not self.is_name:
            vet([self.host], allow_private=allow_private)
        bracketed = f"[{self.host}]" if ":" in self.host else self.host
        self._host_header = bracketed if self.port == _PORTS[url.scheme] else f"{bracketed}:{self.port}"
        self._path = url.path.rstrip("/")

    def head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """A request's first line and these headers. Raises Forbidden for what cannot stand in one."""
        target = self._path + path
        if not _TARGET.fullmatch(target) or "#" in target:
            raise Forbidden("its address cannot stand in a request")
        for name, value in headers.items():
            if not _VALUE.fullmatch(value):
                raise Forbidden(f"its header {name} has a character that cannot stand in one")
        lines = [f"{method} {target} HTTP/1.1", f"host: {self._host_header}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "".join(f"{line}\r\n" for line in lines).encode()


def vet(addresses: Iterable[str], *, allow_private: bool) -> None:
    """Raise Forbidden unless every one of these addresses is public, or private ones are allowed."""
    if allow_private:
        return
    for address in addresses:
        if not is_public(address):
            raise Forbidden(f"its address {address} is not public")


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet, also where an IPv4 address hides in an IPv6 one."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            hidden = IPv4Address(int(found) & 0xFFFF_FFFF)
        if hidden is not None:
            return is_public(str(hidden))
        if found.is_site_local:
            return False  # long deprecated, and still within a site: Python takes it for global
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
