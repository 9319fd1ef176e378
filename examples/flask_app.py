"""Segment's webhooks under /segment of a Flask application: gunicorn --threads 16 flask_app:app."""

import os

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from iterable_destination import Settings
from iterable_destination.receivers.segment import webhook_app

app = Flask(__name__)
application = webhook_app(
    Settings.from_environment(),
    shared_secret=os.environ["SEGMENT_SHARED_SECRET"].split(),
    header_secrets={"X-Events-Secret": os.environ["SEGMENT_HEADER_SECRET"].split()},
)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/segment": application})


@app.get("/health")
def health() -> str:
    """Respond that the server is up; this is one of your own routes."""
    return "ok"
