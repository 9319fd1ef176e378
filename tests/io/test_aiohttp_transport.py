"""HTTP transport for an event loop: what is certain to be unsent, and what is never done.

The faults that it shares with the transport for threads are in ``test_transport.py``.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import ssl
import threading
import time
from typing import Any

import aiohttp
import pytest

from iterable_destination import AsyncClient, Settings, errors
from iterable_destination.io import aiohttp_transport
from tests.support import faulty_server as faulty
from tests.support.clients import CALL, CALL_BODY, HTML, KEY, settings
from tests.support.faulty_server import Exchange, FaultyServer


def send(url: str, times: int = 1, pause: float = 0.0, **options: Any) -> list[Any]:
    """Send a call some times; return the codes of the responses, or the errors."""

    async def run() -> list[Any]:
        found: list[Any] = []
        async with AsyncClient(settings(url), **{"read_timeout": 0.3} | options) as client:
            for _ in range(times):
                try:
                    found.append((await client.send(CALL)).code)
                except errors.ApiError as error:
                    found.append(error)
                await asyncio.sleep(pause)
        return found

    return asyncio.run(run())


def test_a_request_is_that_of_the_client_for_threads() -> None:
    with FaultyServer(faulty.accepts) as server:
        assert send(server.url) == ["Success"]
    [request] = server.requests
    assert (request.method, request.target) == ("POST", "/api/events/track")
    assert request.json() == CALL_BODY
    assert request.headers["user-agent"].startswith("iterable_destination/")
    assert request.headers["accept-encoding"] == "gzip,deflate"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["api-key"] == KEY


def test_no_connection_means_that_nothing_was_sent() -> None:
    with faulty.refusing() as url:
        [error] = send(url)
    assert type(error) is errors.NotConnected
    assert str(error).startswith("ClientConnectorError: Cannot connect to host 127.0.0.1:")
    assert error.__context__ is None


def test_a_name_that_is_not_known_means_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    [error] = send("http://nowhere.invalid")
    assert type(error) is errors.NotConnected
    assert "nowhere.invalid" in str(error)


def test_a_connection_that_takes_too_long_means_that_nothing_was_sent() -> None:
    with FaultyServer(faulty.sends_and_stalls(b"")) as server:  # it never greets
        [error] = send(server.url.replace("http://", "https://"), connect_timeout=0.1)
    assert type(error) is errors.NotConnected
    assert str(error) == "TimeoutError: no connection in time"


@pytest.mark.parametrize("url", ["http://a..b", f"http://{'a' * 64}.example"])
def test_an_address_that_only_a_request_shows_to_be_none_is_a_wrong_address(url: str) -> None:
    [error] = send(url)
    assert type(error) is errors.WrongAddress


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "socks4://ada:lovelace@127.0.0.1"])
def test_a_proxy_must_be_one_of_http(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    [error] = send("http://iterable.invalid")
    assert type(error) is errors.WrongAddress
    assert str(error) == "the proxy of the environment must be one of HTTP"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            faulty.sends(b"HTTP/1.1 407 Password Required\r\nContent-Length: 0\r\n\r\n"),
            "ClientHttpProxyError: 407, message='Password Required'",
        ),
        (faulty.sends(faulty.NO_HTTP), "ClientResponseError: 400, message="),
    ],
)
def test_the_password_of_a_proxy_is_not_in_its_error(
    answer: faulty.Script, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyServer(answer) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//ada:lovelace@"))
        [error] = send("https://iterable.invalid")
    assert type(error) is errors.NotConnected
    assert str(error).startswith(words)
    assert "lovelace" not in str(error)


def test_the_password_of_a_proxy_is_in_no_other_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, proxy: str, **__: Any) -> Any:
        raise aiohttp.InvalidURL(proxy)

    monkeypatch.setattr(aiohttp.ClientSession, "request", refuses)
    monkeypatch.setenv("http_proxy", "http://ada:lovelace@127.0.0.1:1")
    [error] = send("http://iterable.invalid")
    assert str(error) == "InvalidURL: http://[proxy user]@127.0.0.1:1"


def test_a_proxy_that_makes_a_tunnel_is_told_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(faulty.answers(407, HTML)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//ada:lovelace@"))
        [error] = send("https://iterable.invalid")
    assert type(error) is errors.NotConnected
    [request] = proxy.requests
    assert request.method == "CONNECT"
    assert KEY.encode() not in request.raw
    assert request.headers["proxy-authorization"].startswith("Basic ")


def closes_afterwards(exchange: Exchange) -> None:
    """Accept a request, and close the connection as if it had been idle for too long."""
    faulty.accepts(exchange)
    exchange.close()


def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    with FaultyServer(closes_afterwards) as server:
        assert send(server.url, 3, pause=0.05) == ["Success"] * 3
        assert server.connections == 3


@pytest.mark.parametrize(
    "fault",
    [faulty.resets_after_reading, faulty.closes_after_reading, faulty.resets_before_reading],
)
def test_a_post_on_a_kept_connection_is_never_repeated_in_silence(fault: faulty.Script) -> None:
    with FaultyServer(faulty.accepts, fault, faulty.accepts) as server:
        first, second = send(server.url, 2)
        assert first == "Success"
        assert type(second) is errors.AmbiguousAnswer
        assert server.connections == 1


def test_what_replaces_aiohttp_says_nothing_of_what_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as a library for tests: an error from there is ambiguous, unless it says itself."""

    def replaced(*_: Any, **__: Any) -> Any:
        raise aiohttp.ServerDisconnectedError

    monkeypatch.setattr(aiohttp.ClientSession, "request", replaced)
    [error] = send("http://127.0.0.1:1")
    assert type(error) is errors.AmbiguousAnswer


