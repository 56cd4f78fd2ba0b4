"""``session``: what reading one meter costs the client, against a floor and against other programs.

One session is TCP connect, AARQ and AARE, HLS-GMAC both ways, GET of a 48 x 8 block load in three blocks under
general-glo ciphering, decoding, and release. Ours keeps the meter's settings from visit to visit, as the head-end
does: the key schedule is made once. Everyone is fed the same octets by a meter that computes nothing. The
clients are processes of their own and take turns, round by round, so that a busy machine troubles all alike;
figures are medians over rounds of CPU time (user and system) of the client process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benches import transcript
from benches.blockload import COLUMNS, ROWS
from benches.peers import CLIENTS, PEERS, Peer
from benches.report import Goal, Report, say
from benches.session_worker import BATCH, Decoder
from bijlighar.dlms.association import NEED_DATA, AssociationOpened, ClientSettings, GetSucceeded, Released

ROUNDS: Final = 15
SESSIONS: Final = {"floor": 600, "ours": 600, "headend": 400}
"""Sessions a round: some 60 ms each, so that a scheduler's slice weighs little and all takes below a minute."""

PEER_SESSIONS: Final = {"dlms-cosem": 30, "dlms-cosem-21.3.2": 30, "gurux-dlms": 4}
MEMORY_SESSIONS: Final = 512
GOALS: Final = {"floor_ratio": 1.35, "memory_us": 18.0}
PEER_GOALS: Final = {"dlms-cosem": 15.0, "gurux-dlms": 145.0}
STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a client told of one round."""

    cpu_s: float
    rows: int
    checksum: int


class Worker:
    """A process that answers each line with one line."""

    def __init__(self, name: str, command: list[str], sessions: int) -> None:
        self.name = name
        self.sessions = sessions
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self) -> str:
        """The next line. Raises RuntimeError when the process has ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait(STOP_S)}")
        return line

    def ask(self, line: str) -> str:
        """Its answer to a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.line()

    def round(self, sessions: int | None = None) -> Told:
        """One round of sessions."""
        return Told(**json.loads(self.ask(str(sessions or self.sessions))))

    def stop(self) -> None:
        """End the process by the end of its input, or by force."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            assert self._process.stdout is not None
            self._process.stdout.close()


def run(rounds: int = ROUNDS, peers: tuple[Peer, ...] = PEERS, sessions: Mapping[str, int] = SESSIONS) -> Report:
    """Measure. Peers that are not installed are left out and named."""
    recorded = transcript.record()
    meter = Worker("meter", [sys.executable, "-m", "benches.canned_meter"], 0)
    workers: list[Worker] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            port = int(meter.line())
            workers += [_own_worker(name, port, count) for name, count in sessions.items()]
            workers += _peer_workers(port, Path(folder), peers)
            costs, meter_cpu_s = _rounds(workers, meter, rounds)
        finally:
            for worker in (*workers, meter):
                worker.stop()
    client_cpu_s = sum(sum(costs[worker.name]) * worker.sessions / 1e6 for worker in workers)
    share = meter_cpu_s / (meter_cpu_s + client_cpu_s)
    return _report(recorded, costs, share, _memory_us(recorded, rounds))


def _own_worker(name: str, port: int, sessions: int) -> Worker:
    return Worker(name, [sys.executable, "-m", "benches.session_worker", name, str(port)], sessions)


def _peer_workers(port: int, folder: Path, peers: tuple[Peer, ...]) -> list[Worker]:
    settings = folder / "settings.json"
    settings.write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "port": port,
                "client_address": transcript.CLIENT_ADDRESS,
                "client_title": transcript.CLIENT_TITLE.hex(),
                "encryption_key": transcript.ENCRYPTION_KEY.hex(),
                "authentication_key": transcript.AUTHENTICATION_KEY.hex(),
                "challenge": transcript.CLIENT_CHALLENGE.hex(),
                "max_pdu": transcript.MAX_PDU_OCTETS,
                "obis": str(transcript.BLOCK_LOAD.obis),
            }
        ),
        encoding="utf-8",
    )
    workers = []
    for peer in peers:
        if not peer.installed:
            say(f"session: {peer.name} is not installed (python -m benches.peers installs it)")
            continue
        command = [str(peer.python), str(CLIENTS / peer.script), str(settings)]
        workers.append(Worker(peer.name, command, PEER_SESSIONS[peer.name]))
    return workers


