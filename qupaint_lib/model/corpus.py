"""A small text about flakes, written by rule: what the default tokenizer is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

# The prompts that the authors' release fixes.
QUESTIONS = (
    "Identify all flakes and provide bounding boxes [x,y,w,h] for each",
    "Identify monolayer candidates and provide bounding boxes [x,y,w,h]",
    "How many material flakes are there in the image?",
    "Describe the optical contrast of the flakes relative to the substrate",
)

_MATERIALS = ("graphene", "hBN", "MoS2", "MoSe2", "MoWSe2", "WS2", "WSe2", "WTe2")
_LAYERS = ("monolayer", "bilayer", "trilayer", "few-layer", "thick", "bulk")
_CLASSES = ("Mono", "Few", "Thick")
_COLORS = (
    "blue", "green", "purple", "violet", "yellow", "orange", "red", "pink", "white", "gray",
    "brown", "cyan", "teal", "magenta", "golden", "silver",
)  # fmt: skip
_SHADES = ("pale", "faint", "dark", "bright", "deep", "light", "dull", "saturated", "transparent")
_PLACES = (
    "upper left", "upper right", "lower left", "lower right", "top", "bottom", "centre", "middle",
    "left edge", "right edge", "corner", "border",
)  # fmt: skip
_SHAPES = ("triangular", "elongated", "rectangular", "irregular", "polygonal", "narrow", "compact")
_ANSWERS = (
    "I see {count} flakes of {material} in this image.",
    "There are {count} flakes: {layer} and {other}.",
    "The {shade} {color} flake at the {place} is a {layer} of {material}.",
    "A {shape} {layer} terrace, {shade} {color}, lies next to a {other} region.",
    "{class_} flake, {layer}, {shape}: <box>{box}</box>.",
    "<CONCLUSION> {layer}: <box>{box}</box>; {other}: <box>{box}</box> </CONCLUSION>",
    "No, the {shape} region at the {place} is {shade}, so it is {other} and not a {layer}.",
    "Yes, its contrast of {number} per cent agrees with a {layer} on {thickness} nm of oxide.",
)
_PROSE = """
Thin-film interference between the flake and the oxide on silicon changes the reflected light, so
that the colour of a flake tells its number of layers. The optical contrast of a flake relative to
the bare substrate grows with every layer until interference turns it around. A monolayer appears
faint and semi-transparent, its edges are sharp, and its brightness is close to that of the
background; few-layer flakes are more visible, and thick flakes are opaque, bright or strongly
coloured. Tape residue, dust, wrinkles, folds, cracks, bubbles, scratches and hairs are not flakes:
they scatter light, have no uniform colour and are often out of focus. Compare the red, green and
blue channels of the region with those of the substrate around it. The difference in CIELAB, delta
E, measures how far a colour is from the substrate; the lightness, and the chromatic coordinates,
follow the illumination and the white balance of the camera. Vignetting darkens the corners of an
image; noise, blur and compression hide small steps. The microscope, its objective, magnification,
numerical aperture and exposure decide what can be seen. First enumerate every candidate with its
bounding box in per cent of the image's width and height, then explain the evidence for each, and
finally give the conclusion. The uniform contrast inside the boundary suggests a single terrace of
constant thickness. Its area is small, its outline is straight, and the step at its edge is that
of one layer. The neighbouring terrace belongs to the same crystal, and has one more layer, two
more layers, several more layers. Because the contrast is negative in the red channel and positive
in the blue channel, the region is darker, or bluer, than the substrate. The expected reflectance
comes from the transfer matrix of air, material, silicon dioxide and silicon, with measured
refractive indices. Therefore the most likely layer count is one. The measured value lies between
the predicted values for two and three layers; the probability of each is given. Count the flakes,
describe the image, locate the largest flake, the smallest flake, the thinnest flake and the
brightest flake, which flake is nearest to the centre, is there any monolayer, how large is it in
square micrometres, what is the material, how thick is the oxide, which regions are suitable for a
device, and how confident are you? None of the regions, only a few, most of them, all of them, at
least, at most, about, approximately, roughly, slightly, clearly, possibly, probably, certainly,
unlikely, unknown, ambiguous, saturated, clipped, isolated, connected, overlapping, touching.
"""

# What reports on exfoliated crystals speak of besides.
_WORDS = """
absorption acquisition adhesive adjacent admissible agreement alignment ambient amplitude analysis
angle anisotropic annealing annotation aperture apparent appearance approach area argon argument
arrange array assess assign assumption asymmetric atomic attention average axis band barely
baseline because before behaviour behind below beneath between beyond bilinear black blade blurred
bottom boundary bounded brightfield broad broken calibration camera candidate capillary carbon
careful carrier category caution central chalcogenide chamber change channel characteristic chart
chemical chip chromatic chunk circular classify clean cleavage cluster coating coherent collect
colorimetry column combination common complete component concave condition confident conform
consequence consist constant contamination continuous contour convex coordinate correction
correspond cover creased crop cross crystalline curved dark decide decrease defect definite degree
delicate dense deposit depth derive detail detect device diagonal diameter dichroic dielectric
diffraction diffuse digit dimension direct dirt discard discriminate dispersion distance
distinguish distribution divide domain dominant double doubtful droplet during dynamic eastern
easily electrode electron element eliminate emission encapsulation enclosed energy enhance enough
entire equal error establish estimate evaporate even evenly exact examine example exceed except
exciton exclude exfoliated exist exponent extend exterior extinction extreme fabrication factor
fainter familiar farthest feature field figure filter final flat fluorescence focus following
foreground fracture fragment fraction frame free frequency fringe from full further gap general
geometry glass glue gold gradient grain gradual grid ground group half halo halogen handle hardly
heavily height heterostructure hexagonal high histogram hole homogeneous horizontal however hue
human identify ignore illuminance immediate immersion impurity inclined include incoherent increase
indicate individual infer influence inhomogeneous inner inspect instance intensity interface
interior internal interpolate interval intrinsic inverse island isotropic item jagged join judge
junction keep kernel kink known label lamella lamp larger lattice layered lens less level linear
liquid list local location long low lower lumen magnitude manual many map margin marker mask
maximum mean mechanical median membrane metal method micrometre microscopy minimum minor mirror
mismatch misorientation modest moire molybdenum moreover mosaic mostly multiple nanometre narrow
natural nearly negligible niobium nitride nitrogen nominal normal notable nothing nucleation number
numerous objects oblique observe obvious occasion occupy offset often once opposite optical order
organic orientation origin otherwise outer outlier outside overall oxygen package pair parallel
parameter part particle patch path pattern peak percentile perimeter periodic perpendicular phase
phonon photon physical picture piece pixel plane plasma plate plausible point polarised polymer
portion position powder precise predict preparation presence previous primary prior prism process
profile prominent proof propagation property proportion provide purple pyramid quality quantify
quantum quarter question quite radius raman random range rather ratio real reason recheck record
reference reflect refraction regular relation relevant reliable remain remove report represent
require resemble resist resolution response rest result ridge right rim rotate rough round row
ruler sample scale scan search second section see segment selenium selenide semiconductor sensitive
sensor separate sequence series shadow shallow shape sharp sheet shift short shown side signal
significant similar simple since site size slope smear smooth soft solvent somewhat source spacing
spatial specimen speck spectrum spectroscopy sphere split spot square stack stage stain standard
start state statistical steep sticker stitch straight strain streak stripe strong structure subset
substantial sudden sufficient sulphide sulphur superposed support surface surround symmetric system
table telluride temperature tentative texture than thermal these thickest thin third threshold
tilted tone total toward transfer transition translucent transmit transparent tungsten turn twice
twisted typical ultrasonic uncertain under undulating uneven unique unit unless until untouched
upper usable usual vacuum valid van variation vertical vicinity view virtually visible void wafer
wall waals water wave wavelength weak weigh western when whereas whether while whole wide within
without worth xenon yield zone zoom
"""


def corpus() -> Iterator[str]:
    """Yield the same questions, answers and prose in the same order every time."""
    yield from QUESTIONS
    yield from (sentence.strip() + "." for sentence in " ".join(_PROSE.split()).split("."))
    yield from _WORDS.strip().splitlines()
    for i, (layer, color) in enumerate(product(_LAYERS, _COLORS)):
        words = {
            "layer": layer,
            "color": color,
            "other": _pick(_LAYERS, i + 1),
            "class_": _pick(_CLASSES, i),
            "material": _pick(_MATERIALS, i),
            "shade": _pick(_SHADES, i),
            "place": _pick(_PLACES, i),
            "shape": _pick(_SHAPES, i),
            "count": i % 40,
            "number": f"{i % 60}.{i % 10}",
            "thickness": _pick((90, 180, 285, 300), i),
            "box": f"{i % 97}.{i % 89:02d}, {i % 83}.{i % 79:02d}, {i % 31}.25, {i % 29}.50",
        }
        yield from (answer.format(**words) for answer in _ANSWERS)


def _pick(values: tuple, index: int) -> object:
    return values[index % len(values)]
