"""What the supervisor starts: ``python -m bijlighar.controlroom.process KIND SETTINGS NUMBER``; KIND is below.

A fault of the settings or the machine ends with status 2 and one sentence, so that the supervisor does not try
the same again for ever.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bijlighar.cim.exchange import Unavailable
from bijlighar.controlroom.children import EXIT_USER_FAULT
from bijlighar.controlroom.logs import set_up_logs
from bijlighar.controlroom.settings import Settings, from_parent
from bijlighar.headend.dialled import DialInAddressTaken
from bijlighar.headend.keys import Keyring, MasterKeyRefused
from bijlighar.headend.model_files import ModelsNotUsable, add_models_of
from bijlighar.headend.push import PushAddressTaken
from bijlighar.records.move import RecordsMoved
from bijlighar.records.schema import SchemaTooNew

TITLE_PREFIX = b"BJG"
"""Three letters of the maker open a system title (DLMS UA, flag association)."""
TITLE_OCTETS = 8
WORKER_NICENESS = 10
"""The day's work waits for the processor; an alarm and a meter do not."""


def run_headend(settings: Settings, number: int) -> None:
    """Serve head-end ``number``, counted from 1, until SIGTERM. Raises MasterKeyRefused besides Unavailable."""
    from bijlighar.headend.dialled import DialInSettings  # noqa: PLC0415
    from bijlighar.headend.dispatch import DispatchSettings  # noqa: PLC0415
    from bijlighar.headend.push import PushSettings  # noqa: PLC0415
    from bijlighar.headend.service import HeadEndSettings  # noqa: PLC0415 (the control room needs none of it)
    from bijlighar.headend.visitor import VisitSettings  # noqa: PLC0415
    from bijlighar.operations.headend_process import HeadEndProcess, run  # noqa: PLC0415

    door = settings.dial_in_door(number)
    target = settings.push_target() if number == 1 else None  # one process alone knows which pushes were heard
    most, by_kind = settings.group_sessions()
    own_title = TITLE_PREFIX + number.to_bytes(TITLE_OCTETS - len(TITLE_PREFIX), "big")
    run(
        HeadEndProcess(
            records_url=settings.records_url,
            data_dir=settings.data_path,
            keyring=Keyring.load(settings.master_key_path),
            feed=settings.feed_address,
            clock_file=Path(settings.clock_file) if settings.clock_file else None,
            metrics_port=settings.headend_metrics_port and settings.headend_metrics_port + number - 1,
            headend=HeadEndSettings(
                owner=f"headend-{number}",
                dispatch=DispatchSettings(
                    most_sessions=settings.sessions_at_once, most_sessions_a_group=most, group_kinds=by_kind
                ),
                visits=VisitSettings(own_title=own_title),
                backfill_days=settings.backfill_days,
                push=None if target is None else PushSettings(host=target[0], port=target[1]),
                dial_in=None if door is None else DialInSettings(host=door[0], port=door[1]),
            ),
        )
    )


def _wait_for_history(settings: Settings) -> None:
    """In a demo, whose meters are all new at once, the day's work begins when what they bring is read."""
    from bijlighar.controlroom.first_reading import history_share, wait_until_read  # noqa: PLC0415
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415

    clock = clock_of(settings)
    with open_records(settings, clock) as records:
        meters = len(records.registry.meters())
        wait_until_read(lambda: history_share(records, meters, int(clock.now()), settings.backfill_days))


def run_worker(settings: Settings) -> None:
    """Do the day's work until SIGTERM, behind everybody else. Raises Unavailable and SchemaTooNew."""
    from bijlighar.operations.worker_process import WorkerProcess, run  # noqa: PLC0415

    os.nice(WORKER_NICENESS)
    if settings.clock_file:
        _wait_for_history(settings)
    clock_file = Path(settings.clock_file) if settings.clock_file else None
    run(
        WorkerProcess(
            records_url=settings.records_url,
            data_dir=settings.data_path,
            clock_file=clock_file,
            billing_url=settings.billing_url,
            billing_secret=settings.billing_secret,
            billing_cim=settings.billing_form == "cim",
            billing_folder=settings.billing_path,
            tariffs_dir=settings.tariffs_path,
        )
    )


_USER_FAULTS = (
    DialInAddressTaken,
    MasterKeyRefused,
    ModelsNotUsable,
    PushAddressTaken,
    SchemaTooNew,
    RecordsMoved,
)


def main(arguments: list[str]) -> None:
    """Run one process of the product."""
    kind, file, number = arguments
    settings = from_parent(Path(file).read_bytes())
    set_up_logs(settings.log_level)
    try:
        add_models_of(settings.models_path)
        if kind == "headend":
            run_headend(settings, int(number))
        elif kind == "worker":
            run_worker(settings)
        else:
            from bijlighar.controlroom.server import serve_control_room  # noqa: PLC0415 (the others need none of it)

            serve_control_room(settings)
    except _USER_FAULTS as fault:
        print(fault, file=sys.stderr)  # noqa: T201 (the log's last line is what the supervisor tells)
        sys.exit(EXIT_USER_FAULT)
    except Unavailable as fault:
        print(fault.reason, file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
