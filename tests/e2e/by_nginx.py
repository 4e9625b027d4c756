"""nginx in front of a Keyhouse, with the configuration that the documentation shows."""

import re
import shutil
import socket
from pathlib import Path
from typing import Final

from e2e.processes import ROOT, Child, eventually, free_port

_AROUND: Final = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
{shown}
}}
"""


def shown() -> str:
    """The configuration in docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def nginx(folder: Path, keyhouse_port: int) -> tuple[Child, str]:
    """Start it; returns it and its URL."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert program is not None, "nginx is not installed: tests/setup does"
    port = free_port()
    written = shown().replace("127.0.0.1:8080", f"127.0.0.1:{keyhouse_port}")
    written = re.sub(r"listen .*?;", f"listen 127.0.0.1:{port};", written)
    written = re.sub(r"\n\s*ssl_\w+ .*?;", "", written)
    (folder / "nginx.conf").write_text(_AROUND.format(shown=written), encoding="utf-8")
    child = Child([program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"], folder / "nginx.log")
    eventually(lambda: _listens(port), f"nginx does not listen:\n{child.said}")
    return child, f"http://127.0.0.1:{port}"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
