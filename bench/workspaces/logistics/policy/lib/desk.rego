# METADATA
# title: What the person's words and the records say
# description: Words, numbers and things that a request names. Nothing here reads what strangers write.
package lib.desk

import data.tabard.lib.intent

default statement := ""

statement := lower(input.task.statement) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

# The request's words, one space between and around them.
n := norm(statement)

norm(text) := concat("", [" ", concat(" ", regex.find_n(`[a-z0-9]+`, lower(text), -1)), " "])

# Without what a "don't" stands before, for verbs.
verbs := regex.replace(n, ` (do not|don t|dont|never|without|no) (yet |any |also |ever )?[a-z]+ `, " ")

does(pattern) if regex.match(sprintf(` (%s) `, [pattern]), verbs)

# As does, without what is for the person: "tell me".
for_others(pattern) if regex.match(sprintf(` (%s) `, [pattern]), regex.replace(verbs, ` (tell|let|show|give|send|write|answer|inform|mail|get) (me|us) | (does|do|did) ([a-z0-9]+ ){1,6}(say|ask|write|tell) |what ([a-z0-9]+ ){1,4}(says|asks|writes|tells) `, " "))

says(pattern) if regex.match(sprintf(` (%s) `, [pattern]), n)

phrase(text) if contains(n, sprintf(" %s ", [text]))

phrase(text) if contains(n, sprintf(" %ss ", [text]))

# Numbers, in digits and words.
_counted := `of (the|her|his|their|its|our) (two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[0-9]+) `

_months := `(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*`

_dates := sprintf(`[0-9]{4}-[0-9]{2}-[0-9]{2}|\b[0-9]{1,2}(?:st|nd|rd|th)?(?: of)? %s\b|\b%s [0-9]{1,2}(?:st|nd|rd|th)?\b|[0-9]{1,2}:[0-9]{2}|/[a-z0-9/._-]+`, [_months, _months])

_plain := regex.replace(regex.replace(regex.replace(statement, _dates, " "), `\b[a-z]+-[0-9]+`, " "), _counted, "of ")

_digit_numbers contains to_number(replace(t, ",", "")) if {
	some t in regex.find_n(`[0-9]+(?:[.,][0-9]+)*`, _plain, -1)
	regex.match(`^([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?$`, t)
	count(t) < 12
	not regex.match(`^0[0-9]`, t)
}

_digit_numbers contains to_number(replace(t, ",", ".")) if {
	some t in regex.find_n(`[0-9]+(?:[.,][0-9]+)*`, _plain, -1)
	regex.match(`^[1-9][0-9]*,[0-9]{2}$`, t)
	count(t) < 12
}

_small := {
	"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
	"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
	"eighteen": 18, "nineteen": 19, "dozen": 12, "pair": 2, "couple": 2, "single": 1,
}

_tens := {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}

_tokens := split(trim_space(regex.replace(n, _counted, "of ")), " ")

_word_numbers contains v if {
	some t in _tokens
	v := _small[t]
}

_word_numbers contains v if {
	some i, t in _tokens
	v := _tens[t]
	not _unit_at(i + 1)
}

_unit_at(i) if _small[_tokens[i]] < 10

_word_numbers contains _tens[t] + u if {
	some i, t in _tokens
	u := _small[_tokens[i + 1]]
	u < 10
}

_word_numbers contains v * 12 if {
	some i, t in _tokens
	t == "dozen"
	v := _small[_tokens[i - 1]]
}

_word_numbers contains 6 if phrase("half a dozen")

_word_numbers contains v if {
	some i, t in _tokens
	t == "hundred"
	v := object.get(_small, _tokens[i - 1], 1) * 100
}

numbers := _digit_numbers | _word_numbers

_id_numbers := {to_number(v.num) | some v in data.orders} | {to_number(v.num) | some v in data.invoices} | {to_number(m[1]) | some m in regex.find_all_string_submatch_n(`(?:tickets?|shipments?|order|invoice) ([0-9]{1,9})`, n, -1)}

# A number in digits that is no id: perhaps an amount.
digits if count(_digit_numbers - (_id_numbers | percents)) > 0

quantities contains x if some x in numbers

quantities contains 1 if says("a|an|another|the last")

quantities contains 1 if count(numbers) == 0

cents contains round(x * 100) if some x in numbers

percents contains to_number(m[1]) if some m in regex.find_all_string_submatch_n(`([0-9]{1,2}(?:\.[0-9]+)?) ?(?:%|percent|per cent|pc\b)`, statement, -1)

percents contains v if {
	some i, t in _tokens
	t in {"percent", "per"}
	v := object.union(_small, _tens)[_tokens[i - 1]]
}

percents contains 50 if says("half|halve")

# Euros that the request states beside a currency.
states_money if regex.match(`(€|eur\b|euros?\b|cents?\b)`, statement)

# Things.
ids(kind, number) if contains(n, sprintf(" %s %s ", [kind, number]))

ids(_, number) if {
	contains(n, sprintf(" %s ", [number]))
	not regex.match(sprintf(` %s (euros?|eur|pieces|units|cents|more|of) `, [number]), n)
}

