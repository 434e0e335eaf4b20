# METADATA
# title: Membership
# description: |
#   Rego's `in` looks at the values of an object, and policy data is best kept under keys. This helper looks at the
#   keys.
package tabard.lib.sets

# METADATA
# description: |
#   True if `value` is in `collection`: an item of a set or array, or a key of an object. The key's value doesn't
#   matter.
# scope: document
has(collection, value) if {
	is_array(collection)
	value in collection
}

has(collection, value) if {
	not is_array(collection)
	_ = collection[value]
}

# METADATA
# description: |
#   The items of the set `values` that are not in `collection`, given as for `has`. Faster than calling `has` for each.
# scope: document
missing(values, collection) := {value | some value in values; not value in collection} if is_array(collection)

missing(values, collection) := values - {value | some value in values; _ = collection[value]} if {
	not is_array(collection)
}
