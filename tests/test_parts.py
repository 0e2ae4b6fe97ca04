"""Parts: text in, the same part out; nothing is ever evaluated."""

import string
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framevote import parts
from framevote.errors import Error, PartError
from framevote.parts import KINDS, Part, build, maker, makers, names, parse, register

LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@dataclass(frozen=True, repr=False)
class Sample(Part):
    number: Any = 1
    text: Any = "a"
    plain: Any = None


@pytest.fixture(autouse=True)
def _own_register(monkeypatch):
    monkeypatch.setattr(parts, "_registered", {})


@given(LITERALS, LITERALS, LITERALS)
def test_the_repr_of_any_part_builds_it_again(number, text, plain):
    register("smoother")(Sample)
    part = Sample(number, text, plain)
    assert build("smoother", repr(part)) == part


def test_the_repr_says_only_what_differs_from_the_defaults():
    assert repr(Sample()) == "Sample()"
    assert repr(Sample(2)) == "Sample(number=2)"
    assert repr(Sample(text="it's", plain=(1, 2))) == 'Sample(text="it\'s", plain=(1, 2))'


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("Name", ("Name", [], {})),
        ("  Name()  ", ("Name", [], {})),
        ("Name(1, 'b', key=-2.5)", ("Name", [1, "b"], {"key": -2.5})),
        ("Name(words=[1, 2], pair=(None, True))", ("Name", [], {"words": [1, 2], "pair": (None, True)})),
        ("Name(\n  a=1,\n)", ("Name", [], {"a": 1})),
    ],
)
def test_what_a_spec_says(spec, expected):
    assert parse(spec) == expected


@pytest.mark.parametrize(
    "spec",
    [
        "",
        " ",
        "1",
        "'Name'",
        "Name(",
        "Name)",
        "Name(a=b)",
        "Name(a=b())",
        "Name(*[1])",
        "Name(**{'a': 1})",
        "Name(a=1, a=2)",
        "Name(1)(2)",
        "Name[0]",
        "os.system('true')",
        "__import__('os').system('true')",
        "Name(a=__import__('os'))",
        "Name(a=[x for x in (1,)])",
        "Name(a=lambda: 1)",
        "Name(a=f'{1}')",
        "Name; Name",
        "a = 1",
        "Name(a=1) if 1 else 2",
        "Name(\0)",
        "\udcff",
        "(" * 5000,
        "Name(a=" + "[" * 5000 + "]" * 5000 + ")",
        "Name(a=" + "-" * 5000 + "1)",
        "Name(a=" + "9" * 10000 + ")",
    ],
)
def test_anything_else_is_refused_with_a_sentence(spec):
    with pytest.raises(PartError, match=r"A part is written Name or Name\(key=value, …\)"):
        parse(spec)


@given(st.text() | st.text(string.ascii_letters + "()=,.[]'*{}: 0123456789_-"))
def test_no_text_does_more_than_parse_or_be_refused(spec):
    try:
        name, positional, named = parse(spec)
    except PartError:
        return
    assert name.isidentifier()
    assert isinstance(positional, list)
    assert all(isinstance(key, str) for key in named)


def test_no_text_is_evaluated(tmp_path):
    spec = f"Sample(number=open({str(tmp_path / 'made')!r}, 'w'))"
    with pytest.raises(PartError):
        build("smoother", spec)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("RolingMean(frames=8)", r"no smoother named 'RolingMean'\. Did you mean RollingMean\? Known: .*RollingMedian"),
        ("Nothing", r"no smoother named 'Nothing'\. Known: "),
        ("EveryFrame()", r"no smoother named 'EveryFrame'"),
        ("RollingMean(window=8)", r"RollingMean takes frames, .*Received: 'RollingMean\(window=8\)' \(got an unexpected"),
        ("RollingMean(1, 2, 3, 4, 5, 6)", r"RollingMean takes .*too many positional"),
        ("RollingMean(8, frames=8)", r"RollingMean takes .*multiple values"),
        ("RollingMean(frames=0)", r"frames.*Received: .*0"),
        ("RollingMean()", r"RollingMean"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_way_out(spec, sentence):
    with pytest.raises(PartError, match=sentence):
        build("smoother", spec)


def test_an_object_is_taken_for_the_part_itself():
    part = Sample(3)
    assert build("smoother", part) is part


@pytest.mark.parametrize("call", [names, lambda kind: build(kind, "X"), register, lambda kind: list(makers(kind))])
def test_an_unknown_kind_is_refused(call):
    known = "smoother, cut, strategy, writer, head, features, projection, encoder, backbone"
    with pytest.raises(PartError, match=rf"no kind of part named 'smoothie'\. Known: {known}"):
        call("smoothie")


def test_a_registered_part_is_known_by_its_name_or_another():
    assert register("strategy")(Sample) is Sample
    register("strategy", "other")(Sample)
    assert build("strategy", "Sample(2)") == Sample(2)
    assert build("strategy", "other(number=2)") == Sample(2)
    assert {"Sample", "other", "EveryFrame"} <= set(names("strategy"))


def test_a_registered_part_stands_before_a_shipped_one_of_that_name():
    register("strategy", "EveryFrame")(Sample)
    assert maker("strategy", "EveryFrame") is Sample
    assert names("strategy").count("EveryFrame") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_name_is_the_name_of_what_it_loads(kind):
    shipped = dict(makers(kind))
    assert sorted(shipped) == names(kind) == sorted(point.name for point in entry_points(group=f"framevote.{kind}"))
    assert all(make.__name__ == name and make.__doc__ for name, make in shipped.items())


def test_a_part_of_another_package_comes_in_by_its_entry_point(tmp_path):
    (tmp_path / "theirs.py").write_text(
        "from dataclasses import dataclass\nfrom framevote.parts import Part\n\n"
        "@dataclass(frozen=True, repr=False)\nclass Theirs(Part):\n    size: int = 1\n"
    )
    (tmp_path / "theirs-1.0.dist-info").mkdir()
    (tmp_path / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (tmp_path / "theirs-1.0.dist-info" / "entry_points.txt").write_text("[framevote.smoother]\nTheirs = theirs:Theirs\n")
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "from framevote.parts import build, names\nassert 'Theirs' in names('smoother') and 'theirs' not in sys.modules\n"
        "print(build('smoother', 'Theirs(size=3)'))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "Theirs(size=3)\n"


def test_the_notation_needs_nothing_but_python():
    code = "import sys, framevote.parts\nprint([name for name in ('numpy', 'av', 'PIL', 'keras', 'openvino') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "[]"


def test_a_part_error_is_an_error_of_the_call():
    assert issubclass(PartError, Error)
