"""What Jupyter Book 1 cannot say in ``_config.yml``: two small rules for the built pages."""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config


def offer_launch_links(app: Sphinx, config: Config) -> None:
    """Show launch and repository buttons only where ``repository.url`` is configured."""
    options = config.html_theme_options
    if options.get("repository_url"):
        options.update(use_repository_button=True, use_issues_button=True)
    else:
        options["launch_buttons"] = {}


def leave_out_thebe(app: Sphinx) -> None:
    """Silence the live-code extension, which Jupyter Book loads even where it is switched off.

    Its scripts name a foreign host and are declared twice, which is an error on every page.
    """
    for event, listeners in app.events.listeners.items():
        kept = [entry for entry in listeners if entry.handler.__module__ != "sphinx_thebe"]
        app.events.listeners[event] = kept
    app.registry.css_files[:] = [
        entry for entry in app.registry.css_files if entry[0] != "sphinx-thebe.css"
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect both rules."""
    leave_out_thebe(app)
    app.connect("config-inited", offer_launch_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
