# METADATA
# title: Ids as people write them
# description: |
#   Finds in a text what may be the id of a thing: "O-1006", "o1006" and "order 1006" are the same order. `entities`
#   compares it with your directories.
package tabard.lib.references

# METADATA
# description: |
#   The ids in `text`, in lower case, each as letters and digits: "o-1006" and "o 1006" are "o1006".
spelled(text) := {concat("", [found[1], found[2]]) |
	some token in split(regex.replace(regex.replace(text, `[\s,;:()"!?]+`, "  "), `([a-z]) +#?([0-9])`, "$1-$2"), " ")
	some found in regex.find_all_string_submatch_n(`^([a-z]{1,12})[-_#/]?([0-9]{1,12})(?:'s)?\.?$`, token, 1)
}

# METADATA
# description: |
#   The numbers in `text`, in lower case, behind one of `kinds`, a set of words in the singular; `numbered("orders 1006
#   and 1007", {"order"})` is {"1006", "1007"}. Two digits behind "order" may be a quantity: "order 20 boxes".
numbered(text, kinds) := {trim_left(number, "0") |
	count(kinds) > 0
	some run in regex.find_n(sprintf(_run, [concat("|", kinds)]), text, -1)
	not regex.match(`^order\S* [0-9]{1,2}$`, trim_space(run))
	some number in regex.find_n(`[0-9]{1,12}`, run, -1)
}

_run := `\b(?:%s)s?(?:[ ,#]|\b(?:no|nr|number|numbers|and|or|id)\b\.?|[0-9]+\b)+`
