"""A page opened as a reader opens it, with everything noted that it must not do."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium on the path, and the pages are tested in one: `make browser` (Debian: apt-get install chromium)"


def find_chromium() -> str | None:
    """The path of a browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Watched:
    """One open page: what its console, its dialogs and its requests said since it was opened."""

    page: Any
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """The words of one element, as they are shown."""
        return self.page.locator(selector).inner_text()

    @property
    def count(self) -> str:
        """What the browser says of how many examples are shown."""
        return self.text("[data-say=count]")

    def wait(self, selector: str, text: str) -> None:
        """Until the one element that is meant has these words in it."""
        self.page.locator(selector).filter(has_text=text).wait_for(timeout=30_000)

    def innocent(self) -> bool:
        """Neither an error, nor a dialog, nor a request for anything but the file itself."""
        return not (self.errors or self.dialogs or self.foreign)

    @property
    def foreign(self) -> list[str]:
        """Requests that left the disk."""
        return [url for url in self.requests if not url.startswith(("file:", "blob:file", "data:"))]


def watch(context: Any, path: Path, fragment: str = "", *, ready: bool = True) -> Watched:
    """Open a report and, unless told otherwise, wait for its browser of examples."""
    page = context.new_page()
    watched = Watched(page)
    page.on("console", lambda said: watched.errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("dialog", lambda dialog: (watched.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.goto(path.resolve().as_uri() + fragment)
    if ready:
        page.wait_for_selector("#browser[data-ready]", timeout=30_000)
    return watched
