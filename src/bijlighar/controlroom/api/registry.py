"""The registry: its places by name, and the import of sheets, checked whole before anything is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body

from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.errors import Refusal
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.headend.keys import Keyring, MasterKeyRefused
from bijlighar.operations.registry_import import import_registry
from bijlighar.records.registry_import import ImportReport
from bijlighar.records.registry_sheets import SHEETS

LARGEST_UPLOAD_OCTETS = 256_000_000
"""A city's registry is about 100 MB of text."""
_PIECE_OCTETS = 1 << 20


class NamedPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A code with its names; ``name_hi`` empty where there is none."""

    code: str
    name: str
    name_hi: str = ""


class RegistryView(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry holds, by number and by name."""

    version: int
    meters: int
    divisions: list[NamedPlace]
    transformers: list[NamedPlace]


class SheetView(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one sheet by what became of them."""

    added: int
    changed: int
    unchanged: int


class ImportView(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did. With any error nothing was kept."""

    sheets: dict[str, SheetView]
    replacements: list[dict[str, str]]
    errors: list[dict[str, Any]]
    error_count: int


@get("/registry", opt={"needs": Permission.READ_METERS})
async def registry(request: AnyRequest) -> RegistryView:
    """Names of divisions and transformers, for filters and headings."""
    index = room_of(request).index
    return RegistryView(
        version=index.version,
        meters=len(index),
        divisions=[
            NamedPlace(code=each.code, name=each.name, name_hi=each.name_hi) for each in index.divisions.values()
        ],
        transformers=[NamedPlace(code=each.code, name=each.name) for each in index.transformers.values()],
    )


@post(
    "/registry/imports",
    opt={"needs": Permission.IMPORT_REGISTRY},
    request_max_body_size=LARGEST_UPLOAD_OCTETS,
)
async def import_sheets(
    request: AnyRequest,
    data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> Response[ImportView]:
    """Import sheets: form fields named as the sheets (divisions … meters, keys), each a CSV file."""
    room = room_of(request)
    strange = sorted(name for name, file in data.items() if name not in SHEETS or not isinstance(file, UploadFile))
    if strange or not data:
        fields = {name[:40]: "is no sheet of the registry" for name in strange} or {"": "no sheet was sent"}
        raise Refusal(400, "not-valid", "Send the registry's sheets as CSV files.", fields=fields)
    with tempfile.TemporaryDirectory(dir=room.settings.data_path, prefix=".import-") as folder:
        for name, file in data.items():
            await _save(file, Path(folder) / f"{name}.csv")
        report = await room.in_thread(_import, room, Path(folder))
    kept = report.error_count == 0
    await room.audit(
        who=request.user.person.name,
        what="imported-registry" if kept else "tried-registry-import",
        subject="registry",
        detail={"sheets": sorted(data), "added": report.added, "changed": report.changed},
    )
    if kept:
        await room.refresh_registry()
    return Response(_view(report), status_code=200 if kept else 422)


async def _save(file: UploadFile, path: Path) -> None:
    with path.open("xb") as target:
        while piece := await file.read(_PIECE_OCTETS):
            target.write(piece)


def _import(room: ControlRoom, folder: Path) -> ImportReport:
    try:
        keyring: Keyring | None = Keyring.load(room.settings.master_key_path)
    except MasterKeyRefused:
        keyring = None  # sheets without keys need none; a sheet of keys is then refused by its row
    return import_registry(room.records, folder, keyring)


def _view(report: ImportReport) -> ImportView:
    return ImportView(
        sheets={
            name: SheetView(added=counts.added, changed=counts.changed, unchanged=counts.unchanged)
            for name, counts in report.sheets.items()
        },
        replacements=[
            {"usage_point": each.usage_point, "removed": each.removed, "installed": each.installed}
            for each in report.replacements
        ],
        errors=[
            {"file": fault.file, "row": fault.row, "column": fault.column, "detail": fault.detail}
            for fault in report.errors
        ],
        error_count=report.error_count,
    )


HANDLERS = (registry, import_sheets)
