"""A problem is one sentence that names the file once."""

from pathlib import Path

import pytest

from framevote.datasets import Problem
from framevote.errors import InputError


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("b/x.jpg is no photo that can be read.", "b/x.jpg is no photo that can be read."),
        ("b/x.jpg cannot be read as a photo: cut off.", "b/x.jpg cannot be read as a photo: cut off."),
        ("b/x.jpg: the piece lies beyond the end.", "b/x.jpg: the piece lies beyond the end."),
        ("No frame comes.", "b/x.jpg: No frame comes."),
    ],
)
def test_an_error_names_the_file_once(said, sentence):
    assert str(Problem.of(Path("b/x.jpg"), InputError(said))) == sentence


def test_a_reason_that_names_its_file_is_the_sentence():
    assert str(Problem("b/x.jpg", "b/x.jpg is not on disk")) == "b/x.jpg is not on disk"
    assert str(Problem("list.csv, line 3", "b/x.jpg is not on disk")) == "list.csv, line 3: b/x.jpg is not on disk"
