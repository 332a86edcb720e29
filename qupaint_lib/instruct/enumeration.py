"""What is listed, and how groups and settings are put, in how many ways; see `phrases`."""

from __future__ import annotations

HEADER = (
    "Candidates:",
    "[Visible|Recognisable|Distinct|Detected|Noticeable] "
    "[regions|flakes|candidates|plateaus|areas][| in the image| in this frame| in the field of "
    "view| on this wafer]:",
    "[Regions|Flakes|Candidates|Areas|Plateaus] [that differ from the substrate|that stand out|of "
    "even colour|seen in the image|in the field of view|with a colour of their own|told from the "
    "substrate by eye|that break the even background]:",
    "[These|The following] [regions|areas|plateaus|patches] [stand out|differ from the "
    "substrate|can be told from the substrate|catch the eye|are not substrate|have a colour of "
    "their own|break the even background]:",
    "[Looking over|Scanning|Going through|Searching|Surveying|Inspecting] the [image|frame|field "
    "of view|micrograph], [these|the following] [regions|areas|candidates|plateaus|patches] [come "
    "up|appear|are noticed|come into view|turn up]:",
    "[What|Everything that] [stands out|differs from the substrate|can be seen|is not "
    "substrate|has a colour of its own] [in the image|here|at first sight|in this frame|on this "
    "wafer]:",
)
CANDIDATE = (
    "in the {place}, {area}% of the [image|frame|field of view]{tone}",
    "{place} of the [image|field of view|frame|picture], [covering|filling|taking up|amounting to] "
    "{area}% of the [image|frame|field]{tone}",
    "[a|an even|a uniform|a distinct|a separate] [region|patch|plateau|spot|piece] of {area}% of "
    "the [image|field of view|frame] in "
    "the {place}{tone}",
    "[seen|found|located|lying] in the {place}, {area}% of the [field of view|image|frame]{tone}",
    "[towards|at|near] the {place}, [spanning|extending over|occupying] {area}% of the [field of "
    "view|image|frame]{tone}",
    "{area}% of the [image|frame|field of view], [in the|situated in the|lying in the|sitting in "
    "the] {place}{tone}",
    "a [flake|piece|plateau|region|shape] [occupying|covering|filling|spanning] {area}% of the "
    "[image|frame|field of view], [in the|situated in the|at the] {place}{tone}",
)
CANDIDATE_TONE = (
    ", {tone} than {sub}",
    " and {tone} than {sub}{hue}",
    ", [looking|appearing|coming out] {tone} than {sub}{hue}",
    ", [standing out|set off|visible|recognisable|noticeable|distinguishable] as {tone} than {sub}",
    "; {tone} than {sub}{hue}",
    ", {tone} than {sub}{hue}",
)
CANDIDATE_HUE = (
    ", [shifted|turned|tinted] towards {hue}",
    " and [shifted|turned|leaning] towards {hue}",
    ", [drifting|moved|leaning] towards {hue}",
)
GROUP = (
    "{flakes} [are|count as|are classed as|are read as|rank as|pass for|qualify as] {kind} "
    "flakes[| on the same [evidence|grounds|basis]| by the same "
    "[signs|measure|reasoning|token]]{span}",
    "[of the others|beyond these|in addition|besides|apart from these|for the "
    "rest|furthermore|moreover|by the same reasoning], {flakes} [are|count as|are classed as|rank "
    "as|are taken as] {kind} flakes{span}",
    "{flakes} [turn out to be|are found to be|prove to be|are judged to be|can be called|are seen "
    "to be] {kind} flakes[| on the same evidence| by the same signs| by the same measure]{span}",
    "[by the same signs|on the same evidence|in the same way|on the same grounds|judged alike], "
    "{flakes} [are|appear to be|are found to be] {kind} flakes{span}",
    "{flakes} [belong to|fall into|go into|are sorted into|are put into|end up in] the {kind} "
    "class[| on the same evidence| by the same signs]{span}",
    "[the {kind} class|the class of {kind} flakes] [also holds|also takes in|further "
    "includes|also includes] {flakes}{span}",
)
GROUP_ONE = (
    "{flakes} [is|counts as|is classed as|is read as|ranks as|passes for] {a}[| on the same "
    "evidence| by the same signs| by its colour]",
    "[besides|in addition|of the others|beyond this|apart from these|for the "
    "rest|furthermore|moreover], {flakes} [is|counts as|is classed as|ranks as|is judged to be] "
    "{a}",
    "[as to the rest|in the same way|on the same grounds|judged alike], {flakes} [is|appears to "
    "be|is taken as] {a}",
    "{flakes} [turns out to be|is found to be|proves to be|can be called|is seen to be] {a}[| by "
    "the same measure]",
)
SPAN = (
    ", of {low} to {high} layers",
    ", [ranging from|running from] {low} to {high} layers",
    " ({low} to {high} layers)",
)
SETTING = (
    "the [flakes are|sample is|material is] {material} on {oxide}{magnification}",
    "[this is|the image shows|we see|the micrograph shows] {material} on {oxide}{magnification}",
    "[{material} lies on|{material} was placed on|the wafer carries {material} on] "
    "{oxide}{magnification}",
    "[under the lens|on the wafer|before us] [is|lies] {material} on {oxide}{magnification}",
)
