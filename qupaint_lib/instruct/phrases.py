"""What is said of a flake, in how many ways. The first of everything is the plain way.

Fields: ``{f}`` the flake, ``{fs}`` its possessive, the rest as `evidence` and `describe` fill them.
Every sentence is written so that `statements` reads back what it states, whichever words are taken.
"""

SUBSTRATE = (
    "the [[bare|plain|exposed|uncovered|surrounding|adjacent|neighbouring|nearby] "
    "[substrate|surface|background]|substrate|[substrate|surface|background] [nearby|around "
    "it|beside it|next to it|just outside it|in its vicinity|right beside it|all around "
    "it|outside its edge]]"
)
OPENING = "[for|as for]"
CONTRAST = (
    "{f} [shows|has|displays|exhibits|presents|gives] a [|measured |mean |local |net ]contrast of "
    "{c} "
    "[against|relative to|with respect to|compared with|versus|over] {sub}{tail}",
    "[against|relative to|compared with|seen against|taken against] {sub}, [the light from {f} "
    "[changes|differs|deviates]|{fs} [light|signal|reflection|intensity] "
    "[changes|differs|departs|deviates|"
    "is off|is altered]|{f} [differs|deviates]] by {c}{tail}",
    "{fs} [|measured |mean |linear ]contrast [against|to|relative to] {sub} [is|amounts to|comes "
    "to|works out at|reads] {c}{tail}",
    "[averaged over|measured in|taken from|evaluated in|read in] its [interior|middle|central part|"
    "inner area|core], {f} [differs|deviates|departs] from {sub} by {c}{tail}",
    "{f} [reflects|returns|sends back|gives back] light that "
    "[differs|deviates|departs] from that of {sub} by "
    "{c}{tail}",
    "[in the image|on the camera|in linear light|channel by channel|in numbers|pixels averaged|as "
    "recorded], {f} [differs|deviates|departs|is off|stands apart|is set off] from {sub} by "
    "{c}{tail}",
    "[a|a mean|a net|a local] contrast of {c} [against|relative to|to] {sub} is [measured|found|"
    "seen|recorded|read off] [for|on|over] {f}{tail}",
    "the [camera|sensor|image|micrograph|detector] [records|shows|registers] {f} [at|with] {c} "
    "[relative to|against|compared with|with respect to] {sub}{tail}",
    "[for|over|across|within] {f}, the [light|signal|reflected light|intensity] [changes|differs|"
    "departs|shifts] by {c} [against|relative to|compared with|with respect to] {sub}{tail}",
    "the [light|signal|intensity|reflection] [of|from] {f} [is changed|differs|deviates|is "
    "altered] "
    "by {c} [against|from that of|relative to] {sub}{tail}",
    "[measuring|reading|averaging] {f} [gives|yields] {c} [against|relative to|with respect to] "
    "{sub}{tail}",
    "[once averaged|after averaging|with the edges left out], {fs} pixels [differ|"
    "deviate|depart] by {c} from {sub}{tail}",
    "[comparing {f} with|setting {f} against] {sub} [gives|yields|leaves|shows] {c}{tail}",
    "[there is|one finds|one reads] a [contrast|difference in light] of {c} between {f} and "
    "{sub}{tail}",
    "[well inside|away from|clear of|inside] its [edges|edge|outline|rim], {f} [differs|deviates|"
    "departs] from {sub} by {c}{tail}",
    "between {f} and {sub} [there is|lies|one measures] a [|mean |measured ]contrast of {c}{tail}",
    "{fs} light ratio to {sub}, less one, [is|comes to|amounts to] {c}{tail}",
    "{fs} contrast, [taken|measured|read] against {sub}, [is|reads|comes to|amounts to] {c}{tail}",
    "[where it is flat|over its flat part|across its middle|on its plateau], {f} [differs|deviates|"
    "departs] by {c} from {sub}{tail}",
)
CHANNEL_TAIL = (
    ", [strongest|largest|most marked|most pronounced] in [the {channel} channel|{channel}|the "
    "{channel}]",
    ", with the {channel} channel [changing most|most affected]",
    ", and the {channel} channel changes most",
)
PREDICTION = (
    "the [|optical |thin-film |stack |interference |multilayer ][model|calculation] "
    "[predicts|gives|"
    "expects|yields|returns] {p} for {n}[| on this stack| on this wafer| here]{agree}",
    "for {n}, [the [|optical |thin-film ]model [predicts|gives|expects|yields]|thin-film "
    "interference predicts|the calculated contrast is|a transfer-matrix calculation [gives|yields]|"
    "a contrast is expected of] {p}{agree}",
    "{n} should [show|have|give|produce|reach] {p} [on this stack|on this wafer|by calculation|"
    "according to the optical model|in the optical model|by thin-film interference]{agree}",
    "the [contrast|change|value|signal] [calculated|predicted|expected|modelled] for {n} [is|comes "
    "to|amounts to|works out at] {p}{agree}",
    "thin-film interference in {n} [is predicted|is calculated|is expected] to [change the light "
    "by|give|produce|result in] {p}{agree}",
    "[theory|a transfer-matrix calculation|a thin-film calculation|a calculation of the stack] "
    "[gives|predicts|arrives at|leads to|yields] {p} for {n}{agree}",
    "[calculated|predicted|expected] for {n} [on this stack|on this wafer|on this "
    "substrate] is {p}{agree}",
    "[multiple reflections in|the reflections in] {n} [are predicted|are calculated|are expected] "
    "to [change the light by|result in|give] {p}{agree}",
    "with {n} in the [optical model|calculation|model], [the contrast|the change] is {p}{agree}",
    "the [simulated|modelled|calculated|theoretical] [spectrum|reflection|signal|light] of {n} "
    "[is|comes to|amounts "
    "to] {p}{agree}",
    "[physically|in theory|by theory], {n} should [come to|lie at|reach|stand at|produce] "
    "{p}{agree}",
    "{n} [would|should] [alter|change|shift|modify] the light by {p}, [according to|in] the model"
    "{agree}",
)
AGREEMENT = (
    ", within {d} percentage points of [the [measurement|measured [values|light|contrast]|image|"
    "observed [values|light|contrast]]|what is measured]",
    ", [at most|no more than|never more than] {d} percentage points from [the measurement|"
    "the measured values|the image|what is seen]",
    "; the [largest|greatest|worst] [deviation|discrepancy|difference] [|in any channel |among the "
    "channels ]is {d} percentage points",
)
DELTA_E = (
    "the [|visible |overall |perceived |total ]colour difference [to|from|against] {sub} [is|comes "
    "to|amounts to|reaches] ΔE = {de}{predicted}",
    "{f} [stands|lies|is] ΔE = {de} [from|away from|off] {sub}[| in CIELAB| in colour]{predicted}",
    "in [CIELAB|colour|Lab colour|L*a*b* space], {f} [differs|is removed|is] from {sub} by ΔE = "
    "{de}{predicted}",
    "a [|measured |visible ][colour difference of ΔE = {de}|ΔE of {de}|colour distance of ΔE = "
    "{de}] "
    "lies between {f} and {sub}{predicted}",
    "{fs} colour [differs|deviates|departs] from that of {sub} by ΔE = {de}{predicted}",
    "[as one number|taken together|all channels together], {f} differs from {sub} by ΔE = {de}"
    "{predicted}",
    "{f} has a [colour|visible] [distance|difference] of ΔE = {de} to {sub}{predicted}",
    "ΔE = {de} [lies between|is found between|is measured between] {f} and {sub}{predicted}",
    "[perceptually|in perceived colour|for an observer], {f} is ΔE = {de} [from|off|away from] "
    "{sub}{predicted}",
)
DELTA_E_PREDICTED = (
    ", [where|while] the [|optical |thin-film ][model|calculation] [predicts|expects|gives|has] "
    "ΔE = "
    "{pde} for {n}",
    "; for {n} the model [predicts|gives|expects|has] ΔE = {pde}",
    ", [against|beside|compared with] a [predicted|calculated|modelled] ΔE of {pde} for {n}",
)
SHIFT = (
    "{f} [appears|looks|is|shows up] {tone} than {sub}, with a [shift|tint|turn] towards {hue}",
    "{f} is {tone} than {sub} and [shifted|tinted|turned] towards {hue}",
    "[to the eye|by eye|on the screen|at a glance|visually], {f} is {tone} than {sub} and [shifted|"
    "tinted|turned] towards {hue}",
    "{fs} [colour|tint|shade] [shifts|is shifted|turns|leans] towards {hue}, and it is {tone} than "
    "{sub}",
    "[beside|next to|against|compared with] {sub}, {f} [looks|appears|is] {tone} and [shifted|"
    "tinted|turned] towards {hue}",
    "[in colour|as to colour], {f} [shifts|turns|leans] towards {hue} and [is|appears|looks|comes "
    "out] {tone} than {sub}",
    "{f} [stands out|can be told|is noticed] as {tone} than {sub}, its [colour|tint|hue] [shifted|"
    "turned|drawn] towards {hue}",
    "a [shift|turn|drift|tint] towards {hue} [goes with|marks|is seen on|is visible on] {f}, "
    "{tone} "
    "than {sub}",
)
SHIFT_GREY = (
    "{f} [appears|looks|is|shows up] {tone} than {sub}, [with hardly any shift of hue|without a "
    "clear shift of hue|its hue almost unchanged]",
    "[to the eye|by eye|visually], {f} is {tone} than {sub}, [its hue almost unchanged|with hardly "
    "any shift of hue|without a clear shift of hue]",
)
LIGHTNESS = (
    "[its|the] lightness {moves} by {dl} L* units",
    "{fs} lightness {moves} by {dl} L* [units|steps][| against {sub}| relative to {sub}| compared "
    "with {sub}]",
    "[from|going from|crossing from] {sub} to {f}, lightness {moves} by {dl} L* units",
    "in lightness, {f} {moves} by {dl} L* units",
)
SATURATED = (
    "{f} [saturates|overexposes|clips] the {channels} of the camera, so [its [true |]contrast "
    "cannot "
    "be [read|known|measured] there|only a lower bound of its contrast is known]",
    "{fs} {channels} {lies} at the camera's limit, [so its contrast cannot be read there|so only "
    "a lower bound of its contrast is known|which hides its true contrast|so its true contrast is "
    "not known]",
)
VISIBILITY = (
    "the [step|jump|change] at [its|the] [edge|rim|outline|border] [is|measures|reaches|comes to] "
    "{v} times the [noise|pixel noise|camera noise|noise of a pixel][, {verdict}|]",
    "{fs} [edge|outline|rim|border] [is|makes] a [step|jump] of {v} times the [noise|"
    "pixel noise|camera noise|noise of a pixel][, {verdict}|]",
    "at {v} times the [noise|pixel noise|camera noise], {fs} [edge|outline|rim|border] is {clear}",
)
CLEAR = "[easy to follow|clearly visible|well defined]"
UNCLEAR = "[hard to follow|only weakly visible|poorly defined]"
CLEAR_CLAUSE = "[clearly visible|easy to follow|so the outline is well defined]"
UNCLEAR_CLAUSE = "[hard to follow|so the outline is easily lost|only weakly visible]"
PLACE = (
    "{f} [lies|is] in the {place} of the [image|frame|field of view] and [covers|fills|takes up] "
    "{area}% of the [image|frame|field of view]",
    "in the {place} of the [image|frame|field of view], {f} [covers|fills|takes up] {area}% of the "
    "[image|frame|field of view]",
    "[with|covering|filling] {area}% of the [image|frame|field of view], {f} [lies|is] in the "
    "{place}",
)
TONE = (
    "{f} [looks|appears|is] {tone} than [its surroundings|the background|the area around it]",
    "[next to|beside|compared with] [its surroundings|the background|the area around it], {f} "
    "[is|looks|appears] {tone}",
)
BORDER = (
    "{f} [borders|adjoins|touches|meets] {g}[, a step| across a step|, with a step] from {a} to "
    "{b}",
    "[on one side|along one edge|along one side|at its edge], {f} [borders|adjoins|meets|touches] "
    "{g}, where the thickness [steps|goes|changes] from {a} to {b}",
    "{f} shares an edge with {g}, [a step|with a step|the thickness going|the thickness changing] "
    "from {a} to {b}",
)
ALONE = (
    "no other flake [touches|borders|adjoins] {f}[| on any side| anywhere| along its edge]",
    "{f} [stands|lies] alone[| in the {place} of the image| in the {place} of the frame]: no other "
    "flake [touches|borders|adjoins] it",
)
CUT = (
    "the [border of the image|image border|edge of the image] cuts {f}[|, so part of it may be "
    "missing|, so its full size is not known]",
    "{f} is cut by the [border of the image|image border|edge of the image]",
)
TONES = {
    ("darker", "faint"): "[slightly darker|a little darker|faintly darker|slightly dimmer]",
    (
        "darker",
        "moderate",
    ): "[darker|clearly darker|visibly darker|noticeably darker|distinctly darker]",
    ("darker", "strong"): "[much darker|far darker|markedly darker|considerably darker]",
    ("brighter", "faint"): "[slightly brighter|a little brighter|slightly lighter]",
    (
        "brighter",
        "moderate",
    ): "[brighter|clearly brighter|visibly brighter|noticeably brighter|distinctly lighter]",
    (
        "brighter",
        "strong",
    ): "[much brighter|far brighter|markedly brighter|considerably brighter|much lighter]",
}
HUE_WORDS = {
    "red": "red",
    "orange": "orange",
    "yellow": "yellow",
    "green": "green",
    "cyan": "blue-green",
    "blue": "blue",
    "violet": "[violet|purple]",
    "magenta": "[magenta|pink]",
}
