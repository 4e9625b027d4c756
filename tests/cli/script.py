"""Scripts of commands and what they say, as plain text that a reader can follow.

    # a comment
    $ keyhouse keys show <key>
    id    <key>
    ...
    ! keyhouse: this goes to stderr
    (3)

A line after the command is expected on stdout, exactly; with `! ` before it, on stderr. `<word>` stands for
anything without a space: the first time it is kept, from then on it is that. `...` stands for any number of
lines. `(3)` is the exit code, 0 if it is left out.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

_WORD = re.compile(r"<(\w+)>")


def play(path: Path, run: Callable[[list[str]], "CompletedProcess[str]"]) -> None:
    """Run every command of a script and compare; `run` gets the words after `keyhouse`."""
    kept: dict[str, str] = {}
    steps = path.read_text().split("\n$ keyhouse ")[1:]
    assert steps
    for step in steps:
        command, *expected = [line for line in step.splitlines() if line.strip() and not line.startswith("# ")]
        words = [_WORD.sub(lambda word: kept[word[1]], part) for part in shlex.split(command)]
        status = int(expected.pop()[1:-1]) if expected and re.fullmatch(r"\(\d+\)", expected[-1]) else 0
        ended = run(words)
        said = f"{path.name}: keyhouse {command}\n{ended.stdout}\n{ended.stderr}"
        assert ended.returncode == status, said
        _compare([line for line in expected if not line.startswith("! ")], ended.stdout, kept, said)
        _compare([line[2:] for line in expected if line.startswith("! ")], ended.stderr, kept, said)


def _compare(expected: list[str], said: str, kept: dict[str, str], context: str) -> None:
    pattern, fresh = "", set[str]()
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        place = 0
        for word in _WORD.finditer(line):
            name = word[1]
            pattern += _spaced(line[place : word.start()])
            if name in kept:
                pattern += re.escape(kept[name])
            elif name in fresh:
                pattern += f"(?P={name})"
            else:
                pattern += rf"(?P<{name}>\S+)"
                fresh.add(name)
            place = word.end()
        pattern += _spaced(line[place:].rstrip()) + "\n"
    match = re.fullmatch(pattern, said)
    assert match is not None, f"{context}\nexpected:\n" + "\n".join(expected)
    kept.update(match.groupdict())


def _spaced(text: str) -> str:
    """Columns are as wide as what stands in them, which the script cannot know: two spaces are two or more."""
    return re.sub(r"(?:\\ ){2,}", r" {2,}", re.escape(text))
