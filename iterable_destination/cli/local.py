"""The commands that run a local Iterable: ``emulate`` and ``playground``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from iterable_destination.cli import console, samples
from iterable_destination.cli.help import SERVER_STATUS, make_epilog
from iterable_destination.cli.interruptions import catch_interrupts
from iterable_destination.cli.options import (
    MAPPINGS,
    PORT,
    SETTINGS,
    load_settings,
    make_translator,
    stop,
)
from iterable_destination.errors import InvalidSettings
from iterable_destination.model.settings import check_url

if TYPE_CHECKING:
    from iterable_destination.testing import LocalIterable, Received, Response

#: The packages of the extra.
_NEEDED: Final = frozenset({"jinja2", "starlette", "uvicorn"})
_INSTALL: Final = (
    "the page needs more packages: pip install 'jinja2>=3.1' 'starlette>=0.40' 'uvicorn>=0.30'"
)
#: The newest effects that are kept for a page.
_SHOWN_EFFECTS: Final = 1_000
#: The newest events, and purchases, that are kept for a page.
_SHOWN_RECORDS: Final = 10_000
_LOOPBACK: Final = "127.0.0.1"

_PROJECT_TYPE = click.option(
    "--project-type",
    type=click.Choice(["email", "userid", "hybrid"]),
    default="hybrid",
    show_default=True,
    help="How the project knows its users.",
)


@click.command(
    epilog=make_epilog(
        SERVER_STATUS, "emulate --port 8080", "emulate --project-type email --keep 1000 --quiet"
    )
)
@click.option("--port", type=PORT, default=0, show_default=True, help="0 picks a free one.")
@_PROJECT_TYPE
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=100_000,
    show_default=True,
    help="How many events, and how many purchases, it keeps: the newest ones.",
)
@click.option("--page", is_flag=True, help="Show its users, and what arrives, on a page.")
@click.option("--quiet", is_flag=True, help="Print no line for a request.")
def emulate(
    port: int,
    project_type: Literal["email", "userid", "hybrid"],
    keep: int,
    *,
    page: bool,
    quiet: bool,
) -> None:
    """Run a local Iterable until interrupted, and print the address it listens on.

    It takes the key in ITERABLE_API_KEY, or any key if that is not set. For each request one line
    goes to standard error: its method, its path and the status of the response.
    """
    from iterable_destination.testing import Project  # noqa: PLC0415 - other commands start quicker

    project = Project(
        project_type=project_type,
        api_key=os.environ.get("ITERABLE_API_KEY") or None,
        keep_requests=0,  # nobody can ask for them
        keep_effects=_SHOWN_EFFECTS if page else 0,
        keep_records=keep,
    )
    with ExitStack() as stack:
        iterable = stack.enter_context(
            _run_iterable(project, port, None if quiet else _print_request)
        )
        shown = stack.enter_context(_serve_iterable(iterable)) if page else None
        wait = stack.enter_context(catch_interrupts())
        click.echo(iterable.url)
        if shown is not None:
            click.echo(f"Look at it on {shown}", err=True)
        click.echo("Stop it with Ctrl-C.", err=True)
        wait()


@click.command(
    epilog=make_epilog(
        SERVER_STATUS, "playground", "playground --mappings subscriptions.json --port 8090"
    )
)
@SETTINGS
@MAPPINGS
@click.option("--port", type=PORT, default=8090, show_default=True, help="0 picks a free one.")
@click.option(
    "--iterable-port",
    type=PORT,
    default=0,
    show_default=True,
    help="The port of the local Iterable; 0 picks a free one.",
)
@_PROJECT_TYPE
@click.option(
    "--receiver",
    metavar="URL",
    help="Post Iterable's webhooks to this address too, such as that of `source serve`.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address of the page.")
def playground(  # noqa: PLR0913 - options
    *,
    settings_file: str | None,
    mappings: str | None,
    port: int,
    iterable_port: int,
    project_type: Literal["email", "userid", "hybrid"],
    receiver: str | None,
    no_browser: bool,
) -> None:
    """Show on a page what events become, over a local Iterable, until interrupted.

    It opens in the browser, if this is a terminal with one. Nothing leaves this machine. The page
    begins with the settings and mappings that are given here; the key and the address in them are
    not used.
    """
    from iterable_destination.testing import Project  # noqa: PLC0415 - other commands start quicker

    settings = load_settings(settings_file, mappings)
    make_translator(settings, mappings or settings_file)
    _check_receiver(receiver)
    project = Project(
        project_type=project_type,
        api_key=None,
        keep_requests=0,
        keep_effects=_SHOWN_EFFECTS,
        keep_records=_SHOWN_RECORDS,
    )
    with ExitStack() as stack:
        iterable = stack.enter_context(_run_iterable(project, iterable_port, None))
        with _explain_missing_packages():
            from iterable_destination.playground.app import playground_app  # noqa: PLC0415 - extra

            application = playground_app(
                iterable, settings=settings, samples=samples.week(), receiver=receiver
            )
        url = stack.enter_context(_serve(application, port))
        wait = stack.enter_context(catch_interrupts())
        click.echo(url)
        click.echo(f"The local Iterable is {iterable.url}", err=True)
        click.echo("Stop it with Ctrl-C.", err=True)
        if not no_browser and _has_browser():
            import webbrowser  # noqa: PLC0415 - other commands start quicker

            webbrowser.open(url)
        wait()


def _check_receiver(receiver: str | None) -> None:
    if receiver is not None:
        try:
            check_url("--receiver", receiver)
        except InvalidSettings as error:
            stop(str(error))


@contextmanager
def _run_iterable(
    project: Any, port: int, faults: Callable[..., Any] | None
) -> Iterator[LocalIterable]:
    from iterable_destination.testing import LocalIterable  # noqa: PLC0415 - as above

    try:
        iterable = LocalIterable(project, port=port, faults=faults).start()
    except OSError as error:
        stop(f"port {port}: {error.strerror}")
    try:
        yield iterable
    finally:
        iterable.stop()


@contextmanager
def _serve_iterable(iterable: LocalIterable) -> Iterator[str]:
    with _explain_missing_packages():
        from iterable_destination.playground.app import iterable_app  # noqa: PLC0415 - an extra

        application = iterable_app(iterable)
    with _serve(application, 0) as url:
        yield url


@contextmanager
def _serve(application: Any, port: int) -> Iterator[str]:
    from iterable_destination.playground.server import serve  # noqa: PLC0415 - an extra

    with ExitStack() as stack:
        try:
            url = stack.enter_context(serve(application, _LOOPBACK, port))
        except OSError as error:
            stop(
                f"port {port}: {os.strerror(error.errno or 0)}"
            )  # strerror has the address as well
        yield url


@contextmanager
def _explain_missing_packages() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        stop(_INSTALL)


def _has_browser() -> bool:
    """Whether a page that is opened would be seen, and not take over the terminal."""
    has_windows = sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return has_windows and sys.stdout.isatty()


def _print_request(received: Received, respond: Callable[[], Response]) -> Response:
    """Respond to a request, and print a line about it.

    The query is left out, since clients may have the key in it.
    """
    response = respond()
    path = received.path.partition("?")[0]
    words = f"{received.method} {path} {response.status}"
    with suppress(OSError):  # nobody may read any more
        click.echo(console.escape_unprintable(words), err=True)
    return response
