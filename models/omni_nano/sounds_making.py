"""Sounds made by arithmetic, for kinds of which there are no recordings: cries, alarms, bells, horns, rain, knocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from models.omni_nano.sounds_shaping import RATE, Floats, noise, smooth, struck, swell, voice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Dice = np.random.Generator

SECONDS = 5
LENGTH = SECONDS * RATE


def placed(dice: Dice, make: Callable[[], Floats], gaps: tuple[float, float], loudness: float = 3.0) -> Floats:
    """Return five seconds with a sound again and again, pauses between `gaps` seconds, some louder by `loudness` dB."""
    made = np.zeros(LENGTH + 4 * RATE)
    at = int(dice.uniform(0, 0.6) * RATE)
    while at < LENGTH:
        one = make()
        made[at : at + len(one)] += one * 10 ** (dice.normal(0, loudness) / 20)
        at += len(one) + int(dice.uniform(*gaps) * RATE)
    return made[:LENGTH]


def cry(dice: Dice) -> Floats:
    """Return a baby's cry: long breaths out around 350 to 600 Hz, sharp breaths in (Wasz-Hoeckert 1968)."""
    base, size, tilt = dice.uniform(320, 520), dice.uniform(0.85, 1.15), dice.uniform(0.4, 1.3)
    harsh = dice.uniform(0.02, 0.25)

    def wail() -> Floats:
        count = int(dice.uniform(0.45, 1.5) * RATE)
        at = np.linspace(0, 1, count)
        arch = 1 + dice.uniform(0.05, 0.3) * np.sin(np.pi * at ** dice.uniform(0.5, 1.2)) - dice.uniform(0, 0.2) * at
        pitch = base * arch * (1 + 0.02 * np.sin(6.283 * dice.uniform(4, 9) * at * count / RATE))
        mouth = np.sin(np.pi * at**0.6)
        formants: list[tuple[float | Floats, float]] = [
            ((850 + 450 * mouth) * size, 250),
            ((2700 + 500 * mouth) * size, 400),
            (5000 * size, 700),
        ]
        out = voice(dice, pitch, formants, tilt=tilt, rough=harsh) * swell(count, 0.08, dice.uniform(0.1, 0.4))
        breath = int(dice.uniform(0.1, 0.25) * RATE)
        catch = noise(dice, breath, 0, 900, 5000) * swell(breath, 0.3, 0.3) * dice.uniform(0.03, 0.25)
        return np.concatenate([out, np.zeros(int(0.06 * RATE)), catch])

    return placed(dice, wail, (0.03, 0.4), 1.5)


def meow(dice: Dice) -> Floats:
    """Return a cat: one cry that opens its mouth and closes it."""
    base = dice.uniform(380, 800)

    def one() -> Floats:
        at = np.linspace(0, 1, int(dice.uniform(0.4, 1.1) * RATE))
        pitch = base * (0.8 + 0.35 * np.sin(np.pi * at**0.7))
        mouth = np.sin(np.pi * at**0.8)
        formants = [(700 + 900 * mouth, 300), (2300 - 500 * at + 300 * mouth, 400)]
        return voice(dice, pitch, formants, tilt=1.0, rough=0.04) * swell(len(at), 0.2, 0.4)

    return placed(dice, one, (0.3, 1.5))


def siren(dice: Dice) -> Floats:
    """Return a siren: a slow wail, a yelp, or two tones in turn."""
    at = np.arange(LENGTH) / RATE
    low, high = dice.uniform(400, 700), dice.uniform(900, 1600)
    turn = (
        at
        * {"wail": 0.25, "yelp": dice.uniform(2, 4), "two": dice.uniform(0.5, 1.2)}[
            kind := str(dice.choice(["wail", "yelp", "two"]))
        ]
    )
    wave = 1 - np.abs(2 * (turn % 1) - 1)
    pitch = np.where(wave > 0.5, 1.3, 1.0) * low if kind == "two" else low + (high - low) * wave
    return voice(dice, pitch, [(1200, 900), (2600, 900)], tilt=0.9, rough=0.01)


def beeps(dice: Dice, pitch: float, pattern: Sequence[float], tilt: float = 1.5) -> Floats:
    """Return beeps of one pitch; the pattern is seconds of sound and of pause in turn."""
    made = np.zeros(LENGTH)
    at, sounding = dice.uniform(0, 0.4), True
    while at < SECONDS:
        for length in pattern:
            if sounding:
                made[int(at * RATE) : int((at + length) * RATE)] = 1
            at, sounding = at + length, not sounding
    steady = voice(dice, np.full(LENGTH, pitch), [(pitch, 500.0)], tilt=tilt, rough=0.002)
    return steady * smooth(made, 0.05)


