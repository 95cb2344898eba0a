"""How texts count things."""


def plural(number: int, noun: str) -> str:
    """3 images, 1 image; thousands have separators."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
