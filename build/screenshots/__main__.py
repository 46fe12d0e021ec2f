"""`python -m build.screenshots`: the pictures of the pages in docs/images.

Starts a server of its own with an invented cluster and takes every page, dark and light, on a wall
screen and on a phone; and the states empty, stale and logged out. The same as PNG are in
.run/screenshots/images, and there alone the printed pages, and with `--states` each page empty and
stale.
"""

import argparse
import shutil
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from build.browser import open_chromium
from build.lab.installation import Installation, start_installation
from build.screenshots.camera import Camera, Look
from build.screenshots.cluster import RECEIVING, SENDING, Cluster
from build.stack.errors import StackError
from build.stack.paths import RUN
from build.stack.supervisor import Supervisor, end_on_signals

HOME = RUN / "screenshots"
STALE_FOR = timedelta(minutes=3, seconds=12)
WIDE_DARK, WIDE_LIGHT = Look("dark", 1920, 1080), Look("light", 1920, 1080)
PHONE_DARK, PHONE_LIGHT = Look("dark", 390, 844), Look("light", 390, 844)
LOOKS = (WIDE_DARK, WIDE_LIGHT, PHONE_DARK, PHONE_LIGHT)
#: Picture → address.
PAGES = {
    "overview": "/",
    "outbound": "/email/outbound/",
    "inbound": "/email/inbound/",
    "queue": "/email/queue/",
    "performance": "/email/performance/",
    "nodes": "/nodes/",
    "node": f"/nodes/named/{SENDING[0]}/",
    "compare": f"/nodes/compare/?node={SENDING[0]}&node={SENDING[1]}&node={RECEIVING}",
    "heat-map": "/nodes/heat-map/",
    "events": "/events/",
}
#: Without data there is no node to show.
PAGES_WITHOUT_NODE = tuple(name for name, path in PAGES.items() if SENDING[0] not in path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m build.screenshots", description=__doc__)
    parser.add_argument("--pages", help=f"only these, with commas: {','.join(PAGES)}")
    parser.add_argument("--serve", action="store_true", help="take none, keep the server running")
    parser.add_argument("--states", action="store_true", help="every page empty and stale too")
    options = parser.parse_args()
    end_on_signals()
    shutil.rmtree(HOME, ignore_errors=True)
    drafts = HOME / "images"
    drafts.mkdir(parents=True)
    try:
        with Supervisor(HOME) as supervisor, open_chromium() as browser:
            installation = start_installation(supervisor, durable=False, user="admin")
            camera = Camera(browser, installation.server.url, drafts)
            pages = options.pages.split(",") if options.pages else None
            take_all(camera, installation, pages, serve=options.serve, states=options.states)
    except StackError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    return 0


def take_all(
    camera: Camera,
    installation: Installation,
    pages: list[str] | None,
    *,
    serve: bool,
    states: bool,
) -> None:
    """Go through the states of the pages, from empty to stale.

    `pages`: names of PAGES, None: all of them and the states that the documents show. `states`:
    every page in the others too.
    """
    names = pages or list(PAGES)
    takes_others = pages is None and not serve
    if takes_others:
        camera.take("login", WIDE_DARK, path="/login/", live=False)
    camera.session = installation.log_in()
    if takes_others:
        camera.take("overview-empty", WIDE_DARK, path="/")
    if states:
        take_state(camera, [name for name in names if name in PAGES_WITHOUT_NODE], "empty")
    cluster = Cluster(installation)
    cluster.fill()
    with cluster.stream():
        if serve:
            print(f"  {camera.address} {installation.user} {installation.password!r}", flush=True)
            signal.pause()
        for name in names:
            for look in LOOKS:
                camera.take(name, look, path=PAGES[name])
            camera.print(name, WIDE_DARK, path=PAGES[name])
    cluster.set_last_seen(datetime.now(UTC) - STALE_FOR)
    if states:
        take_state(camera, names, "stale")
    if pages is None:
        camera.take("outbound-stale", WIDE_DARK, path=PAGES["outbound"], state="stale")
        camera.take("not-found", WIDE_DARK, path="/no-such-page", live=False)


def take_state(camera: Camera, names: Iterable[str], state: str) -> None:
    """Take pages as they are now, as drafts alone."""
    data = "stale" if state == "stale" else ""
    for name in names:
        for look in (WIDE_DARK, PHONE_LIGHT):
            camera.take(f"{name}-{state}", look, path=PAGES[name], state=data, for_documents=False)


if __name__ == "__main__":
    raise SystemExit(main())
