"""Reads a page the way a browser's parser would, as far as the tests need it."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link", "base"}


@dataclass
class Outline:
    """The elements of a page in order, with the names of their attributes; ids, links, and tags closed out of order."""

    elements: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: str) -> "Outline":
        """Parse a page."""
        outline = cls()
        parser = _Parser(outline)
        parser.feed(page)
        parser.close()
        outline.unbalanced += parser.open
        return outline


class _Parser(HTMLParser):
    def __init__(self, outline):
        super().__init__(convert_charrefs=True)
        self.outline = outline
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.outline.elements.append((tag, tuple(name for name, _ in attrs)))
        self.outline.ids += [value for name, value in attrs if name == "id"]
        self.outline.links += [value for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.outline.unbalanced.append(tag)

    def handle_data(self, data):
        self.outline.text.append(data)

    def handle_comment(self, data):
        self.outline.elements.append(("!--", (data,)))


ANCHORS = (
    *("verdict", "suites", "flips", "failures", "forgetting", "regression", "judge", "slices"),
    *("health", "training", "statistics", "provenance", "reproduce", "warnings"),
)
"""The sections that every report has, in this order."""


def sections(page: str) -> dict[str, str]:
    """The words of each section of a page by its anchor, in order, tags removed."""
    parts = re.split(r'<section id="([a-z]+)"', page.partition("<main>")[2].partition("</main>")[0])[1:]
    return {
        name: " ".join(re.sub(r"<[^>]+>", " ", body.partition(">")[2]).split())
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
