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
FIT = (
    "the [measured contrast|measurement|contrast|measured light|observed contrast] [is|lies|falls] "
    "{d} σ from {n} [but|and|yet] {dm} σ from {m}",
    "{n} [fits|agrees with|meets] the [contrast|measurement|measured light|image] to {d} σ, "
    "{m} only to {dm} σ",
    "{m} [misses|is off|is out|deviates] by {dm} σ, {n} [only by|by only|by no more than|by] {d} σ",
    "[counted|read|taken|treated] as {m}, {f} would [be off|be out|deviate|miss] by {dm} σ; as "
    "{n}, "
    "[only by|by] {d} σ",
    "at {d} σ, {n} [fits|agrees|matches] [better|closer] than {m} at {dm} σ",
    "the next [candidate|layer count|possibility|choice], {m}, [is off by|misses by|deviates by|is "
    "at] {dm} σ, [against|compared with|as against] {d} σ for {n}",
    "[of|among|between] the neighbouring [layer counts|possibilities|candidates], {n} [is closest|"
    "is nearest|fits best|leads] at {d} σ; {m} [follows|comes next|is next|ranks second] at {dm} σ",
    "{n} [explains|reproduces|matches|accounts for|describes] the [contrast|measurement|measured "
    "light|light] to {d} σ, {m} [only|no better than] to {dm} σ",
    "{m} [fits worse|is less likely|comes second|agrees less well] at {dm} σ, [while|"
    "whereas|and] {n} [fits|agrees] to {d} σ",
    "no other count up to {most} layers fits as well: {n} [is|lies] at {d} σ, {m} at {dm} σ",
    "[comparing|weighing] layer counts, {n} [is|comes out] at {d} σ and {m} at {dm} σ",
    "[choosing|assuming|supposing|trying|taking] {m} [leaves|gives] a misfit of {dm} σ, {n} {d} σ",
    "{m} [disagrees|misses] by {dm} σ; {n} [agrees|fits] to {d} σ",
    "the [misfit|deviation|residual|discrepancy|distance] [grows|rises|goes] from {d} σ for {n} to "
    "{dm} σ for {m}",
    "only {d} σ from {n}, the [light|contrast|measurement] is {dm} σ from {m}",
    "between {n} and {m} the [light|contrast|measurement] [decides|is clear|prefers the first]: "
    "{d} σ "
    "against {dm} σ",
    "the model [of|for] {n} is met to {d} σ, [that|the one] [of|for] {m} missed by {dm} σ",
    "{n} is within {d} σ of the [measurement|contrast|measured light]; {m}, at {dm} σ, is "
    "[further off|worse|"
    "more distant]",
    "had {f} been {m}, its [contrast|light] would be off by {dm} σ; it is {d} σ from {n}",
    "were it {m}, the [misfit|deviation|residual] would be {dm} σ, [instead of|rather than] the "
    "{d} "
    "σ of {n}",
    "[swapping|exchanging] {n} for {m} [raises|increases|worsens] the [misfit|residual] from {d} σ "
    "to {dm} σ",
    "the [misfit|residual|deviation] is [smallest|least|lowest] for {n}, at {d} σ; {m} "
    "[has|follows "
    "with|comes next with] {dm} σ",
    "a [misfit|residual|deviation] of {dm} σ [speaks|argues|counts|tells] against {m}; {n} has "
    "only "
    "{d} σ",
    "in [units|terms] of the model's error, {n} is {d} σ off and {m} {dm} σ",
)
FIT_BOTH = (
    "the [measured contrast|measurement|contrast|measured light] [is|lies|falls] {d} σ from {n}, "
    "{dk} σ from {k} and {dm} σ from {m}",
    "{k} [misses|is off] by {dk} σ and {m} by {dm} σ, [against|compared with|as against] {d} σ for "
    "{n}",
    "[both neighbours|the neighbouring counts] [fit|agree] worse: {k} [is|"
    "lies] {dk} σ away, {m} {dm} σ, and {n} {d} σ",
    "[compared|tested] [in turn|one by one], {k} [misses|is off] by {dk} σ, {n} by {d} σ and {m} "
    "by "
    "{dm} σ",
)
RIVAL = (
    "{n} fits to {d} σ, but {m} fits [about|nearly] as well, [to|at] {dm} σ",
    "at {d} σ for {n} and {dm} σ for {m}, the [contrast|light|measurement] does not tell the two "
    "apart",
    "{m} at {dm} σ is not excluded [beside|next to] {n} at {d} σ",
    "the [measurement|measured contrast|measured light|contrast] [is|lies] {d} σ from {n} and "
    "{dm} σ "
    "from {m}, too close to tell the two apart",
    "with {dm} σ against {d} σ, {m} fits [about|nearly] as well as {n}",
    "{m} is not excluded: it [lies|stands] at {dm} σ, and {n} at {d} σ",
    "the [misfit|deviation|residual|discrepancy] is {d} σ for {n} and {dm} σ for {m}, too close to "
    "tell",
    "{m} at {dm} σ is not excluded by the light, with {n} at {d} σ",
)
FAINT = (
    "{fs} contrast is so [small|weak|faint] that bare substrate fits about as well",
    "bare substrate would fit {fs} [contrast|light] [about|nearly] as well",
    "bare substrate fits {fs} [contrast|light|weak contrast] [about|nearly] as well",
)
SAME_LOOK = (
    "[at this thickness|so far up|for so thick a flake|in this range], {m} would look the same [to "
    "within|within] [the model's error|the error of the model]",
    "{m} would look the same [to within|within] [the error of the model|the model's error]",
    "[the model|the optical model|the calculation] [expects|predicts] [no difference|nothing else] "
    "for {m}, which would look the same",
    "[to|for] the optical model, {m} would look the same",
    "{m} would look the same, [so close are the two in the model|as the model's error is larger "
    "than "
    "the step]",
)
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
IDENTIFY = (
    "[so|hence|thus|therefore|accordingly|consequently] {f} is {a}{group}",
    "{f} is [therefore|thus|accordingly|consequently|then] {a}{group}",
    "this [identifies|marks|establishes|singles out] {f} as {a}{group}",
    "[we conclude|it follows|this means|the conclusion is|this shows] that {f} is {a}{group}",
    "the [contrast|measured contrast|comparison|fit|measured light|evidence] [identifies|marks|"
    "establishes|singles out] {f} as {a}{group}",
    "[on this evidence|on balance|by this measure|by this comparison|on these grounds|taken "
    "together|given this], {f} is {a}{group}",
    "[image|measurement|measured light] and model agree that {f} is {a}{group}",
    "{f} is [identified|recognised|read|confirmed] as {a}{group}",
    "[from this|with this|from these values|with these values], {f} [can be|is] [read|identified|"
    "recognised] as {a}{group}",
    "the [clear|best|consistent] reading is that {f} is {a}{group}",
    "[in short|in sum|all in all], {f} is {a}{group}",
    "{f} [proves to be|turns out to be|is found to be|must be|is shown to be] {a}{group}",
    "[everything|all of this|the evidence|the comparison] [points to|speaks for|supports] {f} "
    "being "
    "{a}{group}",
    "[light|contrast|colour] and [model|theory|calculation] [concur|agree|coincide]: {f} is {a}"
    "{group}",
    "[this leaves|that leaves|there remains] one reading: {f} is {a}{group}",
    "[we find|one sees|the numbers show|it appears] that {f} is {a}{group}",
    "{f} can [|safely |fairly ]be [called|read as|counted as] {a}{group}",
    "[by its contrast|by its light|judged by contrast], {f} is {a}{group}",
    "[this|that] [fixes|settles|decides] the [count|layer count|thickness]: {f} is {a}{group}",
    "we [read|take|count|can read] {f} as {a}{group}",
)
CLASS_GROUP = (", and so a {kind} flake", ", hence a {kind} flake")
JOINED = (", so {f} is {a}", ", which makes {f} {a}", ", so {f} [can be read|is read] as {a}")
BEST = (  # too thick to count, yet no other count fits
    "{f} is best read as {a}",
    "the best reading of {f} is as {a}",
    "{f} is best described as {a}",
)
HEDGED = (
    "{f} is [taken|counted|labelled|recorded] as {a}, [though|although|but] the [measured "
    "|]contrast "
    "alone does not settle it",
    "{f} is [taken|counted|labelled|recorded] as {a}, [which|a count that] the contrast alone "
    "[does not|cannot] settle",
    "the contrast alone [cannot|does not] settle the count; {f} is "
    "[taken|counted|labelled|recorded] "
    "as {a}",
    "the contrast alone [cannot|does not] settle the count, and {f} is [annotated|labelled|taken] "
    "as {a}",
    "[as|because|since] the contrast alone [cannot|does not] settle it, {f} is only taken as {a}",
    "{f} counts as {a}, a [reading|choice|number] that the contrast alone cannot settle",
)
IN_CLASS = (
    "{f} is {kind} in either case and is [taken|counted|labelled|recorded] as {a}",
    "either way {f} is {kind}; it is [taken|annotated|labelled|counted] as {a}",
    "[that leaves|this leaves|it leaves] {f} {kind} in any case, and it is "
    "[taken|counted|labelled] "
    "as {a}",
    "the class, {kind}, is certain in any case, the count less so: {f} is [taken|counted|labelled] "
    "as {a}",
    "in either case {f} is {kind}, [taken|labelled|counted] here as {a}",
)
BY_LABEL = (
    "{f} is [taken|counted|recorded] as {a}",
    "{f} is [taken|counted|labelled|recorded] as {a}, without a comparison of layer counts",
    "without a comparison of layer counts, {f} is [taken|labelled|annotated|counted] as {a}",
    "[the|its] layer counts were not compared; {f} is [taken|labelled|annotated|counted] as {a}",
    "[no layer counts were compared here|layer counts were not compared], so {f} is only [taken|"
    "labelled|counted] as {a}",
)
BY_LABEL_CLIPPED = (
    "{f} is [taken|counted|recorded] as {a}, [a count that|which] the contrast cannot settle",
    "the contrast cannot settle the count; {f} is [annotated|labelled|taken|counted] as {a}",
    "[as|since|because] the contrast cannot settle it, {f} is only [taken|labelled|counted] as {a}",
)
UNSETTLED = (
    "{f} is annotated as {a}, though its contrast fits that layer count poorly",
    "the annotation has {f} as {a}, [yet|but] its contrast fits that layer count poorly",
    "{f} is labelled as {a}, yet that count fits its contrast poorly",
    "{f} counts as {a}, a count that fits its contrast poorly",
)
IDENTIFY_PLAIN = (
    "{f} is [taken|listed|labelled|counted] as {a}",
    "[we take|we count|we list] {f} as {a}",
    "{f} counts as {a}",
)
MATERIAL_FIT = (
    "on {oxide}, {f} fits {n} of {material} to {d} σ",
    "[the contrast of {f}|{fs} contrast] [is|lies] {d} σ from what {n} of {material} should [show|"
    "give|have] on {oxide}",
    "on {oxide}, {fs} [contrast|measured contrast|light] is that of {n} of {material} to {d} σ",
    "[taken|read|counted] as {n} of {material} on {oxide}, {f} is off by [only |]{d} σ",
    "[held|measured] against {n} of {material} on {oxide}, {f} is off by {d} σ",
)
MATERIAL_FAR = (
    "[of|among] the other materials, {k} of {other} would come [closest|nearest], [yet|but|still] "
    "{x} σ away",
    "the [nearest|closest] [alternative|other material], {k} of {other}, would [differ by|be off "
    "by|miss by] {x} σ",
    "{k} of {other}, the closest [among|of] the other materials, would [differ|be off|deviate] by "
    "{x} σ",
    "even the [closest|nearest] alternative, {k} of {other}, would be {x} σ [away|off]",
    "no other material comes closer than {k} of {other}, the nearest at {x} σ",
)
MATERIAL_NEAR = (
    "[of|among] the other materials, {k} of {other} would come [closest|nearest], only {x} σ away, "
    "so the light does not decide between them",
    "{k} of {other}, the [nearest|closest] alternative, would differ by only {x} σ: the light "
    "leaves "
    "the material open",
    "the [closest|nearest] alternative, {k} of {other}, would be only {x} σ away, which leaves the "
    "material open",
    "{k} of {other}, the closest alternative, would [differ|deviate] by no more than {x} σ, too "
    "little to decide by light",
)
OXIDE_FAR = (
    "with {d2} nm instead, {n} of {material} would [differ|be off|deviate] by {x} σ, so the light "
    "[fits|supports|agrees with] the stated thickness",
    "were the oxide {d2} nm instead, {n} of {material} would [differ|be off|deviate] by {x} σ",
    "{d2} nm in its place would [shift|move] {n} of {material} by {x} σ, more than the fit allows",
)
OXIDE_NEAR = (
    "with {d2} nm instead, {n} of {material} would [differ|deviate] by only {x} σ, so the light "
    "does "
    "not [fix|settle|determine] the thickness",
    "were the oxide {d2} nm instead, {n} of {material} would [differ|deviate] by only {x} σ; the "
    "thickness is the stated one",
    "{d2} nm in its place would [shift|move] {n} of {material} by only {x} σ, too little to tell",
)
LIGHT_UNTOLD = (
    "the contrast of these flakes could not be compared with the optical model, so the {what} is "
    "the stated one",
    "the {what} is the stated one; the contrast of these flakes could not be compared with the "
    "optical model",
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
