# METADATA
# title: Commands for a shell
# description: |
#   Guardrails over an argument that a shell runs. A list of dangerous words bounds nothing: a shell spells each of them
#   in a hundred ways. So these conditions say what a command is, from the first character to the last.
package tabard.lib.commands

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.intent

# METADATA
# description: |
#   True if the argument `name`, at most 300 characters, only looks: `uptime`, `df -h`, `ps aux | grep shop`, `systemctl
#   status labels`, `journalctl -u shop -n 50`, `tail -n 20 /var/log/shop.log`. Each part of a pipe has to be such a
#   command, without redirection, substitution, variables, patterns or a second command. Files are read below /var/log
#   only, and nothing whose name speaks of keys, passwords or tokens. What it prints was written by others, too: note
#   the text as read. It doesn't say that the host is the right one.
only_looks(name) if {
	command := trim_space(arguments.text(name))
	count(command) <= 300
	regex.match(`^[A-Za-z0-9 ./_=:@%,|"'+-]+$`, command)
	not regex.match(_private, command)
	every part in split(command, "|") {
		regex.match(_looks, trim_space(part))
	}
}

# METADATA
# description: |
#   True if the request holds the argument `name`, a command of at most 300 characters, as it stands: between quotation
#   marks or backticks, or, if the request quotes nothing, as words of its own with a space in it; `stated("command")`
#   of "systemctl restart labels" for "Run `systemctl restart labels` on east". Needs trusted intent.
# scope: document
stated(name) if {
	command := trim_space(arguments.text(name))
	count(command) <= 300
	command in _quoted
}

stated(name) if {
	count(_quoted) == 0
	command := trim_space(arguments.text(name))
	count(command) <= 300
	regex.match(`^[A-Za-z0-9 ./_=:@-]+$`, command)
	contains(command, " ")
	intent.mentions(command)
}

# METADATA
# description: |
#   What the argument `name` does to a service if it is one plain command for that, as an object with `act` ("restart",
#   "start", "stop", "reload", "status") and `service`: `service("command")` of "sudo systemctl restart labels.service"
#   is {"act": "restart", "service": "labels"}. Compare both with the request and your records:
#   `service("command").service in entities.named(data.services, set())`. Undefined for anything else.
service(name) := {"act": found[1], "service": found[2]} if {
	some pattern in [
		`^(?:sudo )?systemctl (restart|start|stop|reload|status) ([a-z0-9][a-z0-9-]{0,60})(?:\.service)?$`,
		`^(?:sudo )?service ()([a-z0-9][a-z0-9-]{0,60}) (restart|start|stop|reload|status)$`,
	]
	matches := regex.find_all_string_submatch_n(pattern, trim_space(arguments.text(name)), 1)
	found := _in_order(matches[0])
}

_in_order(found) := found if found[1] != ""

_in_order(found) := [found[0], found[3], found[2]] if found[1] == ""

_quoted contains trim_space(trim(found, "`\"“”‘’")) if {
	intent.trusted
	some found in regex.find_n(_between_quotes, exclusions.kept, 20)
}

_between_quotes := concat("|", ["`[^`]*`", `"[^"]*"`, `“[^”]*”`, `‘[^’]*’`])

_private := concat("", [
	`(?i)secret|passw|\bkey|\.key|_key|shadow|token|\.env|/env|/etc|/root|/proc|/dev|\.\.|cred|vacuum|rotate|flush`,
	`| -o|--output|-delete|-exec|delete|--root|--file|-f +/`,
])

_looks := sprintf(`^(?:sudo )?(?:%s)$`, [concat("|", [
	`uptime|date|hostname|whoami|uname(?: -[a-z]+)?|w|who|nproc|lscpu|free(?: -[a-z]+)?`,
	`df(?: -[a-zA-Z]+)*(?: /[A-Za-z0-9_./-]*)?`,
	`du(?: -[a-z]+)*(?: --max-depth=[0-9])? /var/log[A-Za-z0-9_./-]*`,
	`ps(?: aux| -ef| -e| axu)?`,
	`top -b -?n ?1`,
	`ls(?: -[a-zA-Z]+)*(?: /var/log[A-Za-z0-9_./-]*)?`,
	`vmstat(?: [0-9]+){0,2}|iostat|lpstat(?: -[a-z]+)*|lpq(?: -a)?|ss -[a-z]+|netstat -[a-z]+`,
	`pgrep(?: -[a-z]+)* [A-Za-z0-9_-]+`,
	`docker (?:ps(?: -a)?|images|stats --no-stream)`,
	`systemctl (?:status|is-active|is-enabled|is-failed|show)(?: [A-Za-z0-9@_-]+(?:\.service)?)+(?: --no-pager)?`,
	`systemctl (?:list-units|list-timers|--failed)(?: --no-pager)?`,
	concat("", [
		`journalctl(?: (?:-u [A-Za-z0-9@_.-]+|-n ?[0-9]+|--lines=[0-9]+|--no-pager|-p [a-z0-9]+|-e|-x|-xe|-b|-r`,
		`|--since[ =](?:today|yesterday|"[0-9A-Za-z :-]+"|'[0-9A-Za-z :-]+')))*`,
	]),
	`(?:tail|head)(?: -n ?[0-9]+| -[0-9]+)?(?: /var/log/[A-Za-z0-9_./-]+)?`,
	`cat /var/log/[A-Za-z0-9_./-]+`,
	`grep(?: -[a-zA-Z]+)*(?: ["']?[A-Za-z0-9 _.:-]+["']?)(?: /var/log/[A-Za-z0-9_./-]+)?`,
	`wc(?: -[lwc])?|sort(?: -[a-z]+)*|uniq(?: -c)?`,
])])
