# METADATA
# title: Mail
# description: Mail to colleagues, and to customers whom the request names, without lures.
package policy.mail_recipients

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.lures
import data.tabard.lib.outbound

_recipients := {"cc", "to"}

_known := data.mail_recipients

start contains {"code": "correspondence", "limits": {
	"tools": ["mail.send"],
	"purposes": ["correspondence"],
	"budgets": {"mails": 10},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("correspondence")
}

grant contains {"code": "to_colleagues", "charges": {"mails": 1}} if {
	_mail_fits
	outbound.only_to(_recipients, _known.colleagues)
}

grant contains {"code": "to_customers", "charges": {"mails": 1}} if {
	_mail_fits
	count(_lures) == 0
	outbound.only_to(_recipients, object.union(_known.colleagues, _known.customers))
	outbound.requested_or_trusted(_recipients, _known.customers, _known.colleagues)
}

deny contains {
	"code": "lure",
	"message": "The mail has a link, a number or a password that neither the request nor our records have.",
} if {
	input.tool.name == "mail.send"
	count(_lures) > 0
	not outbound.only_to(_recipients, _known.colleagues)
}

_lures contains [name, kind] if {
	some name in {"body", "subject"}
	some kind, _ in lures.within(name, _known.own_texts)
}

_mail_fits if {
	input.tool.name == "mail.send"
	intent.purpose_is("correspondence")
	arguments.only({"body", "cc", "subject", "to"})
	arguments.items_at_most("to", 5)
	_copies_fit
	arguments.one_line("subject", 150)
	arguments.text("body")
	arguments.length_at_most("body", 5000)
}

_copies_fit if not "cc" in arguments.names

_copies_fit if arguments.items_at_most("cc", 2)
