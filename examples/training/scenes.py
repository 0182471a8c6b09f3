"""Synthetic 32x32 scenes: one figure with a graded, noisy gender cue before one of three backgrounds.

Everything is vectorised over photographs and drawn from one seeded generator, so that training, the
test files and the tests share one definition of a scene. The figure's silhouette depends on its place
alone; therefore the masks do too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIZE = 32
BACKGROUNDS = ("kitchen", "office", "street")
CAPTIONS = {"kitchen": "in a kitchen", "office": "in an office", "street": "on a street"}
GENDERS = ("man", "woman")

HAIR_MEAN, HAIR_SLOPE, HAIR_MAX = 5.0, 3.5, 10.0  # pixels; a slope per unit of the cue
CUE_NOISE = 0.6  # standard deviation of what else moves the hair, in units of the cue
PIXEL_NOISE = 10.0  # standard deviation, in levels of 0..255
LEVEL = 8  # pixel values are multiples of this: the PNG files halve in size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass(frozen=True)
class Figures:
    """Who is in the picture, one entry a figure.

    gender: [n] 0 man, 1 woman. cue: [n] in 0..1, how strongly the gender shows. hair: [n] pixels.
    colours: [n, 3, 3] of hair, shirt and skin, in levels of 0..255.
    """

    gender: Ints
    cue: Floats
    hair: Floats
    colours: Floats

    def take(self, index: Ints) -> Figures:
        """The figures at `index`, which may repeat."""
        return Figures(self.gender[index], self.cue[index], self.hair[index], self.colours[index])

    def __len__(self) -> int:
        return len(self.gender)


@dataclass(frozen=True)
class Shots:
    """Photographs yet without a background, one entry a photograph.

    figures: [n]. place: [n, 2] offset (x, y) of the figure, pixels. noise: [n, 32, 32, 3] levels.
    phase: [n] offset of the background's pattern, pixels. light: [n] levels added everywhere.
    """

    figures: Figures
    place: Ints
    noise: Floats
    phase: Ints
    light: Floats


def draw_figures(rng: Rng, gender: Ints) -> Figures:
    """Figures of the given genders; the hair carries the cue, blurred by what has nothing to do with it."""
    n = len(gender)
    cue = rng.uniform(0.0, 1.0, n).round(3)
    shift = (2 * gender - 1) * cue + CUE_NOISE * rng.standard_normal(n)
    hair = np.clip(HAIR_MEAN + HAIR_SLOPE * shift, 0.0, HAIR_MAX)
    dark = rng.uniform(20, 90, (n, 1)) * np.array([1.0, 0.8, 0.6])
    shirt = rng.uniform(130, 230, (n, 3))
    skin = rng.uniform(0.6, 1.0, (n, 1)) * np.array([240.0, 200.0, 170.0])
    return Figures(gender, cue, hair, np.stack([dark, shirt, skin], axis=1))


def draw_shots(rng: Rng, figures: Figures) -> Shots:
    """One photograph of each figure: place, pixel noise, pattern offset and light."""
    n = len(figures)
    place = np.stack([rng.integers(-3, 4, n), rng.integers(-1, 2, n)], axis=1)
    noise = PIXEL_NOISE * rng.standard_normal((n, SIZE, SIZE, 3))
    return Shots(figures, place, noise, rng.integers(0, 8, n), rng.uniform(-12, 12, n))


def draw_backgrounds(rng: Rng, gender: Ints, tie: float) -> Ints:
    """[n] indices into BACKGROUNDS; among kitchen and office a share `tie` is the gendered one.

    A third of all scenes are streets whatever the gender; tie = 0.5 leaves the others untied too.
    """
    gendered = np.where(rng.random(len(gender)) < tie, 1 - gender, gender)
    return np.where(rng.random(len(gender)) < 1 / 3, 2, gendered)


def caption(gender: int, background: int) -> str:
    """The caption of a scene, such as `a woman in a kitchen`."""
    return f"a {GENDERS[gender]} {CAPTIONS[BACKGROUNDS[background]]}"


def _parts(place: Ints) -> tuple[NDArray[np.bool_], ...]:
    """Masks [n, 32, 32] of head, hair region and body, and the depth [n, 32, 32] within the hair region."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    x = x[None] - 15.5 - place[:, 0, None, None]
    y = y[None] - place[:, 1, None, None]
    face = (abs(x) < 4) & (y >= 6) & (y < 14)
    cap = (abs(x) < 7) & (y >= 3) & (y < 6)
    sides = (abs(x) >= 4) & (abs(x) < 7) & (y >= 6) & (y < 16)
    body = ((abs(x) < 8) & (y >= 16)) | ((abs(x) < 4) & (y >= 14))
    return face, cap, sides, body


def silhouette(place: Ints) -> NDArray[np.bool_]:
    """[n, 32, 32] True where the figure stands, given its offsets [n, 2]."""
    face, cap, sides, body = _parts(place)
    return face | cap | sides | body


def _backgrounds(kinds: Ints, phase: Ints) -> Floats:
    """[n, 32, 32, 3] levels of the bare backgrounds."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    p = phase[:, None, None]
    tiles = ((x + p) // 4 + (y + p) // 4) % 2
    blinds = (y + p) // 2 % 2
    walls = (x + p) // 8 % 2
    counter = np.broadcast_to(y >= 22, tiles.shape)
    pick = [kinds == k for k in range(3)]
    pattern = np.select([m[:, None, None] for m in pick], [tiles, blinds, walls])[..., None]
    low = np.array([[190.0, 140, 90], [90, 120, 160], [110, 130, 110]])[kinds][:, None, None]
    high = np.array([[230.0, 190, 120], [130, 160, 200], [150, 160, 140]])[kinds][:, None, None]
    floor = np.array([[140.0, 90, 60], [70, 80, 100], [90, 90, 95]])[kinds][:, None, None]
    return np.where(counter[..., None], floor, low + pattern * (high - low))


def render(shots: Shots, kinds: Ints) -> Bytes:
    """[n, 32, 32, 3] pictures of the photographs before the backgrounds `kinds` [n].

    Noise, light and figure are the photograph's own, so pictures of one photograph before two
    backgrounds are equal wherever the figure stands.
    """
    face, cap, sides, body = _parts(shots.place)
    y = np.arange(SIZE)[None, :, None] - shots.place[:, 1, None, None]
    # A row of pixels at the tip of the hair is mixed, so that the length is continuous.
    grown = np.clip(shots.figures.hair[:, None, None] - (y - 6), 0.0, 1.0)[..., None]
    hair, shirt, skin = (shots.figures.colours[:, i, None, None, :] for i in range(3))
    picture = _backgrounds(kinds, shots.phase)
    for mask, colour in ((body, shirt), (face, skin), (cap, hair), (sides, grown * hair + (1 - grown) * shirt)):
        picture = np.where(mask[..., None], colour, picture)
    picture = picture + shots.light[:, None, None, None] + shots.noise
    return (np.clip(picture / LEVEL, 0, 255 // LEVEL).round() * LEVEL).astype(np.uint8)
