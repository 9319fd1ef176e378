"""How Sphinx builds these pages. Building needs no network."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import attrs
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from iterable_destination import __version__

project = "iterable_destination"
author = "The iterable_destination developers"
project_copyright = author
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
if find_spec("sphinx_copybutton") is not None:  # without it there are no buttons
    extensions.append("sphinx_copybutton")
#: A button copies the commands of a console, without this before each, and not what they print.
copybutton_prompt_text = "$ "
exclude_patterns = ["_build", "examples"]

myst_heading_anchors = 3
html_theme = "furo"
#: In words, which a narrow sidebar can break between.
html_title = f"Iterable destination {release}"
_REPOSITORY = "https://github.com/iterable-destination/iterable_destination/"
html_theme_options = {
    "footer_icons": [{"name": "Source", "url": _REPOSITORY, "html": "Source", "class": ""}],
    "source_repository": _REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_show_sphinx = False
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

#: Names that no page of these describes, each for its reason.
nitpick_ignore_regex = [
    # Python's own: a link to its pages would need the network while building.
    ("py:class", r"collections\.abc\.\w+"),
    ("py:class", r"collections\.Counter|datetime\.datetime|os\.PathLike"),
    # Of the packages that hand metrics on: likewise.
    ("py:class", r"(opentelemetry|prometheus_client)\.\S+"),
    # Of pyspark, which is not loaded while building, so that names beside these stay as written.
    ("py:class", r"DataFrame|DataFrameWriter|Translate"),
    # A type variable.
    ("py:class", r"iterable_destination\.io\.lifecycle\._Result"),
    # What an application is made of: webhook_app makes both.
    ("py:class", r"iterable_destination\.receivers\.base\.Receiver"),
    # What Destination and SegmentDestination have in common, described with each of them.
    ("py:class", r"iterable_destination\.delivery\.base\.BaseDestination"),
    ("py:class", r"iterable_destination\.delivery\.policies\.Runtime"),
    # What AsyncClient does, for a client of one's own.
    ("py:class", r"iterable_destination\.delivery\.async_destination\.AsyncRequestClient"),
    # What metrics watch: a destination of either kind.
    ("py:class", r"iterable_destination\.metrics\.readings\.Watched"),
    # What carries an event into delivery.
    ("py:class", r"iterable_destination\.model\.records\.(EventRecord|LineRecord)"),
    # An outbox of either kind, and the connection of psycopg that one of them takes.
    ("py:class", r"iterable_destination\.io\.outbox_protocol\.AnyOutbox|psycopg\.Connection"),
    # What an outcome keeps of its calls until somebody asks for them: likewise.
    ("py:class", r"iterable_destination\.model\.calls\.EncodedCall"),
]


def _described(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Find what a docstring names by the end of its name: ``~errors.Unauthorized``.

    Many names are described where they are imported from, not where they are defined.
    """
    if node.get("refdomain") != "py":
        return None
    domain: Any = env.domains["py"]
    parts = str(node["reftarget"]).split(".")
    for start in range(len(parts)):
        end = "." + ".".join(parts[start:])
        found = [name for name in domain.objects if name.endswith(end)]
        if len(found) == 1:
            args = (env, node["refdoc"], app.builder, "obj", found[0], node, content)
            reference = domain.resolve_xref(*args)
            return reference if isinstance(reference, nodes.reference) else None
    return None


def _with_defaults(
    _: Sphinx, __: str, ___: str, described: Any, ____: Any, signature: Any, returns: Any
) -> tuple[Any, Any] | None:
    """Write the defaults of attrs into a signature, where attrs' own code for them stands."""
    if not (isinstance(described, type) and attrs.has(described) and isinstance(signature, str)):
        return None
    for field in attrs.fields(described):
        signature = signature.replace(f"attr_dict['{field.name}'].default", repr(field.default))
    return signature.replace("NOTHING", "..."), returns


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", _with_defaults)
    app.connect("missing-reference", _described)
