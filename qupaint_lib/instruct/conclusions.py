"""How hypotheses are compared, and what is concluded, in how many ways; see `phrases`."""

from __future__ import annotations

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
