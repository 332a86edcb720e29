"""What is listed, and how groups and settings are put, in how many ways; see `phrases`."""

from __future__ import annotations

HEADER = (
    "Candidates[| considered| examined| looked at| singled out| taken up][| here]:",
    "[Regions|Flakes|Areas] [considered|examined|looked at|inspected|singled out|taken up|picked "
    "out|discussed][| here| in this image| in this frame| below| first]:",
    "[Flakes|Regions|Areas|Candidates] that [matter here|were examined|were looked at|were "
    "inspected|are considered|bear on the question|are discussed|were picked out]:",
    "[Some of the|A selection of|A choice of|A few of the|Some] [flakes|regions that stand out|"
    "candidates|areas that differ]:",
    "[For this question|Here|In this image], [these|the following] [flakes|regions|candidates] "
    "[were examined|are considered|matter|were looked at]:",
    "[Flakes|Regions|Areas|Candidates] [of interest|in question|to be considered|worth a "
    "look|under "
    "consideration]:",
)
HEADER_ALL = (
    "Candidates[| in the image| in the field of view| in this frame| on this substrate]:",
    "[Flakes|Regions|Areas] [seen|found|visible|noticed|recognised] in [the image|this frame|the "
    "field of view|the micrograph]:",
    "[These|The following] [regions|flakes|areas|candidates] [stand out|differ] from the "
    "[substrate|background]:",
    "[Looking over|Scanning|Going through|Searching|Inspecting|Surveying] the [image|frame|field "
    "of "
    "view|micrograph], [these|the following] [regions|flakes|candidates] [stand out|appear|are "
    "found|come up|are noticed]:",
    "[Regions|Flakes|Areas] that [differ from the substrate|stand out|differ from the background|"
    "have a colour of their own]:",
)
CANDIDATE = (
    "[in the |at the |]{place}, {area}% of the [image|frame|field of view]{tone}",
    "{place}, [covering|filling|taking up|spanning|over] {area}% of the [image|field of view|frame]"
    "{tone}",
    "{area}% of the [image|frame|field of view], [in the|at the|lying in the] {place}{tone}",
    "[in the|at the|lying in the|found in the|seen in the] {place}, [covering|filling|taking up|"
    "spanning] {area}% of the [image|frame|field of view]{tone}",
    "[a|an even|a uniform|a distinct] [region|patch] of {area}% of the [image|frame|field of "
    "view] in the {place}{tone}",
)
CANDIDATE_SHORT = (
    "[in the |at the |]{place}{tone}",
    "[|lying |found |seen ]in the {place}{tone}",
    "[in the |]{place} of the [image|frame|field of view|micrograph]{tone}",
    "[a|an even|a uniform] [region|patch] in the {place}{tone}",
)
CANDIDATE_TONE = (
    ", {tone} than {sub}{hue}",
    "; {tone} than {sub}{hue}",
    ", {tone} than {sub}",
    ", [looking|appearing|visible as] {tone} than {sub}{hue}",
)
CANDIDATE_TONE_SHORT = (", {tone}{hue}", "; {tone}{hue}", ", {tone}")
CANDIDATE_HUE = (
    ", [shifted|tinted|turned] towards {hue}",
    " and [shifted|tinted|turned] towards {hue}",
    ", with a [shift|tint|turn] towards {hue}",
)
GROUP_SETTLED = (
    "[by|from|on] the same [comparison|test], {flakes} are {kind} flakes[| as well]{span}",
    "the same [comparison|test] [makes {flakes}|settles {flakes} as|identifies {flakes} as|shows "
    "{flakes} to be|marks {flakes} as] {kind} flakes{span}",
    "{flakes} [are|prove to be|turn out as|are found to be|come out as] {kind} flakes{span} "
    "[by|in] "
    "the same [comparison|test]",
    "[under|in] the same [comparison|test], {flakes} [prove to be|come out as|are seen to be|turn "
    "out to be] {kind} flakes{span}",
)
GROUP_ONE_SETTLED = (
    "[by|from|on] the same [comparison|test], {flakes} is {a}",
    "{flakes} [is|proves to be|is found to be|turns out to be|comes out as] {a} [by|in] the same "
    "[comparison|test]",
    "the same [comparison|test] [makes {flakes}|settles {flakes} as|identifies {flakes} as|marks "
    "{flakes} as|shows {flakes} to be] {a}",
)
GROUP_LIKEWISE = (  # after another group that the same comparison settled
    "[likewise|in the same way|similarly|by the same measure|on the same grounds], {flakes} [are|"
    "prove to be|turn out to be|are found to be] {kind} flakes{span}",
    "{flakes} [are|prove to be|turn out to be|are found to be] {kind} flakes{span} [likewise|in "
    "the "
    "same way|on the same grounds|by the same measure]",
)
GROUP_ONE_LIKEWISE = (
    "[likewise|in the same way|similarly|by the same measure|on the same grounds], {flakes} [is|"
    "proves to be|turns out to be|is found to be] {a}",
    "{flakes} [is|proves to be|turns out to be|is found to be] {a} [likewise|in the same way|on "
    "the "
    "same grounds|by the same measure]",
)
GROUP = (
    "{flakes} are [taken|listed|labelled|counted|recorded] as {kind} flakes{span}",
    "[of the others|besides|in addition|for the rest|without a closer look|beyond these|apart from "
    "these|as to the rest], {flakes} are [taken|listed|labelled|counted|recorded] as {kind} flakes"
    "{span}",
    "[we take|we count|we list|we label] {flakes} as {kind} flakes{span}",
    "{flakes} [count|are classed|are noted] as {kind} flakes{span}",
)
GROUP_ONE = (
    "{flakes} is [taken|listed|labelled|counted|recorded] as {a}",
    "[of the others|besides|in addition|for the rest|without a closer look|beyond these|apart from "
    "these|as to the rest], {flakes} is [taken|listed|labelled|counted|recorded] as {a}",
    "[we take|we count|we list|we label] {flakes} as {a}",
    "{flakes} [counts|is classed] as {a}",
)
SPAN = (
    ", of {low} to {high} layers",
    ", [ranging from|running from] {low} to {high} layers",
    " ({low} to {high} layers)",
)
SETTING = (
    "the [flakes are|sample is|material is] {material} on {oxide}{magnification}",
    "[this is|the image shows|the micrograph shows] {material} on {oxide}{magnification}",
    "[{material} lies on|{material} was exfoliated onto] {oxide}{magnification}",
)
