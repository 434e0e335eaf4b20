"""Describes the keys of files with decision cases."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from tabard_sidecar.policy.authoring.matrices import Effects, MatrixKeys
from tabard_sidecar.policy.authoring.request_keys import FactKeys, Keys, OutcomeKeys, RequestKeys
from tabard_sidecar.policy.authoring.sentences import SentenceKeys


class ExpectedCredential(Keys):
    """Fields of the credential that is granted. A field that isn't stated isn't compared."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    kind: str | None = Field(default=None, description="Kind, or none if the call gets no credential.")
    audience: str | None = Field(default=None, description="Backend that accepts it.")
    scopes: list[str] | None = Field(default=None, description="All its scopes, in any order.")
    ttl_seconds: float | None = Field(default=None, description="Longest life in seconds.")
    single_use: bool | None = Field(default=None, description="Whether the backend accepts it only once.")
    uses: int | None = Field(
        default=None, description="How often the backend accepts it; 0 if any number of times."
    )
    role: str | None = Field(default=None, description="Role at the issuer.")
    delivery: str | None = Field(default=None, description="Who gets it: agent, or edge.")

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("states nothing to compare")
        return self


class Expected(Keys):
    """Decision that a case expects. A key that isn't stated isn't compared."""

    effect: Effects = Field(
        description="`ask` means that only the approval of a person is missing. A list: any of these."
    )
    code: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="All codes of the rules that allow, deny or ask."
    )
    credential: ExpectedCredential | None = Field(default=None, description="Credential that is granted.")
    charges: dict[str, int] | None = Field(default=None, description="All charges, by name of the budget.")
    labels: list[str] | None = Field(
        default=None, description="All labels that the call adds, those of the catalogue included."
    )
    facts: dict[str, list[str] | int] | None = Field(
        default=None, description="All facts that the call notes, by name."
    )

    @property
    def effects(self) -> list[str]:
        """The accepted effects."""
        return [self.effect] if isinstance(self.effect, str) else list(self.effect)


class CaseKeys(RequestKeys):
    """One case: a request and the decision that it expects."""

    name: str = Field(min_length=1, description="What the case shows; unique in its file.")
    after: str = Field(
        default="",
        description="Name of an earlier case of the file: this request is of the same task and finds what that one left.",
    )
    expect: Expected = Field(description="Decision that is expected.")
    approved: bool | None = Field(
        default=None,
        description="How the person decides if policy asks. After an approval the call is decided again: cases after this one "
        "find what it left.",
    )
    outcome: OutcomeKeys | None = Field(
        default=None, description="What the backend then signs about the call; cases after this one find it."
    )


class CaseFileKeys(Keys):
    """File with decision cases."""

    model_config = ConfigDict(
        title="Decision cases of a policy",
        json_schema_extra={"anyOf": [{"required": [kind]} for kind in ("cases", "matrices", "requests")]},
    )

    catalogue: str | None = Field(
        default=None, description="Tool catalogue, relative to this file. Default: the configured one."
    )
    defaults: RequestKeys = Field(
        default=RequestKeys(),
        description="Keys for every case. A key of a case replaces the default as a whole.",
    )
    cases: list[CaseKeys] = Field(default=[], min_length=1, description="The cases.")
    matrices: list[MatrixKeys] = Field(
        default=[],
        min_length=1,
        description="Tables of cases: requests, calls and the effect that each cell expects.",
    )
    people: dict[str, dict[str, Any]] = Field(
        default={}, description="Verified claims of the people of `requests`, by a name of yours."
    )
    requests: list[SentenceKeys] = Field(
        default=[], min_length=1, description="What people say, each with all its calls."
    )
    never_facts: FactKeys = Field(
        default={},
        description="Facts that the task has, too, when a call under `never` is tried: what reading the attacker's text "
        "leaves behind, as `{texts_read: 1}`.",
    )

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if not self.cases and not self.matrices and not self.requests:
            raise ValueError("has neither cases nor matrices nor requests")
        return self


def case_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file with cases, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **CaseFileKeys.model_json_schema()}
