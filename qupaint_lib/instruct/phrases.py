"""What is said of a flake, in how many ways. The first of everything is the plain way.

Fields: ``{f}`` the flake, ``{fs}`` its possessive, the rest as `describe` fills them. Every
sentence is written so that `statements` reads back what it states, whichever words are taken.
"""

SUBSTRATE = (
    "the [[bare|clean|plain|empty|exposed|uncovered|free|neighbouring|adjacent|surrounding|"
    "nearby] [substrate|surface|support]|substrate|substrate [nearby|around it|beside it|close by]]"
)
OPENING = "[as for|as to|regarding|with|looking at|turning to|coming to|concerning|now for]"
CONTRAST = (
    "{f} [shows|has|displays|presents|exhibits|carries] [a contrast|a [measured|local|mean|linear|"
    "resulting|net] [contrast|difference|change of light|offset]] of {c} [against|relative to|"
    "with respect to|compared with] {sub}{tail}",
    "[relative to|compared with|taken against|seen against|beside] {sub}, [the light from {f} "
    "[changes|differs|deviates]|{fs} [signal|reflection|intensity] [differs|departs|is off|is "
    "altered]|{f} [differs|changes|deviates] in [light|intensity|reflection]] by {c}{tail}",
    "[in this image|on the camera|in the picture|as recorded|channel by channel|in linear light], "
    "{fs} [contrast|contrast to {sub}|contrast against {sub}|change of light|linear signal] [is|"
    "amounts to|comes to|reads|works out at|stands at|turns out as] {c}{tail}",
    "[averaged over|taken from|evaluated in|read within|sampled across] its [interior|middle|core|"
    "inner area|central part], {f} [differs|deviates|departs|is set off] from {sub} by {c}{tail}",
    "the [camera|sensor|image|micrograph|detector] [records|registers|holds|delivers|returns] {f} "
    "[at|with] {c} [relative to|against|compared with|beside|in relation to] {sub}{tail}",
    "[a contrast|a measured contrast|a mean contrast|a difference in light] of {c} [sets {f} "
    "apart from|separates {f} from|distinguishes {f} from|tells {f} from] {sub}{tail}",
    "[pixel by pixel|read off the middle of it|taken over its plateau|from its flat part], {fs} "
    "light [is changed|is altered|departs|differs] by {c} [as against|with regard to|from that "
    "of] {sub}{tail}",
    "[numerically|in numbers|quantitatively|put in figures], {f} [stands|lies|comes out|is found] "
    "at {c} [with regard to|against|relative to] {sub}{tail}",
    "{f} [returns|sends back|reflects|throws back] light that [differs|departs|deviates|is "
    "removed] from that of {sub} by {c}{tail}",
    "[dividing|normalising|scaling] [its light|its signal|its reflection|the light of {f}] by "
    "that of {sub} [gives|yields|leaves|results in] {c}{tail}",
    "[per channel|by channel|colour by colour|one channel at a time], {f} [is changed by|moves by|"
    "is altered by|differs by] {c} [over|against|compared to] {sub}{tail}",
    "[once|when] [averaged|smoothed|put together|taken as a whole], {fs} [pixels|codes|values] "
    "[stand|lie|end up|come to rest] at {c} [against|relative to|beside] {sub}{tail}",
)
CHANNEL_TAIL = (
    ", [strongest|largest|most marked|most pronounced] in [the {channel} channel|{channel}|the "
    "{channel}]",
    ", with the {channel} channel [changing most|most affected|standing out|carrying most of it]",
    ", and it is the {channel} channel that [changes most|is affected most|tells most]",
)
PREDICTION = (
    "the [optical|thin-film|transfer-matrix|multilayer|interference|stack] [model|calculation|"
    "prediction] [predicts|gives|expects|yields|has|returns] {p} for {n}[| on this stack| in this "
    "stack| under this light]{agree}",
    "[for|in the case of] {n}, [the optical model predicts|thin-film interference predicts|the "
    "calculated contrast is|the transfer-matrix calculation gives|the model's contrast is|a "
    "contrast is expected of] {p}{agree}",
    "{n} [should|would] [show|have|give|produce|display|reach|come out at|be found at] {p} "
    "[according to the optical model|in the optical model|by thin-film interference|by "
    "calculation]{agree}",
    "the [value|contrast|change|signal|light] [calculated|predicted|expected|modelled|worked out "
    "by the model] for {n} [is|comes to|amounts to|works out at|turns out as] {p}{agree}",
    "[thin-film interference in|the stack with|interference in the stack of] {n} [is calculated|"
    "is predicted|is expected] to [change the light by|give|produce|lead to] {p}{agree}",
    "[multiple reflections in|the reflections in|the films of a stack with] {n} [are predicted|"
    "are calculated|are expected] to [shift the light by|change the signal by|result in|amount "
    "to] {p}{agree}",
    "[theory|a transfer-matrix calculation|a thin-film calculation|a calculation of the stack] "
    "[leads to|arrives at|gives|comes to|produces|yields] {p} [in the case of|for] {n}{agree}",
    "[entering|inserting|putting] {n} [into|in] the [optical|thin-film|stack] [model|calculation] "
    "[returns|produces|gives|results in] {p}{agree}",
    "[working out|summing|adding up] [the theoretical reflections|the predicted amplitudes|the "
    "modelled waves] for {n} [gives|leads to|makes|leaves] {p}{agree}",
)
AGREEMENT = (
    ", within {d} percentage points of the [measurement|measured [values|light|contrast]|image|"
    "observed [values|light|contrast]]",
    ", [no further than|at most|never more than] {d} percentage points from [the measurement|the "
    "measured values|what is seen|the image]",
    "; the [largest|greatest|worst] [deviation|discrepancy|difference] [in any channel|among the "
    "channels|of the three] is {d} percentage points",
)
DELTA_E = (
    "the [colour|visible|perceived|total|overall] [difference|distance|gap|change] [to|from|"
    "against] {sub} [is|amounts to|comes to|reaches|works out at] ΔE = {de}{predicted}",
    "{f} [stands|lies|sits|is|ends up|finds itself] ΔE = {de} [away from|off|apart from|distant "
    "from|clear of] {sub}[| in CIELAB| in colour]{predicted}",
    "in [CIELAB|Lab colour|L*a*b* space|CIELAB coordinates], {f} [differs from|is set off from|"
    "departs from|is removed from] {sub} by ΔE = {de}{predicted}",
    "[a|a measured|an observed] ΔE of {de} [separates {f} from|sets {f} apart from|lies between "
    "{f} and|distinguishes {f} from] {sub}{predicted}",
    "[taken together, the three channels|the three channels together|red, green and blue "
    "together] put {f} at ΔE = {de} from {sub}{predicted}",
    "{f} [keeps|has|shows|maintains] a [colour|Lab|perceptual|visible] [distance|separation|gap|"
    "difference] of ΔE = {de} [to|from|with respect to] {sub}{predicted}",
    "[expressed|measured|stated|put] as [a colour difference|one number|a distance between "
    "colours|a single figure], {f} [comes to|reaches|arrives at|has] ΔE = {de} [against|from] "
    "{sub}{predicted}",
    "[ΔE = {de}|a ΔE of {de}] [is how far|tells how far|states how much] {f} [strays|departs|"
    "moves away|is removed] from {sub}{predicted}",
)
DELTA_E_PREDICTED = (
    ", [where|while|and] the [optical|thin-film|stack] [model|calculation|prediction] [predicts|"
    "expects|gives|has|returns] ΔE = {pde} for {n}",
    "; [for {n} the model predicts|the model expects for {n}|calculated for {n} is] ΔE = {pde}",
    ", [beside|against|compared with] a [predicted|calculated|modelled] ΔE of {pde} for {n}",
)
SHIFT = (
    "{f} [appears|looks|is|shows up|comes across as] {tone} than {sub} and [shifts|is shifted|"
    "turns|moves|leans|tends|bends|veers] [slightly |visibly |distinctly |]towards {hue}",
    "{fs} [colour|tint|shade|hue] [shifts|moves|turns|leans|drifts|is displaced] towards {hue}, "
    "and it is {tone} than {sub}",
    "[to the eye|on the screen|visually|in appearance], {f} is {tone} than {sub}, [shifted|"
    "displaced|turned|moved] towards {hue}",
    "[as to colour|in colour|for colour], {f} [leans|moves|shifts|turns] towards {hue} and [comes "
    "out|is|appears|looks] {tone} than {sub}",
    "[beside|next to|against|compared with] {sub}, {f} [turns|is tinted|goes|drifts] towards "
    "{hue} while being {tone}",
    "[what the eye notices|what catches the eye|what one notices] is that {f} is {tone} than "
    "{sub} and [tinted|drifts|turns|leans] towards {hue}",
    "a [tint|drift|turn|lean|swing|change of colour] towards {hue} [marks|goes with|characterises|"
    "distinguishes|is seen on] {f}, {tone} than {sub}",
    "[judged|going|told] by [its colour|its tint|its appearance], {f} [goes|swings|veers|drifts] "
    "towards {hue} and [stays|remains|reads|registers] {tone} than {sub}",
)
SHIFT_GREY = (
    "{f} [appears|looks|is|shows up] {tone} than {sub}, [with hardly any shift of hue|without a "
    "clear shift of hue|its hue almost unchanged]",
    "[to the eye|on the screen|visually], {f} is {tone} than {sub}, [its hue almost unchanged|"
    "with hardly any shift of hue]",
)
SHIFT_PREDICTED = (
    "the [optical model|thin-film model|model] [expects|predicts] {n} to [be|look|appear|come "
    "out] {tone} than {sub} and to [shift|turn|lean|move] towards {hue}",
    "[by calculation|according to the model|in the optical model], {n} [turns|shifts|leans|moves] "
    "towards {hue} and is {tone} than {sub}",
    "[thin-film interference|interference|the calculated spectrum] should make {n} {tone} than "
    "{sub}, [shifted|turned|displaced|moved] towards {hue}",
    "[from theory|in a calculation|from its thickness], {n} [should|would] [end up|turn out|come "
    "out] {tone} than {sub}, [drifting|tinted|turned] towards {hue}",
)
LIGHTNESS = (
    "[its|the] lightness {moves} by {dl} L* units",
    "[in|as to|looking at|judged by] lightness, {f} {moves} by {dl} L* [units|points|steps]",
    "{fs} [L* value|lightness] {moves} by {dl} L* units[| compared with {sub}| against {sub}| "
    "relative to {sub}]",
    "[going from|crossing over from|on the way from] {sub} to {f}, lightness {moves} by {dl} L* "
    "units",
)
SATURATED = (
    "{f} [saturates|overexposes|clips] the {channels} of the camera, [so its contrast cannot be "
    "read there|so only a lower bound of its contrast is known|which hides its true contrast]",
    "{fs} {channels} {lies} at the camera's limit, [so its contrast cannot be read there|so only "
    "a lower bound of its contrast is known|which hides its true contrast]",
)
VISIBILITY = (
    "the [edge|step|jump|rise] at the [border|boundary|margin|rim] [stands out at|rises to|"
    "reaches|measures|attains] {v} times the [noise|pixel noise|noise of a pixel|camera noise][, "
    "{verdict}|, {verdict}|]",
    "{fs} [edge|border|outline|rim|contour] [is|makes|forms|amounts to] a [step|jump|change] of "
    "{v} times the [noise|pixel noise|noise of a pixel|camera noise][, {verdict}|, {verdict}|]",
    "[with|at] a contrast-to-noise ratio of {v}, {fs} [edge|outline|border|rim] is {clear}",
    "[noise blurs|grain blurs|noise hides] {little} of the outline: the step [is|measures|amounts "
    "to] {v} times the [noise|pixel noise|noise of a pixel]",
    "[where it ends|at its rim|along its outline], {fs} [signal|brightness|colour] jumps by {v} "
    "times the [noise|pixel noise|camera noise][, {verdict}|]",
    "[measured in noise|in units of noise|set against noise], {fs} [edge|outline|step] [is|comes "
    "to|amounts to] {v} times the noise[, {verdict}|]",
)
CLEAR = "[easy to follow|clearly visible|well defined|plainly visible|sharp]"
UNCLEAR = "[hard to follow|only weakly visible|poorly defined|easily overlooked]"
CLEAR_CLAUSE = (
    "[so the outline is unmistakable|so the outline is easy to follow|which is plain to see]"
)
UNCLEAR_CLAUSE = "[so the outline is easily lost|so the outline is hard to follow|which is weak]"
MISFIT = (
    "the [measured contrast|measurement|observed contrast|contrast] [is|lies|falls] {d} σ from "
    "{n} [but|and|while it is|whereas it is] {dm} σ from {m}",
    "{m} [would miss|misses|fails to meet|is off] the [measurement|measured contrast|observed "
    "contrast|image] by {dm} σ, {n} by {d} σ",
    "[counting|reading|taking|classing] {f} as {m} [leaves|would leave|results in|would mean|ends "
    "in|produces] a [misfit|deviation|residual|discrepancy|mismatch] of {dm} σ, [against|compared "
    "with|instead of|rather than|as opposed to] {d} σ for {n}",
    "[at {d} σ|with a misfit of {d} σ|with a residual of {d} σ], {n} [fits|agrees|matches] better "
    "than {m}, [which misses by|which is off by|at|whose misfit is] {dm} σ",
    "the next [candidate|possibility|choice|layer count], {m}, is [off|rejected|worse|excluded] "
    "at {dm} σ, [whereas|while] {n} [is|lies|stays] at {d} σ",
    "[putting|entering|inserting] {m} [into the model|in the calculation|instead] [raises|brings|"
    "increases] the misfit to {dm} σ from {d} σ for {n}",
    "[among|of|between] the [neighbouring|nearby|nearest|likely|competing] [layer counts|"
    "possibilities|candidates], {n} [is nearest|is closest|comes nearest|wins|leads] at {d} σ; "
    "{m} [is|lies|follows|trails|ranks next] at {dm} σ",
    "{n} [explains|reproduces|meets|describes|accounts for] the [contrast|light|signal|values] to "
    "{d} σ, {m} [only|merely|no better than] to {dm} σ",
    "[tested|tried|compared] [side by side|in turn|against each other], {n} [scores|reaches|gets|"
    "attains] {d} σ and {m} {dm} σ",
)
MISFIT_BOTH = (
    "the [measured contrast|measurement|observed contrast] [is|lies|falls] {d} σ from {n}, {dk} σ "
    "from {k} and {dm} σ from {m}",
    "[of the neighbours|among its neighbours|next to it in layers], {k} [misses|is off] by {dk} σ "
    "and {m} by {dm} σ, [against|compared with] {n} [at|with] {d} σ",
    "[neither neighbour fits as well|its neighbours fit less well|both neighbours fit worse]: {k} "
    "[is|lies] {dk} σ away, {m} {dm} σ, and {n} {d} σ",
)
SAME_LOOK = (
    "[at this thickness|in this range|so far up|for material of this thickness], {m} would look "
    "the same [within the model's error|to within the model's error|as far as the model can tell]",
    "{m} would look the same [within the error of the model|within the model's error], so the "
    "count is [approximate|uncertain by a layer|not sharper than that]",
)
PLACE = (
    "{f} [lies|sits|is|is found] in the {place} of the [image|frame|picture|field of view] and "
    "[covers|takes up|occupies|fills] {area}% of the [image|frame|picture|field of view]",
    "in the {place} of the [image|frame|picture|field of view], {f} [covers|takes up|occupies|"
    "fills] {area}% of the [image|frame|picture|field of view]",
    "[with|covering|filling|taking up] {area}% of the [image|frame|picture|field of view], {f} "
    "[lies|sits|is|is found] in the {place}",
    "{f}, in the {place}, [amounts to|makes up|accounts for|extends over] {area}% of the [image|"
    "frame|picture|field of view]",
)
TONE = (
    "{f} [looks|appears|is|shows up] {tone} than [its surroundings|what surrounds it|the "
    "background|the area around it]",
    "[by eye|on the screen|visually|at a glance], {f} is {tone} than [its surroundings|the "
    "background|the area around it]",
    "[set against|next to|beside|compared with] [its surroundings|the background|the area around "
    "it], {f} [is|looks|appears] {tone}",
)
BORDER = (
    "{f} [borders|adjoins|touches|meets] {g}[, a step| across a step|, with a step] from {a} to "
    "{b}",
    "[along one side|at its edge|on one side], {f} [borders|adjoins|meets|touches] {g}, where the "
    "thickness [steps|goes|changes] from {a} to {b}",
    "[on one side|along one edge|at its rim], {f} [passes|goes over|continues] into {g}[, the "
    "thickness going|, a step|, the thickness changing] from {a} to {b}",
    "{f} and {g} [share an edge|meet|touch along an edge|adjoin each other], [a step|with a step|"
    "the terraces going] from {a} to {b}",
)
ALONE = (
    "no other flake [touches|borders|adjoins|meets] {f}[| on any side| anywhere| along its rim]",
    "{f} [stands|lies|sits|rests] alone[| in the {place} of the image| in the {place} of the "
    "frame], [with substrate on every side|bordered by nothing but substrate|and nothing adjoins "
    "it|framed by bare substrate|far from any terrace]",
    "[bare substrate surrounds|only substrate surrounds|nothing but substrate surrounds|the "
    "substrate encloses] {f}, which is isolated[| from the other flakes| in the {place} of the "
    "image]",
    "{f} is isolated: [no neighbour|nothing] [adjoins|touches|meets] it[| anywhere| on any side| "
    "in the {place} of the image]",
)
IDENTIFY = (
    "[this|all this|[the|the optical|such|this body of|the combined|the physical] evidence] "
    "[identifies|marks|establishes|qualifies|characterises|reveals|singles out] {f} as {a}{group}",
    "[so|hence|therefore|accordingly|consequently|thus|for these reasons|as a result], {f} [is|"
    "counts as|is [read|taken|classed|sorted|entered|booked] as] {a}{group}",
    "[taking all of it|weighing everything|all considered|everything considered|on balance], {f} "
    "[is|can be called|is identified as|is judged to be] {a}{group}",
    "{f} is [therefore|thus|accordingly|consequently|on these grounds] {a}{group}",
    "the [best|consistent|only consistent|simplest|natural|safest|most plausible] [reading|"
    "interpretation|explanation|account|conclusion] is that {f} is {a}{group}",
    "[everything|all of this|the whole picture|each of these signs|what was measured] [agrees "
    "with|is in line with|supports|speaks for|points to|argues for|is compatible with] {f} being "
    "{a}{group}",
    "[with these values|from these values|given this|seen in this light|with this in mind], {f} "
    "[is|must be|is best described as|is to be read as] {a}{group}",
    "{f} [can only be|has to be|is best taken as|is safely called|is best explained as] {a}{group}",
    "[colour and contrast|contrast and colour|image and model|measurement and model|light and "
    "colour] [agree|concur|are consistent|are at one|coincide] on {f} being {a}{group}",
    "[in short|in sum|all in all|to conclude|summing up], {f} is {a}{group}",
    "[we conclude|it follows|this means|the conclusion is|which means] that {f} is {a}{group}",
)
ONE_SHEET = (
    ", [one sheet|just one sheet|no more than one sheet] of {material}",
    ", the least [one can have of|to be had of|there is of] {material}",
)
CLASS_GROUP = (
    ", [which puts it among|which places it among|one of|and so among] the {kind} flakes",
    ", [a member of|belonging to|falling into] the {kind} class",
)
HEDGED = (
    "{f} is [taken as|annotated as|listed as|given as] {a}, which colour by itself cannot settle",
    "the [annotation|label] has {f} as {a}; colour by itself [does not|cannot] settle the count",
    "[so|hence|thus] {f} is {a} [by its label|by annotation], which colour by itself cannot settle",
)
UNSETTLED = (
    "{f} is annotated as {a}, though its contrast fits that layer count poorly",
    "the annotation has {f} as {a}, [yet|but|although] its contrast fits that layer count poorly",
    "{f} is [listed|labelled|given] as {a}, [which fits its contrast poorly|yet that count fits "
    "poorly|a layer count that fits poorly]",
)
IDENTIFY_PLAIN = (
    "{f} is {a}",
    "{f} is {a}{group}",
    "[we read|we count|we take] {f} as {a}",
    "{f} [counts as|is [counted|listed|labelled|filed|registered|kept] as] {a}",
    "[this makes|that makes] {f} {a}",
    "[so|then|here], {f} is [listed as|labelled as|noted as|entered as] {a}{group}",
    "{f} is [given as|put down as|recorded as|noted as] {a}{group}",
)
TONES = {
    ("darker", "faint"): "[slightly darker|a little darker|faintly darker]",
    ("darker", "moderate"): "[darker|clearly darker|visibly darker|noticeably darker]",
    ("darker", "strong"): "[much darker|far darker|markedly darker]",
    ("brighter", "faint"): "[slightly brighter|a little brighter|slightly lighter]",
    ("brighter", "moderate"): "[brighter|clearly brighter|visibly brighter|noticeably lighter]",
    ("brighter", "strong"): "[much brighter|far brighter|markedly brighter]",
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
