"""Numbers and settings as a person would write them."""


def describe_section(section: object) -> str:
    """Return a section as one line such as `flip, shift 0.1`, without options that are off, unset or zero."""
    if not isinstance(section, dict):
        return plain(section)
    return ", ".join(_item(str(key).replace("_", " "), value) for key, value in section.items() if value)


def plain(value: object) -> str:
    """Return a value as a person would write it: thousands with commas, lists with `, `, None as `–`."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(one) for one in value) or "none"
    return describe_section(value) if isinstance(value, dict) else str(value)


def long_duration(seconds: float) -> str:
    """Return seconds as `1 h 5 min`, `3 min 4 s` or `12 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _item(name: str, value: object) -> str:
    if value is True:
        return name
    return f"{name} ({describe_section(value)})" if isinstance(value, dict) else f"{name} {plain(value)}"


def percent(share: float | None) -> str:
    """Return a share as `97.3 %`, never rounded up to 100 % or down to 0 %; None as `–`."""
    if share is None:
        return "–"
    digits = 1 if share in (0, 1) or 0.0005 <= share < 0.9995 else 3
    return f"{100 * share:.{digits}f} %" if share not in (0, 1) else f"{100 * share:.0f} %"