def _rounds(workers: list[Worker], meter: Worker, rounds: int) -> tuple[dict[str, list[float]], float]:
    """CPU microseconds a session of every round by worker, and the meter's CPU seconds for all of them."""
    expected = workers[1].round(BATCH)
    for worker in workers:
        told = worker.round(max(1, worker.sessions // 4))
        if worker.name != "floor" and (told.rows, told.checksum) != (expected.rows, expected.checksum):
            raise RuntimeError(f"{worker.name} read other values: {asdict(told)}, expected {asdict(expected)}")
    before = float(meter.ask("cpu"))
    costs: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for number in range(1, rounds + 1):
        for worker in workers:
            costs[worker.name].append(worker.round().cpu_s * 1e6 / worker.sessions)
        told_us = ", ".join(f"{name} {median(cost):.0f}" for name, cost in costs.items())
        say(f"session: round {number} of {rounds}: us a session {told_us}")
    return costs, float(meter.ask("cpu")) - before


def _memory_us(recorded: transcript.Transcript, rounds: int) -> float:
    """The same session without sockets: CPU microseconds, decoding included."""
    decoder = Decoder(recorded)
    settings = transcript.client_settings()
    costs = []
    for _ in range(rounds + 1):
        begun = time.process_time_ns()
        for _ in range(MEMORY_SESSIONS):
            decoder.add(in_memory(recorded, settings))
        decoder.flush()
        costs.append((time.process_time_ns() - begun) / 1000 / MEMORY_SESSIONS)
    return median(costs[1:])


def in_memory(recorded: transcript.Transcript, settings: ClientSettings) -> bytes:
    """One session fed from the transcript; what it read."""
    association = transcript.begin(settings)
    association.open()
    buffer = b""
    answers = iter(recorded.answers)
    while True:
        event = association.next_event()
        if event is NEED_DATA:
            association.data_to_send()
            association.receive_data(next(answers))
        elif isinstance(event, AssociationOpened):
            association.get(transcript.BLOCK_LOAD)
        elif isinstance(event, GetSucceeded):
            buffer = event.octets
            association.release()
        elif isinstance(event, Released):
            return buffer


def _report(
    recorded: transcript.Transcript, costs: dict[str, list[float]], meter_share: float, memory_us: float
) -> Report:
    ratio = median(ours / floor for ours, floor in zip(costs["ours"], costs["floor"], strict=True))
    versus = {
        name: round(median(cost / ours for cost, ours in zip(costs[name], costs["ours"], strict=True)), 1)
        for name in PEER_SESSIONS
        if name in costs
    }
    figures: dict[str, Any] = {
        "floor_ratio": round(ratio, 3),
        "cpu_us": round(median(costs["ours"]), 1),
        "floor_us": round(median(costs["floor"]), 1),
        "headend_us": round(median(costs["headend"]), 1),
        "memory_us": round(memory_us, 1),
        "vs": versus,
    }
    goals = [Goal(figure=name, measured=figures[name], limit=limit) for name, limit in GOALS.items()]
    goals += [
        Goal(figure=f"vs.{name}", measured=versus[name], limit=limit, at_most=False)
        for name, limit in PEER_GOALS.items()
        if name in versus
    ]
    octets = "; ".join(
        f"{len(request)}/{len(answer)}"
        for request, answer in zip(recorded.requests, recorded.answers, strict=True)
    )
    return Report(
        name="session",
        input=(
            f"{ROWS} x {COLUMNS} block load in {recorded.blocks} blocks, general-glo, HLS-GMAC; "
            f"octets asked/answered {octets}; ours decodes in batches of {BATCH}"
        ),
        figures=figures,
        goals=goals,
        versions={peer.name: peer.version() for peer in PEERS if peer.name in costs},
        simulator_cpu_share=meter_share,
    )
