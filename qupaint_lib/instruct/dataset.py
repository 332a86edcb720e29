"""QMat-Instruct: images with dialogues by the thousand, in shards, split without leaks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.instruct.card import write_card
from qupaint_lib.instruct.dialogues import FORMS, TASK_NAMES, Dialogue, make_dialogues
from qupaint_lib.instruct.facts import Facts
from qupaint_lib.instruct.plan import KINDS, SPLITS, Plan, draw_scene, members
from qupaint_lib.instruct.real import RealImages, Source, cut_out, from_dict, gather, to_dict
from qupaint_lib.materials import get_material
from qupaint_lib.shards import ShardsReport, write_shards
from qupaint_lib.synthia import HABITS, VIEWS, Scene, render_jpeg
from qupaint_lib.synthia.render import JPEG_QUALITY
from qupaint_lib.synthia.sample import STATISTICS
from qupaint_lib.synthia.sensor import decode_jpeg

COLUMNS = {
    "id": "int",
    "dialogue": "int",
    "image": "image",
    "messages": [{"role": "str", "content": [{"type": "str", "text": "str"}]}],
    "task": "str",
    "form": "str",
    "pad": "bool",
    "answer_boxes": [["float"]],
    "answer_labels": ["str"],
    "answer_layer_counts": ["int"],
    "material": "str",
    "quality": "str",
    "kind": "str",
    "microscope": "str",
    "height": "int",
    "width": "int",
    "boxes": [["int"]],
    "layer_counts": ["int"],
    "classes": ["str"],
    "masks": ["str"],
    "areas": ["int"],
    "scene": "str",
}
KIND_SHARES = {"any": 0.8, "no monolayer": 0.08, "thick": 0.08, "empty": 0.04}
SPLIT_SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}
# Every image gives occasion for these.
_ALWAYS = frozenset(TASK_NAMES) - {"refer", "layer", "terraces", "contrast"}


@dataclass(frozen=True)
class Recipe:
    """All that a sample follows from, beside the seed and its number."""

    plan: Plan
    source: Source | None
    n: int
    shape: tuple[int, int]
    view: str | None
    statistics: str
    dialogues: int
    tasks: tuple[tuple[str, float], ...]
    pad: float
    form: str
    jpeg_quality: int


def build_dataset(
    n: int,
    out: str | Path,
    *,
    seed: int = 0,
    workers: int = 1,
    cluster: Any = None,
    dialogues: int = 4,
    pad: float = 1.0,
    form: str = "mixed",
    tasks: Mapping[str, float] | Sequence[str] = TASK_NAMES,
    materials: Sequence[str] = tuple(HABITS),
    kinds: Mapping[str, float] = KIND_SHARES,
    splits: Mapping[str, float] = SPLIT_SHARES,
    real: RealImages | str | Path | None = None,
    real_share: float = 0.1,
    shape: tuple[int, int] = (448, 448),
    view: str | None = None,
    crystals: tuple[int, int] | None = None,
    statistics: str = STATISTICS[0],
    jpeg_quality: int = JPEG_QUALITY,
    images_per_shard: int = 500,
    progress: bool = True,
) -> dict[str, ShardsReport]:
    """Write `n` images with dialogues; the same call again resumes.

    Folders ``train``, ``validation`` and ``test`` of shards (see `write_shards`), and
    ``README.md``, the dataset card, with counts, by which ``datasets.load_dataset(out)`` finds the
    splits. A row is a dialogue; those of one image follow each other. Image i, its dialogues and
    its split depend on the seed and on i only. All images of a microscope are in one split.

    A row has ``messages`` (the chat as templates of transformers take it), ``image`` (JPEG), what
    the answers commit to (``answer_boxes`` in percent, ``answer_labels``, ``answer_layer_counts``),
    ``task``, ``form``, ``pad``, ``material``, ``quality`` (synthetic, verified, weak), ``kind`` of
    scene, ``microscope``, all flakes of the image (``boxes`` x, y, width, height in pixels,
    ``layer_counts``, ``classes``, ``masks`` as COCO's compressed run lengths, ``areas``), and
    ``scene``: JSON that `scene_of` reads, so that every row can be verified again.

    Parameters
    ----------
    n : int
        Number of images.
    out : path
        A new or empty folder, or one with the same data set.
    seed : int, optional
        At least 0.
    workers, cluster, progress
        See `write_shards`. A script calls this under ``if __name__ == "__main__":``.
    dialogues : int, optional
        Per image, each of another task as far as there are enough.
    pad : float, optional
        Share of the dialogues with physics-aware descriptions; 0 and 1 (False and True) give the
        two sides of the paper's Table 5, of the same images.
    form : {"full", "short", "mixed"}, optional
        See `make_dialogues`.
    tasks : sequence of str, or mapping of str to float, optional
        Of `TASK_NAMES`, with weights by which they are drawn. One of them must be possible for any
        image, such as ``"count"``.
    materials : sequence of str, optional
        Of the eight.
    kinds : mapping of str to float, optional
        Class balance: shares of the synthetic scenes with ``"any"`` flakes, with ``"no
        monolayer"``, with ``"thick"`` flakes only, and ``"empty"``.
    splits : mapping of str to float, optional
        Shares of ``"train"``, ``"validation"`` and ``"test"``.
    real : RealImages or path, optional
        Real micrographs, of which parts of `shape` are cut. A path is a folder whose
        ``annotations.json`` holds COCO annotations. Images of the only real microscope there is
        are for training.
    real_share : float, optional
        Share of real images among the `n`.
    shape : (int, int), optional
        Height and width of the images in pixels.
    view : {"general", "focused"}, optional
        None draws one of the two for every microscope.
    crystals : (int, int), optional
        The fewest and the most crystals of a synthetic scene, at least 1, few and many equally
        often (log-uniform). By default as many as `sample_scene` draws.
    statistics : {"balanced", "measured"}, optional
        See `sample_scene`.
    jpeg_quality : int, optional
        1 to 100.
    images_per_shard : int, optional
        At least 1.

    Returns
    -------
    dict of str to ShardsReport
        By the name of the split; a split that gets no image is left out.

    Raises
    ------
    ArgumentError
        See `write_shards`; an option is not allowed, or real images or their annotations are
        malformed: which image, which annotation, and why.
    """
    out = Path(out).resolve()
    names = tuple(get_material(material).name for material in materials)
    for name in names:
        if name not in HABITS:
            raise UnknownNameError("materials", name, HABITS)
    _check(n, names, dialogues, pad, form, view, statistics, jpeg_quality, real_share)
    source = None
    if real is not None and real_share:
        if not isinstance(real, RealImages):
            real = RealImages(str(real), str(Path(real) / "annotations.json"))
        source = gather(real, names, out, workers)
    plan = Plan(
        names,
        _shares("kinds", kinds, KINDS),
        _shares("splits", splits, SPLITS),
        float(real_share) if source else 0.0,
        tuple((name, taken) for name, _, taken, _ in source.images) if source else (),
        _range("crystals", crystals),
    )
    shape = tuple(map(int, shape))
    recipe = Recipe(
        plan, source, n, shape, view, statistics, dialogues, _weights(tasks), float(pad), form,
        int(jpeg_quality),
    )  # fmt: skip
    draw_scene(plan, 0, seed, shape, view, statistics)  # which refuses what is not allowed
    reports = {}
    for split in SPLITS:
        count = len(members(plan, n, seed, split))
        if count:
            reports[split] = write_shards(
                partial(make_row, recipe=recipe, split=split),
                count * dialogues,
                out / split,
                columns=COLUMNS,
                seed=seed,
                samples_per_shard=images_per_shard * dialogues,
                configuration=_configuration(recipe),
                split=split,
                workers=workers,
                cluster=cluster,
                progress=progress,
            )
    write_card(out, reports)
    return reports


def make_row(j: int, seed: int, recipe: Recipe, split: str) -> dict[str, Any]:
    """Return row j of a split, as `COLUMNS` says."""
    number, dialogue = divmod(j, recipe.dialogues)
    i = int(members(recipe.plan, recipe.n, seed, split)[number])
    return make_sample(i, seed, recipe)[dialogue]


@lru_cache(maxsize=2)  # rows of one image follow each other
def make_sample(i: int, seed: int, recipe: Recipe) -> tuple[dict[str, Any], ...]:
    """Return the rows of sample i."""
    jpeg, scene = _picture(i, seed, recipe)
    made = _dialogues(scene, decode_jpeg(jpeg), np.random.default_rng([seed, i, 2]), recipe)
    is_real = not isinstance(scene, Scene)
    about = {
        "id": i,
        "image": jpeg,
        "material": scene.material,
        "kind": "real" if is_real else recipe.plan.kind(i, seed),
        "microscope": recipe.plan.microscope(i, seed),
        "height": scene.shape[0],
        "width": scene.shape[1],
        "boxes": [flake.bbox_xywh for flake in scene.flakes],
        "layer_counts": [flake.layer_count for flake in scene.flakes],
        "classes": [flake.layer_class() for flake in scene.flakes],
        "masks": [flake.rle.counts.decode("ascii") for flake in scene.flakes],
        "areas": [flake.area_px for flake in scene.flakes],
        "scene": json.dumps(to_dict(scene) if is_real else scene.to_dict()),
    }
    return tuple({**about, "dialogue": k, **_row(record)} for k, record in enumerate(made))


def scene_of(row: Mapping[str, Any]) -> Any:
    """Return the scene of a row, or the annotations of its real image: what `verify` takes."""
    data = json.loads(row["scene"])
    return from_dict(data) if row["quality"] != "synthetic" else Scene.from_dict(data)


def dialogue_of(row: Mapping[str, Any]) -> Dialogue:
    """Return the dialogue of a row, as `make_dialogues` made it."""
    said = [message["content"][-1]["text"] for message in row["messages"]]
    return Dialogue(
        row["task"],
        tuple(zip(said[::2], said[1::2], strict=True)),
        row["form"],
        row["pad"],
        row["material"],
        row["quality"],
        tuple(map(tuple, row["answer_boxes"])),
        tuple(row["answer_labels"]),
        tuple(row["answer_layer_counts"]),
    )


def _picture(i: int, seed: int, recipe: Recipe) -> tuple[bytes, Any]:
    """Return the image of sample i as a JPEG file, and its scene or annotations."""
    number = recipe.plan.real_image(i, seed)
    if number is not None:
        rng = np.random.default_rng([seed, i])
        return cut_out(recipe.source, number, recipe.shape, recipe.jpeg_quality, rng)
    scene = draw_scene(recipe.plan, i, seed, recipe.shape, recipe.view, recipe.statistics)
    scene = replace(scene, conditions=replace(scene.conditions, jpeg_quality=recipe.jpeg_quality))
    return render_jpeg(scene).jpeg, scene


def _dialogues(
    scene: Any, image: np.ndarray, rng: np.random.Generator, recipe: Recipe
) -> list[Dialogue]:
    """Return as many dialogues as wanted, on the tasks in an order that their weights draw."""
    facts, made = Facts(scene, image), []
    waits = [rng.standard_exponential() / weight for _, weight in recipe.tasks]
    order = [recipe.tasks[k][0] for k in np.argsort(waits)]
    while len(made) < recipe.dialogues:
        for task in order:
            pad = bool(rng.random() < recipe.pad)
            made += make_dialogues(facts, None, rng, tasks=[task], pad=pad, form=recipe.form)
            if len(made) == recipe.dialogues:
                break
    return made


def _row(record: Dialogue) -> dict[str, Any]:
    """Return what a row says of its dialogue."""
    messages = [
        {**message, "content": [{"text": None, **part} for part in message["content"]]}
        for message in record.messages
    ]
    return {
        "messages": messages,
        "task": record.task,
        "form": record.form,
        "pad": record.pad,
        "quality": record.quality,
        "answer_boxes": record.boxes,
        "answer_labels": record.labels,
        "answer_layer_counts": record.layer_counts,
    }


def _configuration(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe for the manifest: of real images their digest, not where they are."""
    plan = asdict(recipe.plan)
    real = plan.pop("real")
    configuration = {**asdict(recipe), "plan": plan, "classes": LAYER_CLASSES}
    source = configuration.pop("source")
    if source:
        kept = ("quality", "magnification", "digest")
        configuration["real"] = {name: source[name] for name in kept} | {"images": len(real)}
    return configuration


def _shares(argument: str, given: Mapping[str, float], names: Sequence[str]) -> tuple[float, ...]:
    """Return shares in the order of the names; those that are not given are 0."""
    for name in given:
        if name not in names:
            raise UnknownNameError(argument, name, names)
    shares = [float(given.get(name, 0.0)) for name in names]
    if not (min(shares) >= 0 and math.isclose(sum(shares), 1.0, abs_tol=1e-9)):
        raise ArgumentError(argument, dict(given), "shares of at least 0 that add up to 1")
    return tuple(shares)


def _range(argument: str, given: Sequence[int] | None) -> tuple[int, int] | None:
    """Return the fewest and the most, in this order."""
    if given is None:
        return None
    pair = tuple(given)
    if (
        len(pair) != 2
        or not all(isinstance(k, Integral) for k in pair)
        or not 1 <= pair[0] <= pair[1]
    ):
        raise ArgumentError(argument, given, "the fewest and the most, whole numbers, at least 1")
    return int(pair[0]), int(pair[1])


def _weights(tasks: Mapping[str, float] | Sequence[str]) -> tuple[tuple[str, float], ...]:
    weights = dict(tasks) if isinstance(tasks, Mapping) else dict.fromkeys(tasks, 1.0)
    for name, weight in weights.items():
        if name not in TASK_NAMES:
            raise UnknownNameError("tasks", name, TASK_NAMES)
        if not 0 <= weight < math.inf:
            raise ArgumentError("tasks", weights, "weights of at least 0")
    kept = tuple((name, float(weight)) for name, weight in weights.items() if weight)
    if not _ALWAYS & dict(kept).keys():
        allowed = f"one at least that any image gives occasion for: {', '.join(sorted(_ALWAYS))}"
        raise ArgumentError("tasks", [name for name, _ in kept], allowed)
    return kept


def _check(
    n: int,
    materials: Sequence[str],
    dialogues: int,
    pad: float,
    form: str,
    view: str | None,
    statistics: str,
    jpeg_quality: int,
    real_share: float,
) -> None:
    """Refuse what no data set can have."""
    for name, value, least in (
        ("n", n, 1),
        ("dialogues", dialogues, 1),
        ("jpeg_quality", jpeg_quality, 1),
    ):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ArgumentError(name, value, f"a whole number of at least {least}")
    if jpeg_quality > 100:
        raise ArgumentError("jpeg_quality", jpeg_quality, "1 to 100")
    if not materials or len(set(materials)) != len(materials):
        raise ArgumentError("materials", materials, "one material at least, each once")
    for name, value, known in (("form", form, FORMS), ("statistics", statistics, STATISTICS)):
        if value not in known:
            raise UnknownNameError(name, value, known)
    if view is not None and view not in VIEWS:
        raise UnknownNameError("view", view, VIEWS)
    for name, value in (("pad", pad), ("real_share", real_share)):
        if not 0 <= value <= 1:
            raise ArgumentError(name, value, "a share from 0 to 1")