def smoke_alarm(dice: Dice) -> Floats:
    """Return a smoke alarm: three beeps and a pause (ISO 8201), about 3.1 kHz or a square wave of 520 Hz."""
    pitch = dice.uniform(2900, 3400) if dice.random() < 0.8 else 520.0
    quick = dice.random() < 0.4
    pattern = [0.1, 0.1, 0.1, 0.1, 0.1, 0.5] if quick else [0.5, 0.5, 0.5, 0.5, 0.5, 1.5]
    return beeps(dice, pitch, pattern, 1.0)


def alarm_clock(dice: Dice) -> Floats:
    """Return a digital alarm clock: groups of short beeps."""
    short = dice.uniform(0.06, 0.14)
    return beeps(dice, dice.uniform(1800, 2800), [*([short, short] * int(dice.integers(2, 5)))[:-1], 0.4], 1.0)


def telephone(dice: Dice) -> Floats:
    """Return a telephone: a bell struck twenty times a second, or a warble."""
    at = np.arange(LENGTH) / RATE
    ringing = smooth(((at + dice.uniform(0, 1)) % 3 < dice.uniform(1, 2)).astype(float), 0.002)
    if dice.random() < 0.6:
        bell = struck(dice, dice.uniform(1500, 5000, 6), SECONDS, 60.0)
        return bell * (0.4 + 0.6 * np.abs(np.sin(6.283 * dice.uniform(9, 13) * at))) * ringing
    low = dice.uniform(700, 1300)
    pitch = np.where((at * dice.uniform(8, 20)) % 1 < 0.5, low, low * dice.uniform(1.15, 1.4))
    return voice(dice, pitch, [(1800, 1200)], tilt=1.0, rough=0.0) * ringing


def doorbell(dice: Dice) -> Floats:
    """Return a ding-dong."""
    high = dice.uniform(550, 900)

    def one() -> Floats:
        made = np.zeros(int(2.4 * RATE))
        for at, pitch in ((0, high), (int(dice.uniform(0.4, 0.8) * RATE), high * 0.794)):
            tone = struck(dice, [pitch, pitch * 2.0, pitch * 3.01, pitch * 5.4], 1.5, dice.uniform(0.3, 0.8))
            made[at : at + len(tone)] += tone
        return made

    return placed(dice, one, (0.2, 2.0))


def horn(dice: Dice) -> Floats:
    """Return a car's horn: two reeds a third apart."""
    low = dice.uniform(330, 460)

    def one() -> Floats:
        count = int(dice.uniform(0.2, 1.8) * RATE)
        pair = [voice(dice, np.full(count, p), [(1500, 1300)], tilt=0.5, rough=0.005) for p in (low, low * 1.25)]
        return np.asarray(np.sum(pair, 0)) * swell(count, 0.03, 0.03)

    return placed(dice, one, (0.2, 1.5))


def hits(dice: Dice, modes: tuple[float, float], decay: tuple[float, float], gaps: tuple[float, float]) -> Floats:
    """Return knocks, steps or clicks: short noise and a few modes between two frequencies, again and again."""
    tones = dice.uniform(*modes, 5)
    fade = dice.uniform(*decay)

    def one() -> Floats:
        count = int(fade * 6 * RATE)
        click = noise(dice, count, 0.3, modes[0], min(7900.0, modes[1] * 2))
        return struck(dice, tones, fade * 6, fade)[:count] + 0.6 * click * np.exp(-np.arange(count) / (fade * RATE / 3))

    return placed(dice, one, gaps, 2.0)


def glass(dice: Dice) -> Floats:
    """Return breaking glass: a crash, then many high splinters that fall for a second."""

    def one() -> Floats:
        made = np.zeros(int(1.8 * RATE))
        crash = noise(dice, int(0.25 * RATE), 0, 1500, 7900)
        made[: len(crash)] += 2 * crash * np.exp(-np.arange(len(crash)) / (0.05 * RATE))
        for _ in range(int(dice.integers(20, 70))):
            splinter = struck(dice, dice.uniform(2500, 7800, 3), 0.2, dice.uniform(0.01, 0.06))
            at = int(dice.exponential(0.25) * RATE) % (len(made) - len(splinter))
            made[at : at + len(splinter)] += splinter * dice.uniform(0.1, 1)
        return made

    return placed(dice, one, (1.0, 3.0))


