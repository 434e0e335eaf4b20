"""Algorithms of a bundle's signature: those that OPA knows."""

from typing import Literal, get_args

BundleAlgorithm = Literal[
    "ES256",
    "ES384",
    "ES512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "HS256",
    "HS384",
    "HS512",
]
BUNDLE_ALGORITHMS: tuple[str, ...] = get_args(BundleAlgorithm)
