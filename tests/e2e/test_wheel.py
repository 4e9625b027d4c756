"""A wheel built from this tree serves the same, pages and all, from an empty environment."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from e2e.processes import ROOT, House, clean_environment


def uv(*arguments: str) -> None:
    """Run uv: the installed one, or the copy that `make` keeps."""
    program = shutil.which("uv")
    if program is None:
        subprocess.run(["make", "--quiet", ".tools/bin/uv"], cwd=ROOT, check=True, timeout=110, capture_output=True)
        program = str(ROOT / ".tools" / "bin" / "uv")
    ended = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.wheel
@pytest.mark.timeout(240)
def test_a_wheel_serves_its_pages_and_styles_from_an_empty_environment(tmp_path: Path) -> None:
    uv("build", "--quiet", "--wheel", "--require-hashes", "--build-constraints", "locks/build.txt", "-o", str(tmp_path))
    (wheel,) = tmp_path.glob("keyhouse-*.whl")
    environment = tmp_path / "environment"
    uv("venv", "--quiet", "--python", sys.executable, str(environment))
    python = str(environment / "bin" / "python")
    uv("pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", "locks/run.txt")
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", str(wheel))

    folder = tmp_path / "house"
    folder.mkdir()
    house = House(folder, serve=(str(environment / "bin" / "keyhouse"),))
    house.environment = clean_environment() | {"PYTHONPATH": os.devnull}
    house.start()
    try:
        assert house.child is not None
        link = next(word for word in house.child.said.split() if "/set-up/" in word)
        with httpx.Client() as browser:
            page = browser.get(link)
            assert page.status_code == 200
            assert "<form" in page.text
            style = re.search(r'rel="stylesheet" href="([^"]+)"', page.text)
            assert style is not None
            css = browser.get(urljoin(house.url, style[1]))
            assert css.status_code == 200
            assert css.headers["content-type"].startswith("text/css")
            assert len(css.content) > 1_000
    finally:
        house.stop()
