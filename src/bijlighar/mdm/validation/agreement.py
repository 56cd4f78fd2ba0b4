"""Rules about what must agree: registers and blocks, apparent and active energy, relay and use, both currents."""

from __future__ import annotations

import numpy as np

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.validation.evidence import Evidence, wrapped
from bijlighar.mdm.validation.findings import Found, nothing_found, of_meters, of_runs, runs, together
from bijlighar.mdm.validation.limits import Limits

REGISTERS = ("import_wh", "import_vah", "export_wh", "export_vah")


def blocks_that_miss_the_registers(evidence: Evidence, limits: Limits) -> Found:
    """The blocks' sum differs from what the register moved from midnight to midnight. Wh apart, Wh let pass."""
    parts = []
    steps = limits.sum_steps + (evidence.slots / 2 if limits.sum_rounds_blocks else 0)
    for channel in REGISTERS:
        moved = evidence.advance(channel) if channel in evidence.blocks.channels else None
        if moved is None:
            continue
        values = evidence.blocks.channels[channel]
        lacks = values == MISSING
        whole = evidence.is_whole if channel == "import_wh" else ~lacks.any(axis=1)
        if not whole.all():  # a slot without supply has used nothing
            whole = ~(lacks & ~evidence.dark).any(axis=1)
        used = values.sum(axis=1, where=~lacks) if lacks.any() else values.sum(axis=1)
        known = whole & (moved != MISSING) & (moved >= 0)  # a register that rolled back has a rule of its own
        let_pass = np.maximum(steps * evidence.resolution_wh, limits.sum_share * np.where(known, moved, 0))
        differs = np.where(known, used - moved, 0)
        parts.append(of_meters(np.abs(differs) > let_pass, evidence.slots, differs, let_pass))
    return together(parts)


def a_register_that_rolled_back(evidence: Evidence, _limits: Limits) -> Found:
    """A cumulative register went down without a replacement, and not because it began anew at its end. Wh."""
    parts = []
    for channel in REGISTERS:
        before, after = evidence.registers_before.get(channel), evidence.registers_after.get(channel)
        if before is None or after is None:
            continue
        back = (before != MISSING) & (after != MISSING) & (after < before)
        if evidence.replaced is not None:
            back &= ~evidence.replaced
        if evidence.register_wraps_at is not None:
            back &= ~wrapped(before, evidence.register_wraps_at)
        parts.append(of_meters(back, evidence.slots, after, before))
    return together(parts)


def less_apparent_than_active_energy(evidence: Evidence, limits: Limits) -> Found:
    """Apparent energy below active energy by more than a register's step. VAh, and VAh it should reach."""
    apparent = evidence.blocks.channels.get("import_vah")
    if apparent is None:
        return nothing_found()
    least = evidence.energy_or_zero - (1 - limits.apparent_share) * evidence.energy_or_zero
    bad = (apparent + evidence.resolution_wh[:, None] < least) & (apparent != MISSING) & ~evidence.missing
    return of_runs(bad, apparent, least)


def a_power_factor_that_does_not_fit(evidence: Evidence, limits: Limits) -> Found:
    """The day's kWh over kVAh against the power factor that the meter gave. Thousandths apart, let pass."""
    told = evidence.blocks.channels.get("power_factor_milli")
    apparent = evidence.blocks.channels.get("import_vah")
    if told is None or apparent is None:
        return nothing_found()
    usable = (told != MISSING) & (apparent != MISSING) & ~evidence.missing
    usable &= evidence.energy_or_zero >= limits.power_factor_least_w * evidence.hours
    vah = apparent.sum(axis=1, where=usable)
    weighted = np.where(usable, np.abs(told), 0) * np.where(usable, apparent, 0)
    from_meter = weighted.sum(axis=1) / np.maximum(vah, 1)
    from_energy = 1000.0 * evidence.energy.sum(axis=1, where=usable) / np.maximum(vah, 1)
    differs = np.abs(from_energy - from_meter)
    bad = (vah > 0) & (differs > limits.power_factor_milli)
    return of_meters(bad, evidence.slots, differs, limits.power_factor_milli)


def use_behind_an_open_relay(evidence: Evidence, _limits: Limits) -> Found:
    """Energy while the relay was open, more than a register's step: a case for revenue protection. Wh, step."""
    if evidence.relay_open is None or not evidence.relay_open.any():
        return nothing_found()
    step = evidence.resolution_wh[:, None]
    return of_runs(evidence.relay_open & (evidence.energy_or_zero > step), evidence.energy, step)


def neutral_and_phase_current_apart(evidence: Evidence, limits: Limits) -> Found:
    """Both currents of a single-phase meter differ for several blocks: a hint of a bypass. mA apart, let pass."""
    phase, neutral = (evidence.blocks.channels.get(name) for name in ("current_ma", "neutral_current_ma"))
    if phase is None or neutral is None:
        return nothing_found()
    both = (phase != MISSING) & (neutral != MISSING)
    differs = np.abs(np.where(both, phase - neutral, 0))
    let_pass = np.maximum(limits.neutral_share * np.where(both, phase, 0), 1000 * limits.neutral_least_a)
    apart = differs > let_pass
    if evidence.phases is not None:
        apart &= (evidence.phases == 1)[:, None]
    row, first, end = runs(apart)
    long = end - first >= limits.neutral_slots
    row, first, end = row[long], first[long], end[long]
    measured = differs[row, first].astype(np.float64)
    return Found(row=row, first=first, end=end, measured=measured, limit=let_pass[row, first])
