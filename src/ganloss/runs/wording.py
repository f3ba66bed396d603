"""How pages write numbers and times."""

from collections.abc import Sequence


def number(value: float) -> str:
    """Write a number with three digits that matter.

    >>> number(1234.5), number(14.2), number(0.012345)
    ('1,234', '14.2', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def whole(value: int | None) -> str:
    """Write a whole number, or a dash where there is none.

    >>> whole(12345), whole(None)
    ('12,345', '–')
    """
    return "–" if value is None else f"{value:,}"


def duration(seconds: float) -> str:
    """Write seconds as people say them.

    >>> duration(42.4), duration(75), duration(4000)
    ('42 s', '1 min 15 s', '1 h 6 min')
    """
    rest = round(seconds)
    if rest < 60:
        return f"{rest} s"
    if rest < 3600:
        return f"{rest // 60} min {rest % 60} s"
    return f"{rest // 3600} h {rest % 3600 // 60} min"


def samples(count: int, shape: Sequence[int]) -> str:
    """Say how many samples there are, and of what.

    >>> samples(6000, (3, 32, 32)), samples(500, (2,))
    ('6,000 images, 32×32 colour', '500 points in the plane')
    """
    if len(shape) == 1:
        return f"{count:,} points in the plane"
    channels, height, width = shape
    return f"{count:,} images, {width}×{height} {'gray' if channels == 1 else 'colour'}"


def listed(names: Sequence[str]) -> str:
    """Write names in a row.

    >>> listed(["ns"]), listed(["ns", "hinge", "r3gan"])
    ('ns', 'ns, hinge and r3gan')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
