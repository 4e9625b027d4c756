"""What the key inspector found, in words: the answer first, then the key's story. Pure."""

from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.wording import Times
from keyhouse.core.key import SecretVersion, Status
from keyhouse.core.secret import Kind
from keyhouse.reporting.inspections import Finding, Inspected, Inspection, Moment, What

Words = tuple[str, str]
"""A headline and the sentence under it."""

_NOT_FOUND: Final[dict[Finding, Words]] = {
    Finding.ADMIN_KEY: (
        "This is an admin key of this organization",
        "It calls the Admin API and never a model. Owners see admin keys by API and command.",
    ),
    Finding.DAMAGED: (
        "This is not a whole Keyhouse key",
        "It begins like one, but its checksum does not fit: a character was lost or changed on the way. Copy it again.",
    ),
    Finding.HIDDEN: (
        "This is a key of this organization that you may not see",
        "It is in a project that you are not in. An owner of that project, or of the organization, can show it to you.",
    ),
    Finding.NOTHING: (
        "No key is found by this",
        "Paste a whole key, what is shown of one (sk-kh_7Qm2…x9Fa), or its last four characters.",
    ),
    Finding.OTHERS: (
        "This is not a key of Keyhouse's",
        "Keyhouse's keys begin with sk-kh_, sk-svcacct-kh_ or sk-admin-kh_. Whoever issued this one can tell you more.",
    ),
    Finding.UNKNOWN: (
        "No key of this organization has this secret",
        "It may be one of another organization, or of another Keyhouse. Look at where you are signed in.",
    ),
}
_TONES: Final = {What.OLD_ENDED: "ended", What.EXPIRED: "ended", What.REVOKED: "ended", What.IN_USE: "live"}


class Step(msgspec.Struct, frozen=True):
    """One line of a key's story."""

    title: str
    second: str
    at: str
    exact: str
    tone: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What is said of one key, or that there is none. `look` is the shape beside it."""

    title: str
    sentence: str
    look: str
    key_id: str = ""
    name: str = ""
    may_rotate: bool = False
    steps: tuple[Step, ...] = ()


def answers(inspection: Inspection, times: Times) -> tuple[Answer, ...]:
    """What was found, an answer for each key."""
    if inspection.keys:
        return tuple(_answer(found, times) for found in inspection.keys)
    title, sentence = _NOT_FOUND[inspection.finding]
    return (Answer(title, sentence, "lost"),)


def _answer(found: Inspected, times: Times) -> Answer:
    key = found.key
    look, title, sentence = _fate(found, times)
    return Answer(
        title=title,
        sentence=sentence,
        look=look,
        key_id=key.id,
        name=key.name,
        may_rotate=key.status(times.now_ms) in (Status.ACTIVE, Status.DISABLED) and look != "active",
        steps=tuple(_step(moment, found, times) for moment in found.story),
    )


def _fate(found: Inspected, times: Times) -> tuple[str, str, str]:
    key, secret = found.key, found.secret
    match key.status(times.now_ms):
        case Status.REVOKED:
            when = "" if key.revoked_at_ms is None else f" {times.moment(key.revoked_at_ms)}"
            return "ended", f"{key.name} was revoked", f"That was{when} and is final: create a new key in its place."
        case Status.EXPIRED:
            when = "" if key.expires_at_ms is None else f" {times.moment(key.expires_at_ms)}"
            sentence = f"Its time was over{when}. Give it a later expiry to use it again."
            return "ended", f"{key.name} has expired", sentence
        case Status.DISABLED:
            sentence = "It is refused until somebody enables it again; nothing is lost."
            return "disabled", f"{key.name} is disabled", sentence
        case Status.ACTIVE:
            return _living(found, secret, times)


def _living(found: Inspected, secret: SecretVersion, times: Times) -> tuple[str, str, str]:
    key = found.key
    newest = f"…{key.current.last_four}"
    if secret.ends_at_ms is None:
        return "active", f"This is the current secret of {key.name}", f"It works. {_belongs(found)}"
    if secret.ends_at_ms > times.now_ms:
        ends = times.moment(secret.ends_at_ms)
        sentence = f"It works until {ends}. Move to the new secret, {newest}, before then."
        return "rotating", f"This is the old secret of {key.name}", sentence
    replaced = next((one for one in reversed(key.secrets) if one.version > secret.version), key.current)
    sentence = (
        f"It was replaced {times.moment(replaced.created_at_ms)} and ended {times.moment(secret.ends_at_ms)}. "
        f"The key itself is alive: use its new secret, {newest}."
    )
    return "old", f"This is an old secret of {key.name}", sentence


def _belongs(found: Inspected) -> str:
    owner = "service account " if found.key.kind is Kind.SERVICE_ACCOUNT else ""
    where = f" in project {found.project_name}" if found.project_name else ""
    return f"The key belongs to {owner}{found.owner_name or 'someone who is gone'}{where}."


def _step(moment: Moment, found: Inspected, times: Times) -> Step:
    title, second = _told(moment, found, times)
    at = times.ago(moment.at_ms) if moment.what is What.IN_USE else times.moment(moment.at_ms)
    return Step(title, second, wording.sentence(at), times.exact(moment.at_ms), _TONES.get(moment.what, ""))


def _told(moment: Moment, found: Inspected, times: Times) -> Words:
    by = f" by {moment.by}" if moment.by else ""
    caller = ", ".join(part for part in (f"from {moment.address}" if moment.address else "", moment.agent) if part)
    match moment.what:
        case What.CREATED:
            owner = "service account " if found.key.kind is Kind.SERVICE_ACCOUNT else ""
            where = f" in project {found.project_name}" if found.project_name else ""
            return f"Key created{by}", f"for {owner}{found.owner_name or 'someone who is gone'}{where}"
        case What.ROTATED:
            return f"Rotated{by}", _rotated(moment, found, times)
        case What.LAST_CALL:
            return "Last call with this secret", caller
        case What.DISABLED:
            return f"Disabled{by}", "calls are refused until it is enabled"
        case What.OLD_ENDED:
            return "This secret ended", "calls with it are refused since"
        case What.EXPIRED:
            return "Expired", "calls are refused since"
        case What.REVOKED:
            return f"Revoked{by}", "calls are refused since, for good"
        case What.IN_USE:
            return "Key in use with its new secret", caller


def _rotated(moment: Moment, found: Inspected, times: Times) -> str:
    by_version = {one.version: one for one in found.key.secrets}
    made, before = by_version[moment.version], by_version.get(moment.version - 1)
    text = f"new secret …{made.last_four}"
    if before is None or before.ends_at_ms is None:
        return text
    which = "this one" if before.version == found.secret.version else f"…{before.last_four}"
    if before.ends_at_ms <= made.created_at_ms:
        return f"{text}; {which} ended at once"
    stays = "stays" if before.ends_at_ms > times.now_ms else "stayed"
    overlap = Times(times.zone, made.created_at_ms).left(before.ends_at_ms)
    return f"{text}; {which} {stays} valid for {overlap}"
