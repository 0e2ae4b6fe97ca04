"""Things drawn by code alone, so that the README's pictures belong to nobody else.

Each painter returns a wide picture of 1600×900 with one thing in its middle, drawn on a sheet of 1000×1000. They were made until
a person knew them at a glance; what the model calls them is its own affair.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from framevote.lettering import font

WIDTH, HEIGHT = 1600, 900
_SHEET, _SHOWN = 1000, 820  # the sheet's side as drawn, and as it stands in the picture

Colour = tuple[int, int, int]
Painter = Callable[[], Image.Image]


def lighthouse() -> Image.Image:
    """A red and white lighthouse on a rock by the sea."""
    sheet, pen = _sheet()
    pen.polygon([(200, 1000), (330, 800), (690, 790), (850, 1000)], fill=(110, 100, 85))
    for band in range(6):
        top, bottom = 300 + band * 85, 385 + band * 85
        near, far = 30 + bottom * 0.1, 30 + top * 0.1
        colour = (205, 35, 35) if band % 2 == 0 else (245, 245, 240)
        pen.polygon([(500 - far, top), (500 + far, top), (500 + near, bottom), (500 - near, bottom)], fill=colour)
    pen.rectangle((420, 285, 580, 305), fill=(40, 40, 45))
    pen.rectangle((455, 205, 545, 285), fill=(250, 235, 150), outline=(40, 40, 45), width=8)
    pen.polygon([(440, 205), (560, 205), (500, 130)], fill=(180, 30, 30))
    ground = _ground((100, 160, 220), (220, 230, 240))
    ImageDraw.Draw(ground).rectangle((0, 720, WIDTH, HEIGHT), fill=(40, 85, 125))
    return _set(sheet, ground)


def balloon() -> Image.Image:
    """A striped hot-air balloon."""
    sheet, pen = _sheet()
    across, down, inside = _ellipse(500, 390, 300, 310)
    bulge = np.sqrt(np.clip(1 - down**2, 1e-6, 1))
    gore = np.floor(np.arcsin(np.clip(across / bulge, -1, 1)) / math.pi * 10 + 5).astype(int) % 4
    colours = np.array([(220, 40, 40), (250, 200, 40), (40, 110, 200), (245, 245, 240)], float)
    _fill(sheet, inside, colours[gore] * np.clip(0.95 - 0.35 * across - 0.1 * down, 0.45, 1.1)[..., None])
    pen.polygon([(305, 620), (695, 620), (560, 760), (440, 760)], fill=(200, 60, 40))
    for top, bottom in ((440, 455), (560, 545)):
        pen.line((top, 755, bottom, 830), fill=(60, 50, 40), width=6)
    pen.rectangle((450, 825, 550, 900), fill=(125, 85, 45))
    return _set(sheet, _ground((90, 150, 220), (190, 215, 240)))


def umbrella() -> Image.Image:
    """A red umbrella."""
    sheet, pen = _sheet()
    wood = (70, 45, 30)
    pen.line((500, 140, 500, 830), fill=wood, width=18)
    pen.arc((500, 770, 620, 890), 0, 180, fill=wood, width=18)
    for left, colour in ((120, (200, 30, 45)), (250, (225, 50, 60)), (400, (190, 25, 40))):
        pen.pieslice((left, 180, 1000 - left, 940), 180, 360, fill=colour)
    for number in range(4):
        left = 120 + number * 190
        pen.ellipse((left, 520, left + 190, 600), fill=(0, 0, 0, 0))
    pen.line((500, 520, 500, 830), fill=wood, width=18)
    return _set(sheet, _ground((150, 165, 185), (205, 212, 220)))


def pumpkin() -> Image.Image:
    """A carved pumpkin with a light inside."""
    sheet, pen = _sheet()
    for x, radius in ((330, 230), (670, 230), (420, 230), (580, 230), (500, 200)):
        across, down, inside = _ellipse(x, 540, radius, 300)
        _fill(sheet, inside, np.array((235, 120, 25)) * (0.35 + 0.7 * _depth(across, down)))
    pen.polygon([(470, 260), (530, 260), (545, 170), (500, 150)], fill=(70, 100, 40))
    mouth = [(290, 620), (380, 660), (420, 630), (460, 680), (500, 680)]
    chin = [(500, 770), (440, 720), (360, 740)]
    mirrored = [[(1000 - x, y) for x, y in reversed(side)] for side in (mouth, chin)]
    nose, eye, other = ([(x - 60, y), (x + 60, y), (x, y - 100)] for x, y in ((500, 590), (390, 500), (610, 500)))
    for hole in (mouth + mirrored[0] + mirrored[1] + chin, nose, eye, other):
        pen.polygon(hole, fill=(255, 225, 110))
    return _set(sheet, _ground((25, 18, 30), (45, 30, 30)))


def traffic_light() -> Image.Image:
    """A traffic light that shows red."""
    sheet, pen = _sheet()
    pen.rectangle((475, 700, 525, 1000), fill=(70, 72, 75))
    pen.rounded_rectangle((340, 110, 660, 830), 40, fill=(28, 32, 30))
    pen.rounded_rectangle((352, 122, 648, 818), 34, outline=(60, 66, 62), width=6)
    for number, colour in enumerate(((240, 40, 30), (70, 55, 10), (10, 60, 30))):
        y = 235 + number * 235
        pen.pieslice((385, y - 125, 615, y + 105), 180, 360, fill=(12, 14, 13))
        _ball(sheet, 500, y, 96, colour, shine=0.1 if number else 0.6)
    return _set(sheet, _ground((120, 160, 210), (200, 215, 230)))


def soccer_ball() -> Image.Image:
    """A football of black and white patches: the black ones lie at the corners of an icosahedron."""
    sheet, _ = _sheet()
    _ball(sheet, 500, 500, 330, (240, 240, 240), shine=0.2)
    across, down, inside = _ellipse(500, 500, 330, 330)
    outward = np.concatenate([across[..., None], down[..., None], _depth(across, down)], axis=-1)
    near = np.sort(outward @ _icosahedron().T, axis=-1)
    black = inside & (near[..., -1] > 0.925)
    light = np.clip(0.65 - 0.4 * across - 0.4 * down + 0.5 * outward[..., 2], 0.5, 1.3)[..., None]
    _fill(sheet, inside & (near[..., -1] - near[..., -2] < 0.012), np.full((_SHEET, _SHEET, 3), 110.0))
    _fill(sheet, black, np.array((30, 30, 34)) * light)
    return _set(sheet, _ground((60, 130, 50), (45, 110, 40)))


def wall_clock() -> Image.Image:
    """A round clock that shows seven minutes past eleven."""
    sheet, pen = _sheet()
    ink = (20, 20, 20)
    pen.ellipse((130, 130, 870, 870), fill=(60, 40, 30))
    pen.ellipse((170, 170, 830, 830), fill=(250, 248, 240))
    for minute in range(60):
        pen.line([_polar(minute * 6, 298), _polar(minute * 6, 318)], fill=ink, width=5)
    for hour in range(1, 13):
        pen.text(_polar(hour * 30, 260), str(hour), font=font(78), fill=ink, anchor="mm")
    for turn, length, width in ((333, 170, 18), (42, 250, 12)):
        pen.line([_polar(0, 0), _polar(turn, length)], fill=ink, width=width)
    pen.ellipse((480, 480, 520, 520), fill=ink)
    return _set(sheet, _ground((205, 195, 175), (185, 175, 155)))


def street_sign() -> Image.Image:
    """Two street names on a post."""
    sheet, pen = _sheet()
    pen.rectangle((482, 250, 518, 1000), fill=(130, 132, 135))
    for name, left, top in (("MAIN ST", 130, 250), ("2ND AVE", 190, 460)):
        pen.rounded_rectangle((left, top, 1000 - left, top + 180), 18, fill=(20, 105, 60), outline=(240, 245, 240), width=10)
        pen.text((500, top + 90), name, font=font(140), fill=(250, 250, 250), anchor="mm")
    return _set(sheet, _ground((120, 165, 215), (215, 228, 240)))


PAINTERS: tuple[Painter, ...] = (lighthouse, umbrella, pumpkin, traffic_light, balloon, soccer_ball, wall_clock, street_sign)


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGBA", (_SHEET, _SHEET))
    return sheet, ImageDraw.Draw(sheet)


def _set(sheet: Image.Image, ground: Image.Image) -> Image.Image:
    """Return the ground with the sheet in its middle."""
    shown = sheet.resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
    ground.paste(shown, ((WIDTH - _SHOWN) // 2, HEIGHT - _SHOWN), shown)
    return ground


def _ground(top: Colour, bottom: Colour) -> Image.Image:
    """Return a picture that runs from one colour to another, with a little grain, as any photo has."""
    share = np.linspace(0, 1, HEIGHT)[:, None, None]
    grain = np.random.default_rng(1).normal(0, 4, (HEIGHT, WIDTH, 1))
    colours = np.array(top) * (1 - share) + np.array(bottom) * share + grain
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))


def _ellipse(x: float, y: float, width: float, height: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return how far every point of the sheet lies across and down from a centre, in half axes, and whether that is inside."""
    rows, columns = np.mgrid[0:_SHEET, 0:_SHEET].astype(float)
    across, down = (columns - x) / width, (rows - y) / height
    return across, down, across**2 + down**2 <= 1


