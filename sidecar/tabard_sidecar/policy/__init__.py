"""Policy: Rego modules loaded, checked, asked and composed into decisions; and the catalogue of tools."""
