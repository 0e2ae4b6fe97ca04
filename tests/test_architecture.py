"""A module imports only what stands before it in the reading order of docs/design.md, and no modules import in a circle."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
MODULES = {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCE.rglob("*.py")}
OUTSIDE = {"framevote", "framevote.__main__"}


def reading_order() -> list[str]:
    """The rooms of the design's floors, from the bottom up and from left to right."""
    floors = re.findall(r"^([A-Z]{4,})  +(.+)$", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [room for _, rooms in reversed(floors) for room in rooms.split(" · ")]


def imports(path: Path) -> Iterator[str]:
    """The package's own modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "framevote")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides what stands where"
            if (node.module or "").split(".")[0] == "framevote":
                names = (f"{node.module}.{name.name}" for name in node.names)
                yield from (name if name in MODULES else str(node.module) for name in names)


def test_every_room_has_its_place():
    rooms = {module.split(".")[1] for module in MODULES.keys() - OUTSIDE}
    assert sorted(reading_order()) == sorted(rooms)


def test_a_module_imports_only_what_stands_before_it():
    place = {room: number for number, room in enumerate(reading_order())}
    pairs = [(m.split(".")[1], name.split(".")[1:2]) for m in MODULES.keys() - OUTSIDE for name in imports(MODULES[m])]
    assert [(room, other) for room, other in pairs if not other or place[other[0]] > place[room]] == []
    assert len(pairs) > 30


def test_no_circles():
    graph = {module: {name for name in imports(path) if name != module} for module, path in MODULES.items() if module not in OUTSIDE}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) >= len(graph)
