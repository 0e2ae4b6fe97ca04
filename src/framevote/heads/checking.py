"""How heads check their arguments."""

from framevote.errors import PartError


def check_whole(owner: str, key: str, value: object, least: int, most: int) -> None:
    """Raise PartError where a value is no whole number in its bounds."""
    if type(value) is not int or not least <= value <= most:
        raise PartError(f"{owner} takes {key}: a whole number from {least} to {most}. Received: {key}={value!r}")
