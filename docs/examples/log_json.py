"""Write the log as JSON, one object a line, with the fields of each record."""

import json
import logging
import sys

from iterable_destination import Destination, RetryPolicy, Settings
from iterable_destination.testing import LocalIterable, Script, faults


class JSONFormatter(logging.Formatter):
    """Writes a record as JSON: level, logger, message, and the fields named ``iterable_…``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON of a record."""
        entry = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        entry |= {
            name: value for name, value in vars(record).items() if name.startswith("iterable_")
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JSONFormatter())
logging.basicConfig(handlers=[handler])
logging.getLogger("iterable_destination").setLevel(logging.INFO)

event = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}

with LocalIterable(faults=Script([faults.server_error(503)])) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings, retry=RetryPolicy(initial_backoff=0)) as destination:
        destination.send(event)
