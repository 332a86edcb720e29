"""Find: flakes over the image, a table beside it, corrections, exports, whole folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from qupaint_lib.errors import ArgumentError
from qupaint_lib.widgets import selection
from qupaint_lib.widgets.controls import Files, Picture
from qupaint_lib.widgets.folder import FolderJob
from qupaint_lib.widgets.parts import Status, button, columns, guarded, listen, table_html, watch
from qupaint_lib.widgets.pictures import encode_jpeg, encode_png

if TYPE_CHECKING:
    from qupaint_lib.widgets.bench import Bench

_TITLES = ("flake", "layers", "probability", "area", "centre, px", "remarks")
_LAYERS = [("as found", 0), *((str(n), n) for n in range(1, 11)), ("not a flake", -1)]


class FindPanel:
    """Controls of a search and what it found."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.status, self.job = bench, Status(), None
        self.folder_status, self.files = Status(), Files()
        number = widgets.BoundedFloatText
        self.layers = widgets.IntRangeSlider(value=(1, 10), min=1, max=10, description="layers")
        self.thick = widgets.Checkbox(True, description="thick ones too", indent=False)
        self.area = widgets.IntSlider(100, min=0, max=5000, step=50, description="least px")
        self.sure = widgets.FloatSlider(0, min=0, max=1, step=0.05, description="probability ≥")
        self.number = widgets.Dropdown(options=[("–", 0)], description="flake")
        self.count = widgets.Dropdown(options=_LAYERS, description="has layers")
        self.stage_x = number(0, min=-1e7, max=1e7, description="stage x, µm")
        self.stage_y = number(0, min=-1e7, max=1e7, description="stage y, µm")
        self.y_up = widgets.Checkbox(description="stage y points up", indent=False)
        self.path = widgets.Text(description="folder", placeholder="path on this computer")
        self.progress = widgets.IntProgress(0, min=0, max=1, description="images")
        self.picture, self.table = Picture(), widgets.HTML()
        self.picture.on_click(guarded(self.status)(self.clicked))
        shown = (self.layers, self.thick, self.area, self.sure)
        listen(self.draw, self.status, *shown)
        listen(self.show_count, self.status, self.number)
        extras = widgets.Accordion(
            [
                widgets.VBox([self.number, self.count, *self._corrections()]),
                widgets.VBox([self.stage_x, self.stage_y, self.y_up, *self._exports()]),
                widgets.VBox(
                    [self.path, *self._folder(), self.progress, self.folder_status.widget]
                ),
            ],
            titles=("Correct", "Export", "A whole folder"),
            selected_index=0,
        )
        find = button("Find flakes", self.find, self.status)
        controls = [find, *shown, self.status.widget, extras, self.files]
        self.widget = columns(controls, [self.picture, self.table])
        bench.on_change(self.refresh)

    def _corrections(self) -> list:
        return [
            button("Correct it", self.correct, self.status),
            button("Recalibrate from corrections", self.recalibrate, self.status),
        ]

    def _exports(self) -> list:
        return [
            button("Export COCO", self.export_coco, self.status),
            button("Export CSV", self.export_csv, self.status),
            button("Export picture", self.export_picture, self.status),
        ]

    def _folder(self) -> list:
        return [
            button("Start", self.start, self.folder_status),
            button("Stop", self.stop, self.folder_status),
            button("Export COCO of the folder", self.export_folder_coco, self.folder_status),
            button("Export CSV of the folder", self.export_folder_csv, self.folder_status),
        ]

    @property
    def filter(self) -> selection.Filter:
        """What the controls admit."""
        return selection.Filter(
            tuple(self.layers.value), self.thick.value, self.area.value, self.sure.value
        )

    @property
    def stage(self) -> dict:
        """Where the image is on the stage."""
        origin = (self.stage_x.value, self.stage_y.value)
        return {"origin_um": origin, "y_up": self.y_up.value}

    def find(self) -> None:
        """Look for flakes and say what the fit doubts."""
        finding = self.bench.session.find()
        self.bench.announce()
        fit = finding.fit
        thin = sum(flake.layer_count is not None for flake in self.bench.session.flakes.values())
        said = (
            f"{thin} thin flakes. Oxide {fit.oxide_thickness_nm:.1f} ± {fit.oxide_sigma_nm:.1f} nm."
        )
        self.status.say("\n".join([said, *(f"Doubt: {doubt}." for doubt in fit.doubts)]))

    def clicked(self, x: float, y: float) -> None:
        """Choose the flake under a click, and give it the layers that are set."""
        session = self.bench.session
        height, width = session.codes.shape[:2]
        shown = selection.select(session.flakes, self.filter)
        number = selection.flake_at(shown, x * width, y * height)
        if number is None:
            self.status.say("No flake here.")
            return
        wanted = self.count.value
        self.number.value = number
        if wanted:
            self.count.value = wanted
            self.correct()
        else:
            self.status.say(f"Flake {number}: choose its layers, then “Correct it”.")

    def show_count(self) -> None:
        """A flake that is chosen in the list has no correction yet."""
        self.count.value = 0

    def correct(self) -> None:
        """Correct the chosen flake."""
        number, count = self.number.value, self.count.value
        if not (number and count):
            self.status.say("Choose a flake and its layers first.")
            return
        layers = selection.NOT_A_FLAKE if count == -1 else count
        self.bench.session.correct(number, layers)
        self.bench.announce()
        words = selection.NOT_A_FLAKE if count == -1 else f"{count} layer{'s' * (count > 1)}"
        self.status.say(f"Flake {number}: {words}.")

    def recalibrate(self) -> None:
        """Fit the oxide to the corrected flakes and look again."""
        calibration = self.bench.session.recalibrate()
        self.bench.announce()
        self.status.say(calibration.summary())

    def export_coco(self) -> None:
        """Offer the flakes as COCO."""
        data = self.bench.session.coco(self.filter, **self.stage)
        self._offer("flakes.json", data, "application/json")

    def export_csv(self) -> None:
        """Offer the flakes as CSV with stage coordinates."""
        data = self.bench.session.csv(self.filter, **self.stage)
        self._offer("flakes.csv", data, "text/csv")
        if self.bench.session.microscope.pixel_size_um is None:
            self.status.say("flakes.csv has no stage coordinates: the pixel size is unknown.")

    def export_picture(self) -> None:
        """Offer the image with outlines and words, at its own size."""
        data = encode_png(self.bench.session.annotated(self.filter))
        self._offer("flakes.png", data, "image/png")

    def _offer(self, name: str, data: bytes, mime: str) -> None:
        self.files.offer(name, data, mime)
        self.status.say(f"{name} is offered: {len(data) / 1000:.0f} kB.")

    def start(self) -> None:
        """Begin with a folder, in the background."""
        session = self.bench.session
        if self.job is not None and self.job.running:
            self.folder_status.say("A folder is being worked on; stop it first.")
            return
        self.job = FolderJob(self.path.value, session.material, session.microscope, session.folder)
        self.progress.max, self.progress.value = self.job.total, 0
        self.folder_status.say(f"{self.job.total} images.")
        watch(self.look, self.folder_status)

    def look(self) -> bool:
        """Show how far the folder is; returns whether it goes on."""
        running = self.job.running
        self.progress.value = self.job.done
        if not running:
            self.folder_status.say(self.job.report() or "Stopped.")
        return running

    def stop(self) -> None:
        """End the work on a folder."""
        if self.job is not None:
            self.job.stop()

    def export_folder_coco(self) -> None:
        """Offer what was found in the folder as COCO."""
        self._need_job()
        self.files.offer("folder.json", self.job.coco(), "application/json")

    def export_folder_csv(self) -> None:
        """Offer what was found in the folder as CSV."""
        self._need_job()
        self.files.offer("folder.csv", self.job.csv(), "text/csv")

    def _need_job(self) -> None:
        if self.job is None or not self.job.coco_path.is_file():
            raise ArgumentError("folder", None, "a finished folder: start one, and let it end")

    def refresh(self) -> None:
        """Show the session as it is now; the numbers of flakes change with every search."""
        flakes = self.bench.session.flakes
        chosen = self.number.value
        self.number.options = [("–", 0), *((str(n), n) for n in flakes)]
        self.number.value = chosen if chosen in flakes else 0
        self.draw()

    def draw(self) -> None:
        """Draw outlines and table of the flakes that the controls admit."""
        session = self.bench.session
        if session.file is None:
            return
        shown = selection.select(session.flakes, self.filter)
        drawn = selection.annotate(session.codes_8bit, shown)
        alt = f"{session.name} with {len(shown)} flakes outlined; the table lists them."
        self.picture.show(encode_jpeg(drawn), alt)
        rows = selection.rows(shown, session.microscope.pixel_size_um)
        self.table.value = table_html(_TITLES, rows, "Flakes")
