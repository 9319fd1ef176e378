"""Take events while delivery is paused, and deliver them when it goes on."""

import os

from iterable_destination import Destination, Outbox, Settings


def run(message_id: str) -> None:
    """A program that takes an event, and delivers unless it is told to wait."""
    with Outbox("paused.outbox") as outbox, Destination(Settings.from_environment()) as to:
        if os.environ.get("DELIVERY") != "paused":
            to.start(outbox=outbox)
        outbox.add({"messageId": message_id, "type": "track", "userId": "u-7", "event": "Paid"})
        to.close()
        print(f"{outbox.count()} wait")


os.environ["DELIVERY"] = "paused"
run("m-1")
run("m-2")

del os.environ["DELIVERY"]
run("m-3")