def test_a_tls_error_after_the_request_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise aiohttp.ClientOSError(1, f"[SSL] record layer failure, Api-Key: {KEY}")

    monkeypatch.setattr(aiohttp.ClientResponse, "start", broken)
    with FaultyServer(faulty.accepts) as server:
        [error] = send(server.url)
    assert type(error) is errors.AmbiguousAnswer
    assert KEY not in str(error)
    assert "[api key]" in str(error)


def test_a_server_that_does_not_read_is_not_written_to_for_ever() -> None:
    def stalls(exchange: Exchange) -> None:
        exchange.stall()

    async def run() -> None:
        async with AsyncClient(settings(server.url), read_timeout=0.2) as client:
            await client.request(CALL.endpoint, b" " * 20_000_000)

    with FaultyServer(stalls) as server, pytest.raises(errors.AmbiguousAnswer) as caught:
        asyncio.run(run())
    assert str(caught.value) == "TimeoutError: no response in time"


@pytest.mark.parametrize("size", [1, 2**20, 2**20 + 1, 4_000_000])
def test_a_body_of_any_size_arrives_whole(size: int) -> None:
    body = b"[" + b" " * (size - 1)

    async def run() -> None:
        async with AsyncClient(settings(server.url)) as client:
            await client.request(CALL.endpoint, body)

    with FaultyServer(faulty.accepts) as server:
        asyncio.run(run())
    assert [request.body for request in server.requests] == [body]


def test_an_answer_may_be_compressed() -> None:
    body = faulty.answers(200, gzip.compress(faulty.SUCCESS), faulty.GZIP)
    with FaultyServer(body) as server:
        assert send(server.url) == ["Success"]


def test_a_shorter_timeout_counts() -> None:
    async def run() -> None:
        async with AsyncClient(settings(server.url), read_timeout=3_600) as client:
            await client.request(CALL.endpoint, b"{}", timeout=0.1)

    with (
        FaultyServer(faulty.sends_and_stalls(b"")) as server,
        pytest.raises(errors.AmbiguousAnswer),
    ):
        asyncio.run(run())


def test_requests_at_the_same_time_have_a_connection_each() -> None:
    async def run() -> None:
        async with AsyncClient(settings(server.url)) as client:
            for _ in range(3):
                await asyncio.gather(*(client.send(CALL) for _ in range(150)))
            assert server.connections == 150

    with FaultyServer(faulty.meets(threading.Barrier(150, timeout=5))) as server:
        asyncio.run(run())
        assert server.saw_closed(150)


