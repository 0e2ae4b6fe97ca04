"""Text in pictures: nothing is drawn as an empty box, nothing is wider than its room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framevote.lettering import drawable, font, shortened


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Straßenbahn · Ötzi – “naïve” 90 % → …", "Straßenbahn · Ötzi – “naïve” 90 % → …"),
        ("Ωμέγα кот", "Ωμέγα кот"),
        ("e\u0301te\u0301", "été"),
        ("日本 tennis 😀", "?? tennis ?"),
        ("caf\udce9", "caf?"),
        ("two\n\nlines\tand  more", "two lines and more"),
        ("zero\u200bwidth\u202e", "zerowidth"),
        ("non\u2011breaking", "non-breaking"),
        ("Ｔｅｎｎｉｓ", "Tennis"),
        ("", ""),
        ("\x1b\r0", "0"),
        ("a \u200b b", "a b"),
    ],
)
def test_what_the_font_lacks_is_stood_in_for(text, drawn):
    assert drawable(text) == drawn


@given(st.text(st.characters()), st.integers(0, 300), st.sampled_from([11, 24]))
def test_shortened_text_fits_and_can_be_drawn(text, width, size):
    line = shortened(text, font(size), width)
    assert font(size).getlength(line) <= width
    assert drawable(line) == line
    assert "\n" not in line


def test_only_what_is_too_wide_is_shortened():
    face = font(20)
    text = "a label of some length"
    assert shortened(text, face, face.getlength(text)) == text
    cut = shortened(text, face, face.getlength(text) - 1)
    assert cut.endswith("…")
    assert text.startswith(cut[:-1])
    assert len(cut) >= len(text) - 2


def test_letters_grow_with_the_size():
    assert font(40).getlength("tennis") == pytest.approx(2 * font(20).getlength("tennis"), rel=0.05)
