"""Save an order and its event in one transaction: both are there, or neither is."""

import os

import psycopg
from iterable_destination import Destination, Outcome, PostgresOutbox, Settings

DSN = os.environ["DATABASE_URL"]  # such as postgresql://shop@db/shop, without a password
outbox = PostgresOutbox(DSN)


def place_order(number: int, price: float) -> None:
    """Take an order, unless its price is wrong."""
    event = {
        "messageId": f"order-{number}",
        "type": "track",
        "userId": "u-7",
        "event": "Order Placed",
        "properties": {"price": price},
    }
    with psycopg.connect(DSN) as connection:  # commits at the end; rolls back if something raises
        connection.execute("INSERT INTO orders VALUES (%s)", (number,))
        outbox.add(event, connection=connection)
        if price < 0:
            raise ValueError("a price is 0 or more")


def report(outcome: Outcome) -> None:
    """Called in another thread, in the process that delivers."""
    print(outcome.message_id, outcome.name)


with psycopg.connect(DSN) as setup:
    setup.execute("CREATE TABLE IF NOT EXISTS orders (number integer)")

with outbox, Destination(Settings.from_environment()) as destination:
    place_order(1, 12.5)
    try:
        place_order(2, -1)
    except ValueError as error:
        print(f"order-2 is not taken: {error}")
    print(f"{outbox.count()} waits")
    destination.start(report, outbox=outbox)
    print(f"{destination.flush(timeout=10)} left")
