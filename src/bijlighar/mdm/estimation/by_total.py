"""Rules that know a day's total, or guess it, and give the missing slots what the others leave of it."""

from __future__ import annotations

import numpy as np

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.estimation.rules import EstimationRule
from bijlighar.mdm.estimation.work import Floats, Marks, Work, shape_of

LEAST_SHARE = 0.5
"""Share of a day that must be held before its total is taken from it."""


def between_registers(work: Work) -> None:
    """The rest of what the register moved, over what is missing, in the shape of like days."""
    moved = work.background.register_moved
    if moved is not None:
        work.share_out(moved, work.open, shape_of(work), EstimationRule.REGISTERS)


def adjusted_to_the_register(work: Work) -> None:
    """What other rules estimated, each slot by the same factor more or less, so that the day's total is right."""
    moved = work.background.register_moved
    if moved is None:
        return
    guessed: Marks = np.asarray((work.rule > 0) & (work.rule != EstimationRule.OUTAGE))
    whole = np.asarray(~work.open.any(axis=1))
    shape = np.where(guessed, work.values, 0).astype(np.float64)
    work.share_out(moved, np.asarray(guessed & whole[:, None]), shape, EstimationRule.ADJUST_FROM_SCALAR)


def from_the_rest_of_the_day(work: Work) -> None:
    """The total is what the held slots used, over the share of a day that they are in the shape of like days."""
    shape = np.where(work.present, shape_of(work), 0.0)
    held = work.present & (work.values != MISSING)
    enough = held.sum(axis=1) >= LEAST_SHARE * np.maximum(work.present.sum(axis=1), 1)
    share = np.where(held, shape, 0.0).sum(axis=1) / np.maximum(shape.sum(axis=1), 1e-9)
    used = np.where(held, work.values, 0).sum(axis=1)
    total = np.divide(used, share, out=np.full(len(used), np.nan), where=enough & (share > 0))
    work.share_out(total, work.open, shape, EstimationRule.SCALAR_FROM_INTERVAL)


def a_usual_day_of_the_meter(work: Work) -> None:
    """The total is the meter's mean day."""
    average = work.background.daily_average
    if average is not None:
        work.share_out(_in_service(work, average), work.open, shape_of(work), EstimationRule.SCALAR_ESTIMATION)


def a_usual_day_of_the_class(work: Work) -> None:
    """The total is what the class uses in a day."""
    total = work.background.class_total
    if total is not None:
        work.share_out(_in_service(work, total), work.open, shape_of(work), EstimationRule.SCALAR_PROFILE)


def part_of_some_days(work: Work) -> None:
    """The total is this day's part of what the register moved over some days."""
    prorated = work.background.prorated
    if prorated is not None:
        total = np.where(prorated == MISSING, np.nan, prorated)
        work.share_out(_in_service(work, total), work.open, shape_of(work), EstimationRule.SCALAR_PRORATION)


def a_day_made_for_a_gap(work: Work) -> None:
    """A day of which nothing came at all: a usual day of the meter in the shape of its class."""
    average, profile = work.background.daily_average, work.background.class_profile
    if average is None:
        return
    nothing = ~(work.present & (work.values != MISSING) & (work.rule != EstimationRule.OUTAGE)).any(axis=1)
    where: Marks = np.asarray(work.open & nothing[:, None])
    shape = np.ones(work.values.shape) if profile is None else np.nan_to_num(profile)
    work.share_out(_in_service(work, average), where, shape, EstimationRule.CREATE_FOR_GAP)


def _in_service(work: Work, total: Floats) -> Floats:
    """A whole day's total, less the share of the day in which the meter was not in service; whole steps."""
    rounded: Floats = np.rint(total * work.present.mean(axis=1))
    return rounded
