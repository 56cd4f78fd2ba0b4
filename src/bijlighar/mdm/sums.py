"""Sums over a day block: transformers, the balance of a transformer with its meter, and summaries of meters.

A sum says how many of its meters were held, and is never taken for the whole where some were not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import Integers


@dataclass(frozen=True, kw_only=True)
class GroupSums:
    """Sums of one channel by group (a transformer, a feeder).

    energy  int64[group, slot]  sum of what is known
    known   int64[group, slot]  meters that it holds
    meters  int64[group]        meters that it should hold
    """

    energy: Integers
    known: Integers
    meters: Integers


def summed(values: Integers, group: NDArray[np.int64], groups: int) -> GroupSums:
    """Sum int64[meter, slot] by ``group`` int64[meter]; negative: in none."""
    inside = group >= 0
    if not inside.all():
        values, group = values[inside], group[inside]
    order = np.argsort(group, kind="stable")
    if np.any(order[1:] < order[:-1]):
        values = values[order]
    meters = np.bincount(group, minlength=groups).astype(np.int64)
    missing = values == MISSING
    return GroupSums(
        energy=_by_group(np.where(missing, 0, values) if missing.any() else values, meters),
        known=meters[:, None]
        - (_by_group(missing.astype(np.int64), meters) if missing.any() else 0)
        + np.zeros((1, values.shape[1]), dtype=np.int64),
        meters=meters,
    )


def _by_group(values: Integers, meters: Integers) -> Integers:
    result = np.zeros((len(meters), values.shape[1]), dtype=np.int64)
    some = np.flatnonzero(meters)
    begins = (np.cumsum(meters) - meters)[some]
    if len(some):
        result[some] = np.add.reduceat(values, begins, axis=0)
    return result


def coarser(values: Integers, times: int) -> Integers:
    """Energy of slots brought to slots ``times`` as long: 15 minutes to 30. MISSING where a part is."""
    parts = values.reshape(len(values), -1, times)
    missing = (parts == MISSING).any(axis=2)
    return np.where(missing, MISSING, np.where(parts == MISSING, 0, parts).sum(axis=2))


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What a transformer's own meter saw against its consumers.

    lost        int64[transformer, slot]  Wh that went in and did not come out, MISSING where it cannot be told
    lost_share  float64[transformer]      over the slots that can be told, NaN when there is none
    slots_told  int64[transformer]
    """

    lost: Integers
    lost_share: NDArray[np.float64]
    slots_told: Integers


def balance(supplied: Integers, consumers: GroupSums) -> Balance:
    """``supplied`` int64[transformer, slot] of the transformers' meters, MISSING where there is none.

    A slot is told when the transformer's meter and each consumer's are known.
    """
    whole = (consumers.known == consumers.meters[:, None]) & (consumers.meters > 0)[:, None]
    told = (supplied != MISSING) & whole
    went_in = np.where(told, supplied, 0)
    lost = np.where(told, went_in - consumers.energy, MISSING)
    total_in = went_in.sum(axis=1)
    total_lost = np.where(told, went_in - consumers.energy, 0).sum(axis=1)
    share = np.divide(total_lost, total_in, out=np.full(len(total_in), np.nan), where=total_in > 0)
    return Balance(lost=lost, lost_share=share, slots_told=told.sum(axis=1))


@dataclass(frozen=True, kw_only=True)
class Summaries:
    """One row for each meter-day, all [meter].

    total_wh    int64    sum of what is known
    known       int64    slots that are known
    estimated   int64    slots that are estimates
    peak_w      float64  mean power of the highest slot, NaN when nothing is known
    peak_slot   int64    that slot, the first of equals; -1 when nothing is known
    load_factor float64  mean over peak power, NaN without use
    least_mv, most_mv    int64    voltage, MISSING when the meter gave none
    """

    total_wh: Integers
    known: Integers
    estimated: Integers
    peak_w: NDArray[np.float64]
    peak_slot: Integers
    load_factor: NDArray[np.float64]
    least_mv: Integers
    most_mv: Integers


def summaries(
    energy: Integers, period_s: int, voltage_mv: Integers | None = None, estimated: NDArray[np.bool_] | None = None
) -> Summaries:
    """Summaries of int64[meter, slot] of final energy in Wh."""
    missing = energy == MISSING
    any_missing = bool(missing.any())
    known = energy.shape[1] - missing.sum(axis=1) if any_missing else np.full(len(energy), energy.shape[1])
    total = np.where(missing, 0, energy).sum(axis=1) if any_missing else energy.sum(axis=1)
    peak_slot = energy.argmax(axis=1)  # MISSING is the least of all
    peak = energy[np.arange(len(energy)), peak_slot]
    some = known > 0
    to_w = 3600.0 / period_s
    mean = total / np.maximum(known, 1)
    factor = np.divide(mean, peak, out=np.full(len(energy), np.nan), where=some & (peak > 0))
    least, most = _extremes(energy, voltage_mv)
    return Summaries(
        total_wh=total,
        known=known,
        estimated=np.zeros(len(energy), dtype=np.int64) if estimated is None else estimated.sum(axis=1),
        peak_w=np.where(some, peak * to_w, np.nan),
        peak_slot=np.where(some, peak_slot, -1),
        load_factor=factor,
        least_mv=least,
        most_mv=most,
    )


def _extremes(energy: Integers, voltage_mv: Integers | None) -> tuple[Integers, Integers]:
    if voltage_mv is None:
        nothing = np.full(len(energy), MISSING, dtype=np.int64)
        return nothing, nothing
    most = voltage_mv.max(axis=1)
    greatest = np.iinfo(np.int64).max
    missing = voltage_mv == MISSING
    least = np.where(missing, greatest, voltage_mv).min(axis=1) if missing.any() else voltage_mv.min(axis=1)
    return np.where(least == greatest, MISSING, least), most
