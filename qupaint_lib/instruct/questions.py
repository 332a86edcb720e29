"""What is asked, in how many ways; the first of each task is the release's or the paper's own."""

from __future__ import annotations

from qupaint_lib.instruct.grammar import Questions

IMAGE = "[in the image|in this image|in the micrograph|in this picture|in the field of view]"

COUNT = Questions(
    (
        "How many material flakes are there in the image?",
        f"How many flakes [are there|can be seen|are visible|do you see|can you count] {IMAGE}?",
        f"[Count|Please count] [all flakes|the flakes|every flake] {IMAGE}.",
        f"What is the [total number|number] of flakes {IMAGE}?",
        "[Give|State|Report] the number of [flakes|flakes you see|flakes present], [by class|one "
        "class at a time|with their classes].",
    )
)
COUNT_CLASS = Questions(
    (
        "How many {kind} flakes are in the image?",
        f"How many {{kind}} flakes [are there|can be seen|are visible|do you find] {IMAGE}?",
        f"[Count|Please count] the {{kind}} flakes {IMAGE}.",
        f"What is the number of {{kind}} flakes {IMAGE}?",
        "[Tell me|Say] how many of the flakes are {kind} flakes.",
    )
)
LOCALISE = Questions(
    (
        "Identify all flakes and provide bounding boxes {xywh} for each",
        f"[Locate|Find|Mark|Detect] [all flakes|every flake] {IMAGE} and give [their boxes|a box "
        "for each|bounding boxes with their layer counts].",
        f"Where are the flakes {IMAGE}?",
        f"[List|Report] [all|the] flakes {IMAGE} with [their boxes and layer counts|box and "
        "thickness class|boxes and classes].",
    )
)
LOCALISE_MONO = Questions(
    (
        "Identify monolayer candidates and provide bounding boxes {xywh}",
        "Locate the monolayer flakes",
        f"[Find|Mark|Locate|Detect] [all monolayers|every monolayer|the monolayers] {IMAGE}.",
        f"Where are [monolayers|the monolayers|monolayer flakes] {IMAGE}?",
        "Which [regions|areas|flakes] are [monolayers|one layer thick]? Give [their boxes|boxes].",
    )
)
LOCALISE_CLASS = Questions(
    (
        "Locate the {kind} flakes",
        f"[Find|Mark|Locate|Detect] [all|the] {{kind}} flakes {IMAGE}.",
        f"Where are the {{kind}} flakes {IMAGE}?",
        "[Give|Report|List] [boxes|bounding boxes] of [all|the] {kind} flakes.",
    )
)
REFER = Questions(
    (
        "Where is {expression}?",
        "[Locate|Find|Mark|Box] {expression}.",
        "[Give|Provide|Report] the [bounding box|box] of {expression}.",
        "Point out {expression}[| and give its box| with its box].",
    )
)
EXISTS = Questions(
    (
        "Does this sample contain {a}?",
        f"Is there [{{a}}|{{a}} anywhere] {IMAGE}?",
        "[Can you see|Do you find] {a} [in it|in this image|in this sample]?",
        "Does [the image|this image|the micrograph] [show|contain|hold] {a}?",
    )
)
IS_IT = Questions(
    (
        "Is the flake at {box} {a}?",
        "[Look at|Consider] {box}: is [it|this|this flake] {a}?",
        "[Would you call|Do you consider] the [region|flake at] {box} {a}?",
        "Does {box} [hold|contain|show] {a}?",
    )
)
LAYERS = Questions(
    (
        "How many layers does the flake at {box} have?",
        "[Tell me|Determine|Estimate|State] the layer count of the flake at {box}.",
        "What is the layer count of the flake at {box}?",
        "[How thick|How many layers thick] is the [region|flake at|area] {box}?",
        "[Look at|Consider] the flake at {box}. How many layers [has it|does it have]?",
    )
)
TERRACES = Questions(
    (
        "Which terraces does the crystal at {box} have?",
        "Does the flake at {box} belong to a crystal with [terraces|several terraces]? [List|"
        "Describe] them.",
        "[Describe|List|Report] the terraces of the crystal that [includes|contains|holds] {box}.",
        "[How does|In which steps does] the thickness change across the crystal at {box}?",
    )
)
CONTRAST = Questions(
    (
        "Describe the optical contrast of the flakes relative to the substrate",
        "[How do|In what way do] the flakes differ from the substrate [in colour|optically|in "
        "light]?",
        "[Describe|Explain] the [optical contrast|contrast|colour contrast] [of|seen for] the "
        f"flakes {IMAGE}[|, channel by channel].",
        f"What is the [optical contrast|contrast] of the flakes {IMAGE}?",
        "[How visible|How well visible] are the flakes against the substrate, and why?",
    )
)
MATERIAL = Questions(
    (
        "Which material are these flakes?",
        f"[What|Which] material [is|do you see|has been exfoliated] {IMAGE}?",
        "[Name|Identify|State] the material of the flakes.",
        "What are the flakes made of?",
    )
)
SUBSTRATE = Questions(
    (
        "What substrate do the flakes lie on?",
        "[Which|What] [substrate|wafer|stack] [is under|carries|lies under] the flakes?",
        "[Describe|Name|State] the substrate[| under the flakes| and its oxide| and the oxide "
        "thickness].",
        "How thick is the oxide [on the wafer|under the flakes], and what is it made of?",
    )
)
WHICH_MONO = Questions(
    (
        "Which of them are monolayers?",
        "[And which|Which] [of these|of them|among them] are monolayers?",
        "Are any of them monolayers? Give [boxes|their boxes].",
    )
)
WHY = Questions(
    (
        "How can you tell the layer count of {noun} {number}?",
        "Why is {noun} {number} {a}?",
        "How do you know that {noun} {number} is {a}?",
        "[Explain|Justify] the layer count of {noun} {number}.",
        "What is the evidence for {noun} {number}?",
    )
)
# Conclusions. The first line ends in a colon where boxes follow.
TOTAL = (
    "[There are|The image shows|In total there are|The image holds|We count|Altogether we count|"
    "All told, there are|The frame contains|In all, we find|The field of view holds] "
    "{parts}.",
    "{parts} [are visible|are present|can be seen|are found][| in this image| in the micrograph].",
)
TOTAL_ONE = (
    "[There is|The image shows|In total there is|The image holds|The frame contains|We find] "
    "{parts}.",
    "{parts} [is visible|is present|can be seen|is found][| in this image| in the micrograph].",
)
LISTED = (
    "[All {count} are listed|All {count} follow|{count} are found|{count} are located][|, largest "
    "first]:",
    "[We find|The image holds|There are|We list] {count}[|, listed by size|, largest first]:",
)
LISTED_TWO = (
    "[{count} are found|{count} are located|{count} follow][|, largest first]:",
    "[We find|The image holds|There are|We list] {count}[|, largest first]:",
)
LISTED_ONE = (
    "[{count} is found|{count} is located|{count} is present]:",
    "[We find|The image holds|There is] {count}:",
)
LARGEST = (
    "[There are {count}; the|Of {count}, the|Among {count}, the] {k} largest of them [are "
    "listed|follow]:",
    "The {k} largest of {the_count} [are listed|follow|are given]:",
)
NONE = (
    "[There is no|The image shows no|We find no|The image holds no] {one}.",
    "No {one} is [present|found|visible|seen][| in this image| here].",
)
YES_EXISTS = (
    "Yes, [the image contains|there is|the sample contains|the image holds] at least one {one}:",
)
NO_EXISTS = (
    "No, [there is no {one}|the image holds no {one}|the sample contains no {one}].",
    "No, no {one} is [present|found|visible].",
)
YES_IS = (
    "Yes, [the flake|it|this flake] is {a}:",
    "Yes, this is {a}:",
)
YES_IS_OPEN = ("Yes, [the flake|it|this flake] [counts|is taken|is classed] as {a}:",)
NO_IS = (
    "No, [the flake|it|this flake] is not {a} but {true}:",
    "No, [the flake|it|this flake] is {true}, not {a}:",
)
NO_IS_OPEN = ("No, [the flake|it|this flake] is [taken|classed] as {true}, not {a}:",)
HAS_LAYERS = (
    "[The flake|This flake|It] has {n}:",
    "[The flake|This flake|It] [is|is found to be] {a}:",
)
HAS_LAYERS_OPEN = (  # where the light leaves the count open
    "[The flake|This flake|It] is taken to have {n}:",
    "[The flake|This flake|It] is taken as {a}:",
)
IS_CLASS = ("[The flake|This flake|It] is {a}, its exact layer count unknown:",)
HAS_TERRACES = (
    "[The crystal|This crystal] shows {k} terraces[|, thinnest first]:",
    "{k} terraces of the crystal are in view[|, thinnest first]:",
)
ONE_TERRACE = (
    "[The crystal|It] shows one terrace[| only]:",
    "Only one terrace of the crystal is in view:",
)
FOUND = (
    "[This is the flake in question|This is the flake meant|It is this one|This one fits the "
    "description|The box is this|It lies here|The description fits this flake|It is found here]:",
    "[The flake in question|The one described] is this:",
)
RANGE = (
    "[Against|Relative to] the substrate, the flakes [range|run] over ΔE from {low} to {high}.",
    "The flakes differ from the substrate by ΔE from {low} to {high}.",
)
RANGE_ONE = (
    "The flake differs from the substrate by ΔE = {low}.",
    "[Against|Relative to] the substrate, the flake [has|shows] ΔE = {low}.",
)
RANGE_KNOWN = (  # where not every flake could be measured
    "Not every flake could be measured; this one differs from the substrate by ΔE = {de}:",
    "This flake differs from the substrate by ΔE = {de}; not [all|every one] could be measured:",
)
RANGE_TONE = (
    "All flakes are {tone} than the substrate, with ΔE from {low} to {high}.",
    "All flakes [are|appear|look] {tone} than the substrate; ΔE is between {low} and {high}.",
)
ALL_TONE = ("All flakes [are|appear|look] {tone} than the substrate.",)
MATERIAL_IS = (
    "The flakes are {material}.",
    "[The material is|These are flakes of|The flakes consist of] {material}.",
)
MATERIAL_TAKEN = (  # where the light leaves the material open
    "The flakes are taken as {material}.",
    "The [stated material|material as stated] is {material}.",
    "{material}, as stated; the light does not settle the material.",
)
SUBSTRATE_IS = (
    "The flakes lie on {oxide}.",
    "[The substrate is|The wafer carries|The stack is|The flakes rest on] {oxide}.",
)
SUBSTRATE_TAKEN = (  # where the light does not fix the oxide
    "The [stated substrate|substrate as stated] is {oxide}.",
    "The flakes lie on {oxide}, as stated; the light alone does not fix the stack.",
)
THIN = (
    "the thinnest flake[| in the image] is {f}, with {n}",
    "{f} is the thinnest, with {n}",
)
THIN_OPEN = (
    "the thinnest flake[| in the image], {f}, is taken to have {n}",
    "{f} is taken as the thinnest, with {n}",
)
BESIDE = (
    "{f} lies {relation} {g}[| in the image| in the picture]",
    "[as asked|as described], {f} [lies|sits|is] {relation} {g}",
)
EMPTY = (
    "No region has the even colour and the outline of a flake.",
    "Nothing in the image [has|shows] the even colour of a flake.",
    "No region [stands out|differs from the substrate] as a flake would.",
)
EMPTY_DEBRIS = (  # where residue, dirt or an edge of the wafer is known to be there
    "What breaks the background is residue or dirt; no region has the even colour of a flake.",
    "[Residue and dirt|Marks and dirt] [are there|may catch the eye], but no region has the even "
    "colour of a flake.",
)
