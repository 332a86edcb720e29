"""Patterns of what a text can state. Every quantifier is bounded: a search costs linear time."""

from __future__ import annotations

import re

from qupaint_lib.answers.words import NUMBER

SENTENCE = re.compile(
    r"(?<=[.?!])[ \t]{1,4}(?=[A-Z0-9(Δ\-])|\n"
    r"|,[ ](?=(?:so|which makes) (?:it|this|flake|candidate|region|plateau|area|patch)\b)"
)
N = r"[0-9]{1,3}(?![0-9%]|\.[0-9]| ?nm| ?µm)"
REFERENCE = re.compile(
    rf"\b(?:flake|candidate|region|plateau|area|patch)s?[ ]#?(?P<first>{N})"
    rf"(?P<rest>(?:, ?{N}){{0,40}}(?:,? and {N})?)",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"[ \t]{0,4}(?:\*\*|#)?([0-9]{1,3})[.):]")
NUM = r"(?P<{}>[-−+–]?[0-9]{{1,5}}(?:\.[0-9]{{1,8}})?)"
MODEL = re.compile(
    r"\b(?:predict|model|calculat|expect|simulat|should|would|theor|thin-film interference|"
    r"transfer-matrix)",
    re.I,
)
SEEN = re.compile(
    r"\b(?:measur|observ|seen|image|camera|picture|record|sensor|micrograph|deviation|discrepancy)",
    re.I,
)
RGB_LIST = re.compile(
    rf"{NUM.format('r')} ?%?,? (?:and )?{NUM.format('g')} ?%?,? (?:and )?{NUM.format('b')} ?% "
    r"(?:in|for) \(?(?:the )?(?:red|R)\W{1,3}(?:green|G)\W{1,3}(?:and )?(?:blue|B)\b"
)
PER_CHANNEL = re.compile(
    rf"{NUM.format('before')} ?% (?:(?:in|for) (?:the )?|\()(?P<name>red|green|blue|R|G|B)\b"
    rf"|\b(?P<name2>red|green|blue|R|G|B):? {NUM.format('after')} ?%"
)
DELTA_E = re.compile(
    rf"(?:ΔE|delta[- ]?E)(?:\*|_?76|_?ab)?[ ]{{0,2}}(?:=|of|is|:|≈|about)?[ ]{{0,2}}"
    rf"{NUM.format('v')}"
    rf"|{NUM.format('w')} ΔE units",
    re.IGNORECASE,
)
DELTA_E_RANGE = re.compile(
    rf"ΔE (?:from|between|is between|ranges from) {NUM.format('low')} (?:to|and) "
    rf"{NUM.format('high')}"
)
LIGHTNESS = re.compile(
    rf"(?P<way>rises|increases|goes up|falls|drops|decreases|goes down) by {NUM.format('v')} L\*"
)
SIMPLE = {
    "visibility": re.compile(
        rf"{NUM.format('v')} times the (?:\w{{1,12}} )?noise"
        rf"|noise ratio (?:of|is) {NUM.format('w')}",
        re.IGNORECASE,
    ),
    "agreement": re.compile(rf"{NUM.format('v')} percentage points?"),
    "area": re.compile(
        rf"{NUM.format('v')} ?% of (?:the )?(?:image|frame|picture|field)", re.IGNORECASE
    ),
    "oxide thickness": re.compile(
        rf"{NUM.format('v')} ?nm(?:[ -]thick)?(?: of)? "
        r"(?P<name>SiO2|Al2O3|sapphire|oxide|quartz|hBN|[A-Z]\w{1,7})",
    ),
    "magnification": re.compile(rf"(?<![\w.]){NUM.format('v')} ?[×x](?!\w)"),
}
TONE = re.compile(
    r"(?P<how>slightly |a little |faintly |much |far |markedly |\b)"
    r"(?P<tone>darker|dimmer|brighter|lighter)\b",
    re.IGNORECASE,
)
HUE = re.compile(
    r"\btowards? (?:the )?(?P<hue>red|orange|yellow|green|cyan|blue-green|blue|violet|purple|"
    r"magenta|pink)",
    re.IGNORECASE,
)
SAME_HUE = re.compile(r"hue almost unchanged|(?:hardly any|without a clear|no clear) shift of hue")
EDGE = re.compile(
    r"(?P<clear>easy to follow|clearly visible|well defined|plainly visible|unmistakable|is sharp|"
    r"plain to see)|(?P<unclear>hard to follow|weakly visible|poorly defined|easily overlooked|"
    r"easily lost|which is weak)",
    re.IGNORECASE,
)
CHANNEL = re.compile(
    r"(?:strongest|largest|most marked|most pronounced|greatest) in "
    r"(?:the )?(?P<name>red|green|blue)"
    r"|the (?P<name2>red|green|blue) channel (?:that )?(?:chang|most|standing|carr|"
    r"is affected most|tells most)",
    re.IGNORECASE,
)
SATURATED = re.compile(
    r"(?P<names>(?:red|green|blue)(?:, (?:red|green|blue)){0,2}(?: and (?:red|green|blue))?) "
    r"channels?(?: of [^.;]{1,40})?(?: (?:is|are|lies?) (?:at the camera's limit|saturated)| of the"
    r" camera)",
    re.IGNORECASE,
)
PLACE = re.compile(
    r"\b(?P<row>upper|top|middle|central|lower|bottom)[ -]"
    r"(?P<column>left|middle|right|centre|center)\b"
    r"|in the (?P<middle>centre|center)\b",
    re.IGNORECASE,
)
SPAN = re.compile(rf"\b(?P<low>{NUMBER}) (?:to|–|or) (?P<high>{NUMBER}) layers\b", re.IGNORECASE)
SIGMA = re.compile(rf"{NUM.format('v')} ?(?:σ|sigmas?\b|standard deviations?)")
SAME_LOOK = re.compile(r"would look the same|indistinguishable|cannot be told apart", re.I)
BORDER = re.compile(
    r"\b(?:borders?|adjoins?|touch(?:es)?|meets?|shares? an edge|"
    r"(?:passes|goes over|continues) into)\b",
    re.IGNORECASE,
)
ALONE = re.compile(
    r"no other flake (?:touch|border|adjoin|meet)|(?:stands?|lies?|is|sits?) alone\b|\bisolated\b",
    re.I,
)
RELATION = re.compile(r"\b(?P<way>left of|right of|above|below)\b", re.IGNORECASE)
POOR_FIT = re.compile(r"\bfits?\b[^.;]{0,30} poorly", re.IGNORECASE)
UNSETTLED = re.compile(r"contrast(?: alone)? (?:cannot|does not) settle", re.IGNORECASE)
CLASS_SETTLED = re.compile(
    r"in (?:any|either) case|either way|same (?:comparison|test|way|grounds|measure)|likewise|"
    r"similarly",
    re.I,
)
RIVAL = re.compile(
    r"(?:about|nearly) as well|not tell the two apart|too close to tell|is not excluded", re.I
)
BARE_FITS = re.compile(r"bare substrate (?:would fit|fits)\b", re.IGNORECASE)
ONLY_FIT = re.compile(r"no other (?:layer )?count(?: up to [0-9]{1,4} layers)? fits", re.IGNORECASE)
CUT = re.compile(r"\bis cut by the|(?:border|edge) of the image cuts|image border cuts", re.I)
# Hypotheses beside those that are held: another material, another oxide.
OTHER_MATERIAL = re.compile(
    rf"\b(?P<count>{NUMBER}) layers? of (?P<name>[A-Za-z0-9]{{2,8}})\b(?=(?P<rest>[^.;:]{{0,80}}?)"
    rf"{NUM.format('v')} σ)",
    re.IGNORECASE,
)
CLOSEST = re.compile(r"\b(?:closest|nearest)\b")
OTHER_OXIDE = re.compile(
    rf"{NUM.format('d')} nm (?:instead|in its place)\b(?P<rest>[^.;:]{{0,80}}?) {NUM.format('v')} σ"
)
STEP = re.compile(r"\bfrom $", re.IGNORECASE)
PREPOSITION = re.compile(r"\b(?:for|of|with|in|from|than|to|at)(?: an?)? $", re.IGNORECASE)
COPULA = re.compile(r"\b(?:being|is|are|as)(?: an?)? $", re.IGNORECASE)
EXISTS = re.compile(
    rf"\bat least (?P<number>{NUMBER})\b|\bcontains an? |\bholds an? |\bthere is an? ",
    re.IGNORECASE,
)
THINNEST = re.compile(r"\b(?P<way>thinnest|thickest)\b(?! first)", re.IGNORECASE)