def _depth(across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far a ball of radius 1 stands out towards the eye: (height, width, 1)."""
    return np.asarray(np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))[..., None])


def _ball(sheet: Image.Image, x: float, y: float, radius: float, colour: Colour, shine: float) -> None:
    """Paint a ball that is lit from the upper left."""
    across, down, inside = _ellipse(x, y, radius, radius)
    light = np.clip(-0.5 * across - 0.6 * down + 0.62 * _depth(across, down)[..., 0], 0, 1)[..., None]
    _fill(sheet, inside, np.array(colour) * (0.3 + 0.75 * light) + 255 * shine * light**12)


def _fill(sheet: Image.Image, where: NDArray[np.bool_], colours: NDArray[np.float64]) -> None:
    """Paint colours (height, width, 3) of 0–255 on some points of the sheet."""
    sheet.paste(Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)), mask=Image.fromarray(where))


def _polar(degrees: float, radius: float) -> tuple[float, float]:
    """Return a point of the clock's face, counted from twelve."""
    turn = math.radians(degrees - 90)
    return 500 + radius * math.cos(turn), 500 + radius * math.sin(turn)


def _icosahedron() -> NDArray[np.float64]:
    """Return the 12 corners of an icosahedron, turned so that none faces the eye: unit vectors (12, 3)."""
    golden = (1 + math.sqrt(5)) / 2
    corners = np.array([corner for a in (-1, 1) for b in (-golden, golden) for corner in ((0, a, b), (a, b, 0), (b, 0, a))])
    turn, _ = np.linalg.qr(np.array([[0.9, 0.1, -0.42], [-0.2, 0.95, -0.2], [0.38, 0.27, 0.88]]))
    return np.asarray(corners / math.hypot(1, golden) @ turn)
