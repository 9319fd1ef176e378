"""An application of FastAPI's that delivers in its own event loop, without threads or a file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from iterable_destination import AsyncDestination, QueueFull, Settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Deliver while the application runs, and for ten seconds at its end."""
    app.state.destination = AsyncDestination(Settings.from_environment()).start()
    try:
        yield
    finally:
        await app.state.destination.close(timeout=10)


def find_destination(request: Request) -> AsyncDestination:
    """Return the destination of this application."""
    destination: AsyncDestination = request.app.state.destination
    return destination


app = FastAPI(lifespan=lifespan)


@app.post("/signups/{user_id}", status_code=202)
async def sign_up(
    user_id: str, destination: Annotated[AsyncDestination, Depends(find_destination)]
) -> None:
    """Hand in an event, which waits for nothing."""
    try:
        destination.enqueue({"type": "track", "userId": user_id, "event": "Signed Up"})
    except QueueFull:
        raise HTTPException(503) from None
