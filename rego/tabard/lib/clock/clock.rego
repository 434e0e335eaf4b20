# METADATA
# title: Time
# description: |
#   Helpers over input.context.time, the sidecar's clock in seconds since the epoch. Rego's time.now_ns isn't
#   available to policies, because a decision must be repeatable from its input.
package tabard.lib.clock

# METADATA
# description: The time of the request in nanoseconds, the unit of Rego's time functions.
now_ns := floor(input.context.time) * 1000000000

# METADATA
# description: |
#   True between the times of day `start` (included) and `end` (excluded) in the time zone `zone`, for example
#   between("08:00", "18:00", "Europe/Berlin"). A window may cross midnight.
# scope: document
between(start, end, zone) if {
	start < end
	now := _minute(zone)
	now >= start
	now < end
}

between(start, end, zone) if {
	start > end
	_minute(zone) >= start
}

between(start, end, zone) if {
	start > end
	_minute(zone) < end
}

# METADATA
# description: True from Monday to Friday in the time zone `zone`.
weekday(zone) if not time.weekday([now_ns, zone]) in {"Saturday", "Sunday"}

# METADATA
# description: |
#   The date in the time zone `zone`; `date("Europe/Berlin")` is "2026-11-23". For holidays and for sums of a day, as a
#   key of your data.
date(zone) := sprintf("%04d-%02d-%02d", time.date([now_ns, zone]))

_minute(zone) := sprintf("%02d:%02d", array.slice(time.clock([now_ns, zone]), 0, 2))
