"""QMat-Instruct: dialogues that teach optics, every sentence of which optics can check.

``facts`` holds what is so in an image: ``quantities`` measures every flake and asks the optical
model, ``scene`` makes a scene of a real image's annotations. ``tasks`` turns facts into questions
and drafts of answers, ``describe`` and ``draft`` into text, with ``grammar`` choosing among the
words of ``phrases`` and ``questions``. ``refer`` makes and resolves referring expressions.
``statements`` reads what a text states, ``checks`` and ``verify`` hold it against the facts.
``wording`` measures how varied the texts are.

``dataset`` builds images with dialogues by the thousand, as ``plan`` shares them out; ``real``
brings in annotated micrographs, ``card`` tells what a data set holds, ``export`` writes it for
other programs: ``python -m qupaint_lib.instruct --out FOLDER -n 10000``.

Conventions: boxes in percent as in `answers`; contrast in linear light, ΔE of CIE 1976 on codes
read as sRGB, as PIA does. What is observed is measured in the image around each flake; what is
predicted comes from the microscope's stack, camera and white balance.
"""

from qupaint_lib.instruct.card import count_rows
from qupaint_lib.instruct.dataset import (
    KIND_SHARES,
    SPLIT_SHARES,
    build_dataset,
    dialogue_of,
    scene_of,
)
from qupaint_lib.instruct.dialogues import FORMS, STYLES, TASK_NAMES, Dialogue, make_dialogues
from qupaint_lib.instruct.draft import count_tokens
from qupaint_lib.instruct.export import export_qf_bench, export_sharegpt
from qupaint_lib.instruct.facts import Facts
from qupaint_lib.instruct.plan import SPLITS
from qupaint_lib.instruct.quantities import Quantities, expect, measure
from qupaint_lib.instruct.real import RealImages
from qupaint_lib.instruct.scene import QUALITIES, AnnotatedImage, scene_from_flakes
from qupaint_lib.instruct.verify import Claim, Verification, verify
from qupaint_lib.instruct.wording import distinct, repeated_share

__all__ = [
    "FORMS",
    "KIND_SHARES",
    "QUALITIES",
    "SPLITS",
    "SPLIT_SHARES",
    "STYLES",
    "TASK_NAMES",
    "AnnotatedImage",
    "Claim",
    "Dialogue",
    "Facts",
    "Quantities",
    "RealImages",
    "Verification",
    "build_dataset",
    "count_rows",
    "count_tokens",
    "dialogue_of",
    "distinct",
    "expect",
    "export_qf_bench",
    "export_sharegpt",
    "make_dialogues",
    "measure",
    "repeated_share",
    "scene_from_flakes",
    "scene_of",
    "verify",
]
