"""What anyone would try first: common passwords, and what is left of a password without its easy parts.

A password is guessable if it is on the list, if it repeats one short piece, or if too little is left once
what an attacker gets for nothing is taken out: common words, the product's and the organization's name, the
e-mail address, and every character that merely repeats or continues the one before it.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

PARTS_MIN: Final = 6
"""How many characters of a password may not follow from the ones before them."""

REST_MIN: Final = 8
"""The same for what is left of it without names and common words."""

NAME_LENGTH_MIN: Final = 4
"""Shorter names occur inside unrelated words, and are not taken out."""

_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "yxcvbnm",
    "zxcvbnm",
    "!@#$%^&*()",
    '!"§$%&/()=',
)
_NEIGHBORS: Final = frozenset(pair for row in _ROWS for a, b in pairwise(row) for pair in (a + b, b + a))
_COLUMNS: Final = ("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "zaq1", "xsw2", "cde3", "vfr4", "bgt5")

_LOOKALIKES: Final = str.maketrans({"@": "a", "4": "a", "3": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s"})

_WORDS: Final = """
    administrator lovelovelove superstar password1 startrek starwars football baseball basketball passwort password
    pa55word trustno1 iloveyou princess sunshine superman spiderman computer internet whatever letmein welcome dragon
    monkey shadow master hunter secret summer winter autumn spring january february october november december monday
    tuesday wednesday thursday friday saturday sunday changeme default service testing temporary unknown nothing
    qwerty azerty qwertz asdfgh zxcvbn abc123 google facebook linkedin microsoft windows android samsung chocolate
    butterfly liverpool chelsea arsenal barcelona michael jennifer jessica charlie thomas daniel andrew joshua matthew
    ashley nicole pokemon mustang ferrari freedom forever hello world admin login guest root user pass test love
    openai chatgpt claude
""".split()  # noqa: SIM905  a list this long is read as text

COMMON: Final = frozenset(
    # Well-known ones of twelve characters and more, in lower case.
    """
    123456qwerty 1a2b3c4d5e6f 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1q2w3e4r5t6y7u8i 1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc
    1qaz2wsx3edc4rfv a1b2c3d4e5f6 aa123456789a abc123abc123 abcd1234abcd abcdef123456 admin1234567 admin123456789
    adminadminadmin administrator administrator1 administrator123 apikeyapikey arsenal12345 asdfasdfasdf asdfghjkl123
    barcelona123 baseball1234 basketball12 batman123456 blessed12345 businessname1 butterfly123 california123
    changeitnow! changeme1234 changeme12345 changemenow! chatgpt12345 chelsea12345 chocolate123 christmas123
    company12345 companypassword computer1234 congratulations correcthorsebatterystaple defaultpassword dragondragon
    facebook1234 football1234 fortnite1234 gameofthrones godisgood123 google123456 guestguestguest halloween123
    harrypotter1 harrypotter123 heavenlyfather ihatepasswords ihateyou1234 iloveyou1234 iloveyouforever iloveyousomuch
    internet1234 jesuschrist1 jesuslovesme justinbieber letmein12345 letmeinletmein letmeinplease linkedin1234
    liverpool123 lordoftherings manchester123 manchesterunited maytheforcebewithyou michaeljackson microsoft123
    minecraft123 monkeymonkey mypassword123 mypasswordis123 mysecretpassword neverforget1 newyork12345 nopassword123
    nothing12345 officepassword onceuponatime openai123456 opensesame12 opensesame123 p@ssw0rd1234 p@ssw0rd12345
    pa$$word1234 passw0rd1234 passw0rd12345 password1234 password12345 password123456 passwordpassword
    passwordusername playstation playstation1 playstation2 playstation3 playstation4 playstation5 pleasechangeme
    pokemon12345 princess1234 q1w2e3r4t5y6 q1w2e3r4t5y6u7i8o9p0 qazwsxedcrfv qazwsxedcrfvtgb qwerty123456 qwertyqwerty
    realmadrid123 rootpassword rootrootroot samsung12345 secretpassword secretsecret spiderman123 starwars1234
    sunshine1234 superman12345 supersecret123 supersecretpassword temporary123 temppassword testing12345 testpassword
    testtesttest thisismypassword tobeornottobe toortoortoor topsecret123 topsecret1234 trustno1trustno1 unbelievable
    username1234 usernamepassword welcome12345 welcome123456 welcometohell whatever1234 windows12345 youtube12345
    zaq12wsxcde3 zxcvzxcvzxcv
    """.split()  # noqa: SIM905  a list this long is read as text
)


def why_guessable(password: str, *, email: str = "", organization: str = "") -> str | None:
    """Why a password would be among the first guesses, as the end of a sentence; None if it would not."""
    text = password.casefold()
    if not COMMON.isdisjoint((text, _compact(text), _compact(text.translate(_LOOKALIKES)))):
        return "is one of the most common ones"
    if _repeats(text):
        return "repeats one short piece"
    if _parts(text) < PARTS_MIN:
        return "is little more than a sequence or a repetition"
    for names, why in (
        (_address_parts(email), "is little more than the e-mail address"),
        ([_compact(organization)], "is little more than the organization's name"),
        (["keyhouse"], "is little more than the name of this product"),
        (_WORDS, "is little more than a common word"),
    ):
        if _parts_without(text, names) < REST_MIN:
            return why
    everything = [*_address_parts(email), _compact(organization), "keyhouse", *_WORDS]
    if _parts_without(text, everything) < REST_MIN:
        return "is made of names and words that are easy to guess"
    return None


def _compact(text: str) -> str:
    return re.sub(r"[\s._-]+", "", text.casefold())


def _address_parts(email: str) -> list[str]:
    local, _, domain = email.casefold().partition("@")
    return [_compact(part) for part in (email, local, *re.split(r"[._+-]", local), domain, domain.partition(".")[0])]


def _repeats(text: str) -> bool:
    """Whether the text is one piece, of at most half its length, again and again."""
    return any(
        all(text[place] == text[place - period] for place in range(period, len(text)))
        for period in range(1, len(text) // 2 + 1)
    )


def _parts(text: str) -> int:
    """How many characters do not follow from the one before.

    One that does is the same, or its neighbor on a keyboard, in the alphabet or among the digits.
    """
    for column in _COLUMNS:
        text = text.replace(column, column[0])
    return sum(1 for before, here in pairwise("\0" + text) if before != here and before + here not in _NEIGHBORS)


def _parts_without(text: str, names: Iterable[str]) -> int:
    """What is left without these names, however they are spelled; the whole if none of them occurs."""
    wanted = sorted((name for name in names if len(name) >= NAME_LENGTH_MIN), key=len, reverse=True)
    if not wanted:
        return REST_MIN
    pattern = re.compile("|".join(re.escape(name) for name in wanted))
    spellings = {text, _compact(text), text.translate(_LOOKALIKES), _compact(text).translate(_LOOKALIKES)}
    return min(_parts(pattern.sub("", spelling)) for spelling in spellings)