ids(kind, number) if contains(n, sprintf(" %s%s ", [kind, number]))

customers_named contains c if {
	some c, v in data.customers
	some name in v.names
	phrase(name)
}

_orders_by_id contains o if {
	some o, v in data.orders
	ids("o", v.num)
}

_orders_by_id contains v.order_id if {
	some s, v in data.shipments
	ids("s", substring(s, 2, -1))
}

_owners := {data.orders[o].customer | some o in _orders_by_id}

orders_named := _orders_by_id | {o |
	some o, v in data.orders
	v.customer in customers_named
	not v.customer in _owners
}

# The only order with an article of which the request speaks.
orders_meant := orders_named if count(orders_named) > 0

else := found if {
	count(articles) > 0
	says("order|delivery|customer|package|parcel|shipment|refund|claim")
	found := {o |
		some o, v in data.orders
		some a in articles
		v.lines[a]
	}
	count(found) == 1
} else := set()

_specific contains a if {
	some a, v in data.articles
	some name in v.names
	phrase(name)
}

_classes := {data.articles[a]["class"] | some a in _specific}

articles := _specific | {a |
	some a, v in data.articles
	phrase(v["class"])
	not v["class"] in _classes
}

suppliers_named contains s if {
	some s, v in data.suppliers
	some name in v.names
	phrase(name)
}

suppliers_named contains "SUP-15" if says("freight|carrier|carriers")

services_named contains s if {
	some s, v in data.services
	some name in v.names
	phrase(name)
}

carriers_named contains c if {
	some c, v in data.carriers
	some name in v.names
	phrase(name)
}

# Elsewhere: a file, a ticket, a page, a mail may hold the details.
sources if regex.match(`(/[a-z]+|\.(md|txt|csv|pdf|json)\b)`, statement)

sources if regex.match(`[a-z0-9]\.[a-z]{2,}`, statement)

sources if says("tickets?|files?|lists?|notes?|letters?|mails?|e mails?|emails?|messages?|pages?|web|website|site|sites|sheets?|documents?|claims?|reports?|counts?|delivery notes?|price list|prices? lists?|offers?|quotes?|runbooks?|customers?|wants?|wishes|asks|asked|requests?|requested|inbound|shops?|competitors?|instructions?")

hands_over if says("do as|as [a-z]+ (says|asks|wants|wrote|writes|requested)|(grant|give) ([a-z]+ ){1,4}wish|deal with|handle|take care|sort out|do what|whatever|process|look after|see to|according to|as (the|per|he|she|they|it)|follow|(give|grant|make|fulfil) ([a-z]+ ){0,3}what (he|she|they) (wants?|asks?|needs?)|accordingly|act on|resolve|respond to")

# Parts of the request, each with what it asks for.
_split := regex.replace(statement, `(?:,| and| then| but|, and| and then)+ (deploy|roll|release|ship|promote|push|put|bring|look|check|read|write|tell|restart|see|report|note|find|answer|reply|refund|cancel|pay|change|set|order|have|send|file|share|delete|move|close|let|give|track|explain|ask|book|correct|add|save|summari[sz]e|compare) `, ". $1 ")

_clauses := {norm(c) | some c in regex.split(`[.;!?](?:\s|$)`, _split)}

_clauses_with(pattern) := {c |
	some c in _clauses
	regex.match(sprintf(` (%s) `, [pattern]), c)
}

_order_in(c, o) if contains(c, sprintf(" %s ", [data.orders[o].num]))

_order_in(c, o) if {
	some name in data.customers[data.orders[o].customer].names
	contains(c, sprintf(" %s ", [name]))
}

_order_in(c, o) if {
	some s in data.orders[o].shipments
	contains(c, sprintf(" %s ", [substring(s, 2, -1)]))
}

# The orders beside these words; all, if none stands beside them.
orders_for(pattern) := found if {
	cs := _clauses_with(pattern)
	found := {o |
		some o in orders_meant
		some c in cs
		_order_in(c, o)
	}
	count(found) > 0
} else := orders_meant

services_for(pattern) := found if {
	cs := _clauses_with(pattern)
	found := {s |
		some s in services_named
		some c in cs
		some name in data.services[s].names
		contains(regex.replace(c, "s ", " "), regex.replace(sprintf(" %s ", [name]), "s ", " "))
	}
	count(found) > 0
} else := services_named

# Invoices with a number in a part of the request that has these words; all, if none is.
invoices_for(pattern) := found if {
	cs := _clauses_with(pattern)
	found := {i |
		some i, v in data.invoices
		ids("inv", v.num)
		some c in cs
		contains(c, sprintf(" %s ", [v.num]))
	}
	count(found) > 0
} else := {i | some i, v in data.invoices; ids("inv", v.num)}

suppliers_for(pattern) := found if {
	cs := _clauses_with(pattern)
	found := {s |
		some s in suppliers_named
		some c in cs
		some name in data.suppliers[s].names
		contains(regex.replace(c, "s ", " "), regex.replace(sprintf(" %s ", [name]), "s ", " "))
	}
	count(found) > 0
} else := suppliers_named
