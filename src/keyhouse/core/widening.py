"""Whether a change lets a key do more than before: that takes who may call models themselves."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from keyhouse.core.key import ApiKey

Network = IPv4Network | IPv6Network


def widens(before: ApiKey, after: ApiKey) -> bool:
    """Whether a key may do more after a change, from more places, or for longer."""
    return not (
        after.permissions.is_within(before.permissions)
        and _are_models_within(after.models, before.models)
        and _are_endpoints_within(after.endpoints, before.endpoints)
        and _are_networks_within(after.ip_allowlist, before.ip_allowlist)
        and ends_no_later(after.expires_at_ms, before.expires_at_ms)
    )


def ends_no_later(end_ms: int | None, than_ms: int | None) -> bool:
    """Whether the one end is no later than the other; None is no end."""
    return than_ms is None or (end_ms is not None and end_ms <= than_ms)


def _are_models_within(models: tuple[str, ...] | None, others: tuple[str, ...] | None) -> bool:
    return others is None or (models is not None and set(models) <= set(others))


def _are_endpoints_within(paths: tuple[str, ...] | None, others: tuple[str, ...] | None) -> bool:
    if others is None or paths is None:
        return others is None
    return all(any(path == other or path.startswith(f"{other}/") for other in others) for path in paths)


def _are_networks_within(entries: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether each of these networks is part of one of the others; no network at all is everywhere."""
    if not entries or not others:
        return not others
    around = [ip_network(other, strict=False) for other in others]
    return all(any(_is_part_of(ip_network(entry, strict=False), other) for other in around) for entry in entries)


def _is_part_of(network: Network, other: Network) -> bool:
    return (
        network.version == other.version and other.prefixlen <= network.prefixlen and network.network_address in other
    )
