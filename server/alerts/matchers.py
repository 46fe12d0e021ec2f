"""Patterns of nodes and subjects, in which `*` stands for any text. Pure."""


def matches_pattern(text: str, pattern: str) -> bool:
    """Return whether all of `text` is as `pattern` says; an empty one takes everything.

    Each piece is looked for once, from the left, so a pattern of many stars costs no more.
    """
    if not pattern:
        return True
    first, *others = pattern.split("*")
    if not others:
        return text == pattern
    last = others.pop()
    if not text.startswith(first):
        return False
    place = len(first)
    for piece in others:
        place = text.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return len(text) - len(last) >= place and text.endswith(last)
