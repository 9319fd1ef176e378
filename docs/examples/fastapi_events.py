"""An application of FastAPI's that hands in events, and delivers them in the background."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from iterable_destination import Destination, Outbox, OutboxError, QueueFull, Settings
from starlette.concurrency import run_in_threadpool

destination = Destination(Settings.from_environment())


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Deliver while the application runs, and for ten seconds at its end."""
    with Outbox("fastapi.outbox", capacity=1_000_000) as outbox:
        destination.start(outbox=outbox)
        try:
            yield
        finally:
            await run_in_threadpool(destination.close, timeout=10)


app = FastAPI(lifespan=lifespan)


@app.post("/signups/{user_id}", status_code=201)
def sign_up(user_id: str) -> None:
    """A plain function runs in a thread, so it may wait for the disk."""
    try:
        destination.enqueue({"type": "track", "userId": user_id, "event": "Signed Up"})
    except (QueueFull, OutboxError):
        raise HTTPException(503) from None