def test_a_cancelled_request_leaves_neither_a_task_nor_a_connection() -> None:
    async def run() -> None:
        async with AsyncClient(settings(server.url)) as client:
            sending = asyncio.create_task(client.send(CALL))
            while not server.requests:  # noqa: ASYNC110 - it is another thread's
                await asyncio.sleep(0.001)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert await asyncio.to_thread(server.saw_closed)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    def answers_in_part(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(faulty.CUT_BODY)

    with FaultyServer(answers_in_part) as server:
        asyncio.run(run())
    gc.collect()  # an unclosed connection would warn


def test_requests_that_wait_for_certificates_break_off_when_the_client_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, closed = threading.Event(), threading.Event()
    read_certificates = ssl.create_default_context

    def read_slowly(**options: Any) -> Any:
        reading.set()
        closed.wait(5)
        return read_certificates(**options)

    async def run() -> None:
        client = AsyncClient(settings("https://127.0.0.1:1"))
        sending = [asyncio.create_task(client.send(CALL)) for _ in range(2)]
        assert await asyncio.to_thread(reading.wait, 5)
        await client.close()
        closed.set()
        found = await asyncio.gather(*sending, return_exceptions=True)
        assert [repr(error) for error in found] == [
            "NotConnected('the connections were closed')"
        ] * 2

    monkeypatch.setattr(ssl, "create_default_context", read_slowly)
    asyncio.run(run())
    gc.collect()  # an unclosed session would warn


def look_up_for_ever() -> asyncio.Event:
    """Make the event loop look up names without an end; return what is set when it begins."""
    looking = asyncio.Event()

    async def look_up(*_: Any, **__: Any) -> Any:
        looking.set()
        await asyncio.Event().wait()

    asyncio.get_running_loop().getaddrinfo = look_up  # type: ignore[method-assign]
    return looking


def test_requests_that_look_up_a_name_break_off_when_the_client_is_closed() -> None:
    async def run() -> None:
        looking = look_up_for_ever()
        client = AsyncClient(settings("http://iterable.invalid"))
        sending = [asyncio.create_task(client.send(CALL)) for _ in range(2)]
        await looking.wait()
        await client.close()
        found = await asyncio.gather(*sending, return_exceptions=True)
        words = "NotConnected('CancelledError: the connections were closed')"
        assert [repr(error) for error in found] == [words] * 2

    asyncio.run(run())


def test_what_breaks_off_with_a_connection_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(aiohttp.ClientResponse, "start", broken)
    with FaultyServer(faulty.accepts) as server:
        [error] = send(server.url)
    assert repr(error) == "AmbiguousAnswer('CancelledError: the connections were closed')"


def test_a_request_that_looks_up_a_name_can_be_cancelled() -> None:
    async def run() -> None:
        looking = look_up_for_ever()
        async with AsyncClient(settings("http://iterable.invalid")) as client:
            sending = asyncio.create_task(client.send(CALL))
            await looking.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    asyncio.run(run())


@pytest.mark.parametrize("delay", [0.0, 0.3], ids=["before", "after"])
def test_a_request_that_is_cancelled_as_its_time_runs_out_is_cancelled(
    delay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_body = aiohttp_transport._read_body

    async def run() -> None:
        reading = asyncio.Event()

        async def note(response: aiohttp.ClientResponse) -> bytes:
            reading.set()
            return await read_body(response)

        monkeypatch.setattr(aiohttp_transport, "_read_body", note)
        async with AsyncClient(settings(server.url), read_timeout=0.2) as client:
            sending = asyncio.create_task(client.send(CALL))
            await reading.wait()
            asyncio.get_running_loop().call_later(delay, sending.cancel)
            time.sleep(0.4)  # noqa: ASYNC251 - so that both come in one turn of the event loop
            with pytest.raises(asyncio.CancelledError):
                await sending

    with FaultyServer(faulty.sends_and_stalls(faulty.CUT_BODY)) as server:
        asyncio.run(run())


def test_a_client_belongs_to_one_event_loop_until_it_is_closed() -> None:
    with FaultyServer(faulty.accepts) as server:
        client = AsyncClient(settings(server.url))
        first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
        try:
            first.run_until_complete(client.send(CALL))
            with pytest.raises(RuntimeError, match="belongs to the event loop of its first use"):
                second.run_until_complete(client.send(CALL))
            first.run_until_complete(client.close())
            assert second.run_until_complete(client.send(CALL)).code == "Success"
            second.run_until_complete(client.close())
        finally:
            first.close()
            second.close()


def test_without_aiohttp_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp_transport, "_HAS_AIOHTTP", False)
    words = r"AsyncClient needs aiohttp: pip install 'iterable-destination\[async\]'"
    with pytest.raises(ImportError, match=words):
        AsyncClient(Settings(api_key=KEY))


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), 86_401])
def test_a_timeout_that_is_not_above_0_makes_no_client(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"^a timeout must be above 0 and at most 86,400"):
        AsyncClient(settings(), read_timeout=wrong)


def test_a_client_shows_no_key_and_cannot_be_pickled() -> None:
    client = AsyncClient(settings())
    assert KEY not in repr(client)
    with pytest.raises(TypeError, match="cannot be pickled"):
        client.__reduce__()
