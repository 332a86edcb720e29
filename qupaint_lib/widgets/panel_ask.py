"""Ask: a question to a model, and its claims held against the optics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from qupaint_lib.instruct.lexicon import CHANNELS
from qupaint_lib.widgets.claims import STATUSES, Checked, ask, check, draw_boxes, load_model
from qupaint_lib.widgets.controls import Picture
from qupaint_lib.widgets.parts import Status, button, columns, in_background, table_html
from qupaint_lib.widgets.pictures import encode_jpeg, shrunk

if TYPE_CHECKING:
    from qupaint_lib.widgets.bench import Bench

QUESTION = "Find the flakes, say how many layers each has, and why."
SIGNS = {"confirmed": "✓ confirmed", "contradicted": "✗ contradicted", "untestable": "? untestable"}
_TITLES = ("verdict", "claim", "about", "stated", "by the optics")
_CONTRASTS, _NOTHING = ("contrast", "predicted contrast"), "–"
_OWN = "… or paste any text here, and check that"


class AskPanel:
    """Controls of a question and its checked answer."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.status = bench, Status()
        self.model: tuple[str, Any] | None = None
        self._asking = False
        wide = {"width": "auto"}
        self.folder = widgets.Text(description="model", placeholder="nano, or a checkpoint folder")
        self.question = widgets.Textarea(QUESTION, description="question", rows=3, layout=wide)
        self.own = widgets.Textarea(placeholder=_OWN, rows=6, layout=wide)
        self.picture, self.answer = Picture(), widgets.HTML()
        self.claims = widgets.HTML()
        controls = [
            self.folder,
            self.question,
            button("Ask", self.ask, self.status),
            self.own,
            button("Check this text", self.check_own, self.status),
            self.status.widget,
        ]
        self.widget = columns(controls, [self.picture, self.answer, self.claims])
        self._shown: Any = None
        bench.on_change(self.refresh)

    def refresh(self) -> None:
        """Show an image that has been opened, without the answer to another one."""
        session = self.bench.session
        if session.file is not self._shown:
            self._shown = session.file
            self.picture.show(encode_jpeg(shrunk(session.codes_8bit)), f"The image {session.name}.")
            self.answer.value = self.claims.value = ""
            self.status.say(f"{session.name} is open: ask, or paste a text.")

    def ask(self) -> None:
        """Load the model and ask it in the background; the other panels go on meanwhile."""
        session, question, folder = self.bench.session, self.question.value, self.folder.value
        codes, file = session.codes_8bit, session.file
        if self._asking:
            self.status.say("The model is still reading: its answer comes first.")
            return

        def answer() -> str:
            try:
                return ask(self._loaded(folder.strip()), codes, question)
            finally:
                self._asking = False

        def answered(text: str) -> None:
            if session.file is file:
                self.check(text, question)
            else:
                self.status.say("Another image was opened meanwhile: ask again.")

        self._asking = True
        self.status.say("The model is reading the image …")
        in_background(answer, answered, self.status)

    def _loaded(self, folder: str) -> Any:
        if self.model is None or self.model[0] != folder:
            self.model = (folder, load_model(folder))
        return self.model[1]

    def check_own(self) -> None:
        """Check a text that somebody else wrote."""
        self.check(self.own.value, "")

    def check(self, text: str, question: str) -> None:
        """Hold a text against the flakes that were found and corrected."""
        session = self.bench.session
        if session.finding is None:
            session.find()
            self.bench.announce()
        flakes, scope = list(session.flakes.values()), session.microscope_found
        self.show(
            check(text, session.codes_8bit, flakes, scope, session.material, question=question)
        )

    def show(self, checked: Checked) -> None:
        """Show an answer, its boxes and its claims."""
        numbers = [f"{checked.count(status)} {status}" for status in STATUSES]
        drawn = draw_boxes(self.bench.session.codes_8bit, checked)
        alt = (
            f"The image with the answer's {len(checked.boxes)} boxes; the claims stand in a table."
        )
        self.picture.show(encode_jpeg(drawn), alt)
        self.answer.value = answer_html(checked)
        self.claims.value = table_html(_TITLES, claim_rows(checked), "Claims")
        self.status.say(f"{len(checked.claims)} claims: {', '.join(numbers)}.")


def claim_rows(checked: Checked) -> list[tuple[str, ...]]:
    """Return a row of words for each claim, those that do not hold first."""
    order = {"contradicted": 0, "untestable": 1, "confirmed": 2}
    claims = sorted(checked.claims, key=lambda claim: order[claim.status])
    return [
        (SIGNS[c.status], c.text, c.kind, _worded(c.kind, c.stated), _worded(c.kind, c.true))
        for c in claims
    ]


def answer_html(checked: Checked) -> str:
    """Return the answer's text, escaped."""
    import html

    return f"<pre>{html.escape(checked.text)}</pre>"


def _worded(kind: str, value: object) -> str:
    """Return what is stated, or what is so, in words; – where there is nothing to say."""
    if kind == "tone" and isinstance(value, tuple):
        brighter, degree = value
        return f"{degree or ''} {'brighter' if brighter else 'darker'}".strip()
    if kind in _CONTRASTS and isinstance(value, tuple):
        channel, contrast = value
        return f"{CHANNELS[channel]} {contrast:+.1%}"
    if kind in _CONTRASTS and isinstance(value, float):
        return f"{value:+.1%}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple | list):
        return ", ".join(_worded(kind, v) for v in value if v is not None) or _NOTHING
    return _NOTHING if value is None else str(value)[:80]
