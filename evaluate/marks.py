"""The parts of Markdown files that commands write: the text between two marks."""


def replaced(text: str, begin: str, end: str, content: str) -> str:
    """The text with everything between the two marks replaced.

    Raises:
        ValueError: a mark is missing.
    """
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the marks {begin} and {end} are missing")
    return f"{before}{begin}\n{content}\n{end}{after}"