def drops(dice: Dice, rate: float, low: float, high: float, hiss: float) -> Floats:
    """Return rain or crackling: many short clicks a second over a hiss."""
    clicks = np.zeros(LENGTH)
    at = dice.integers(0, LENGTH, int(rate * SECONDS))
    clicks[at] = dice.exponential(1.0, len(at)) * dice.choice([-1, 1], len(at))
    shaped = np.convolve(clicks, noise(dice, 120, 0, low, high) * np.exp(-np.arange(120) / 30), "same")
    return np.asarray(shaped / (shaped.std() + 1e-9) + hiss * noise(dice, LENGTH, 0.5, low, high))


def rumble(dice: Dice, slope: float, low: float, high: float, slow: float) -> Floats:
    """Return noise that swells and fades `slow` times a second: wind, thunder, surf, an air stream."""
    heights = dice.standard_normal(max(4, int(slow * SECONDS) + 2))
    loud = np.abs(np.interp(np.linspace(0, 1, LENGTH), np.linspace(0, 1, len(heights)), heights)) + 0.15
    return noise(dice, LENGTH, slope, low, high) * loud


def hiss(dice: Dice) -> Floats:
    """Return what a microphone hears where nothing happens: steady noise, white to brown."""
    return noise(dice, LENGTH, dice.uniform(0, 2))


def motor(dice: Dice) -> Floats:
    """Return a machine: harmonics of its turning over a hiss."""
    speed = dice.uniform(40, 250)
    tone = voice(dice, np.full(LENGTH, speed), [(speed * 4, 400.0), (2000, 1500)], tilt=0.6, rough=0.02)
    return tone + dice.uniform(0.3, 3) * noise(dice, LENGTH, dice.uniform(0, 1), 100)


def tune(dice: Dice) -> Floats:
    """Return plucked strings (Karplus and Strong 1983) playing some notes of a scale."""
    root = dice.uniform(80, 330)

    def one() -> Floats:
        pitch = root * 2 ** (int(dice.choice([0, 2, 4, 5, 7, 9, 12, 16])) / 12)
        period, count = int(RATE / pitch), int(dice.uniform(0.3, 0.9) * RATE)
        turns, last = [dice.uniform(-1, 1, period)], 0.0
        while len(turns) * period < count:
            turns.append(0.4985 * (turns[-1] + np.concatenate([[last], turns[-1][:-1]])))
            last = float(turns[-2][-1])
        return np.concatenate(turns)[:count]

    return placed(dice, one, (-0.25, 0.0))


def birds(dice: Dice) -> Floats:
    """Return chirps: short sweeps above 2 kHz."""
    base = dice.uniform(2200, 5000)

    def one() -> Floats:
        at = np.linspace(0, 1, int(dice.uniform(0.05, 0.25) * RATE))
        pitch = base * (1 + dice.uniform(-0.3, 0.3) * at + 0.15 * np.sin(6.283 * dice.uniform(1, 6) * at))
        return np.sin(6.283 * np.cumsum(pitch) / RATE) * swell(len(at), 0.2, 0.5)

    return placed(dice, one, (0.03, 0.6))


MAKERS: Mapping[str, Callable[[Dice], Floats]] = {
    "baby crying": cry,
    "cat": meow,
    "siren": siren,
    "smoke or fire alarm": smoke_alarm,
    "alarm clock": alarm_clock,
    "telephone": telephone,
    "doorbell": doorbell,
    "car horn": horn,
    "knock": partial(hits, modes=(120, 600), decay=(0.02, 0.06), gaps=(0.08, 0.5)),
    "steps": partial(hits, modes=(60, 250), decay=(0.015, 0.04), gaps=(0.3, 0.7)),
    "clicks": partial(hits, modes=(1500, 5000), decay=(0.002, 0.006), gaps=(0.03, 0.3)),
    "clanks": partial(hits, modes=(50, 1500), decay=(0.05, 0.25), gaps=(0.2, 2.0)),
    "glass breaking": glass,
    "crackle": partial(drops, rate=2000, low=800, high=7900, hiss=1.0),
    "rumble": partial(rumble, slope=2.0, low=20, high=400, slow=0.8),
    "wind": partial(rumble, slope=1.0, low=50, high=3000, slow=1.0),
    "motor": motor,
    "music": tune,
    "bird": birds,
    "hiss": hiss,
}
"""A maker of five seconds of sound at 16 kHz for each kind; the teacher has the last word on what it is."""
