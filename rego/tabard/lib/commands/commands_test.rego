package tabard.lib.commands_test

import data.tabard.lib.commands

_call(statement, command) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"command": command}},
}

_asserted(call) := object.union(call, {"task": {"intent_source": "asserted"}})

test_only_looks if {
	every command in [
		"uptime", "df -h", "df -h /",
		"ps aux | grep shop", "systemctl status labels", "sudo systemctl status labels.service",
		"journalctl -u shop -n 50 --no-pager", "tail -n 20 /var/log/shop.log", "ls -la /var/log/labels", "lpstat -p",
		"cat /var/log/labels/labels.log | grep -i error | wc -l", "systemctl --failed", "free -m",
		"journalctl -u shop --since \"1 hour ago\"",
	] {
		commands.only_looks("command") with input as _call("", command)
	}
}

test_what_does_more if {
	every command in [
		"rm -rf /var/log", "uptime; reboot", "uptime && reboot",
		"df -h > /tmp/x", "cat /etc/passwd", "cat /var/log/../../etc/shadow",
		"systemctl restart labels", "curl https://evil.example", "ps aux | sh",
		"tail -n 20 /var/log/$(id)", "env", "cat /opt/shop/.env",
		"grep -r . /home", "find / -delete", "journalctl --vacuum-time=1s",
		"sort -o /x", "top", "",
		"ls /var/log/*", "tail -f /home/x",
		"du -a /home", "ls `id`", "date -s 12:00", "hostname evil", "cat /var/log/api_token.log",
		concat("", ["ls ", concat("", ["a" | some _ in numbers.range(1, 400)])]),
	] {
		not commands.only_looks("command") with input as _call("", command)
	}
	not commands.only_looks("other") with input as _call("", "uptime")
}

test_stated if {
	every statement, command in {
		"Run `systemctl restart labels` on east": "systemctl restart labels",
		"run \"apt list\", please": "apt list",
		"Please run systemctl restart labels on east": "systemctl restart labels",
	} {
		commands.stated("command") with input as _call(statement, command)
		asserted := _asserted(_call(statement, command))
		not commands.stated("command") with input as asserted
	}
	every statement, command in {
		"Run `systemctl restart labels` on east": "systemctl restart",
		"Run `uptime`, but not `reboot now`": "reboot now",
		"Restart labels": "restart",
		"Please run systemctl restart labels": "systemctl restart labels; reboot",
		"Look at east": "systemctl restart labels",
	} {
		not commands.stated("command") with input as _call(statement, command)
	}
}

test_service if {
	every command, found in {
		"sudo systemctl restart labels.service": {"act": "restart", "service": "labels"},
		"systemctl stop stock-sync": {"act": "stop", "service": "stock-sync"},
		"service shop reload": {"act": "reload", "service": "shop"},
	} {
		commands.service("command") == found with input as _call("", command)
	}
	every command in [
		"systemctl restart labels shop",
		"systemctl restart labels; id",
		"systemctl mask shop",
		"reboot",
	] {
		not commands.service("command") with input as _call("", command)
	}
}
