"""Tables with a title and notes: what a terminal and a Markdown file are written from alike."""

from collections.abc import Sequence

import msgspec

from reports.findings import Words


class Section(msgspec.Struct, frozen=True):
    """A table; every row has the same keys, which are its heads. Notes stand below it."""

    title: Words
    rows: list[dict[str, str]]
    notes: list[Words] = []


def markdown(title: Words, head: Sequence[Words], sections: Sequence[Section]) -> str:
    """A page in English and Chinese, from its first line to its last."""
    lines = [f"# {plain(title.en)} {plain(title.zh)}", ""]
    for words in head:
        lines += [plain(words.en), "", plain(words.zh), ""]
    for section in sections:
        lines += [f"## {plain(section.title.en)} {plain(section.title.zh)}", ""]
        if section.rows:
            heads = list(section.rows[0])
            lines += [f"| {' | '.join(map(plain, heads))} |", f"|{'---|' * len(heads)}"]
            lines += [f"| {' | '.join(plain(row[name]) for name in heads)} |" for row in section.rows]
            lines.append("")
        for note in section.notes:
            lines += [f"- {plain(note.en)}", f"- {plain(note.zh)}"]
        if section.notes:
            lines.append("")
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text that breaks neither a table nor a line."""
    return " ".join(text.replace("|", "\\|").replace("`", "'").split())
