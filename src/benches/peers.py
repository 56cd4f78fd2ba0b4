"""Other programs that speak DLMS, for comparison: where their environments stand and how they are made.

``python -m benches.peers`` makes them. They are optional; each is an environment of its own beside ours, because
their licences (GPL-2.0, BSL) are not ours and two releases of one package do not fit into one. Nothing here or in
the product imports them: they are run as processes.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benches.report import say

CLIENTS: Final = Path(__file__).parent / "peer_clients"
REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements"
ENVIRONMENTS: Final = Path(sys.prefix) / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """``package`` as installed in ``environment``, run by ``script``; locked in ``requirements``."""

    name: str
    package: str
    environment: str
    requirements: str
    script: str

    @property
    def python(self) -> Path:
        """The interpreter of its environment, which may not exist."""
        return ENVIRONMENTS / self.environment / "bin" / "python"

    @property
    def installed(self) -> bool:
        """Whether it can be run."""
        return self.python.exists()

    def version(self) -> str:
        """The release that is installed."""
        ask = f"from importlib.metadata import version; print(version({self.package!r}))"
        told = subprocess.run([self.python, "-c", ask], capture_output=True, text=True, check=True)
        return told.stdout.strip()


PEERS: Final = (
    Peer("dlms-cosem", "dlms-cosem", "bench", "bench.txt", "cosem_session.py"),
    Peer("dlms-cosem-21.3.2", "dlms-cosem", "bench-mit", "bench-mit.txt", "cosem_session.py"),
    Peer("gurux-dlms", "gurux-dlms", "bench", "bench.txt", "gurux_session.py"),
)
"""dlms-cosem 21.3.2 is the last release under MIT."""


def install() -> None:
    """Make the environments that are missing, from locked and hashed requirements."""
    for name, requirements in {peer.environment: peer.requirements for peer in PEERS}.items():
        home = ENVIRONMENTS / name
        if (home / "bin" / "python").exists():
            say(f"peers: {name} is there")
            continue
        say(f"peers: making {home}")
        venv.create(home, with_pip=True)
        command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--require-hashes", "-r", str(REQUIREMENTS / requirements)], check=True)


if __name__ == "__main__":
    install()
