"""Checks a policy as a whole and compiles it, and reports all problems together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path

from tabard_opa import Engine, EngineError, Policy, default_capabilities

from tabard_sidecar.policy.loading import entrypoint
from tabard_sidecar.policy.loading.ast import Node, package_path, rules
from tabard_sidecar.policy.loading.bundles import BundleKeys
from tabard_sidecar.policy.loading.checks import World, check_module, index_rules, library_paths
from tabard_sidecar.policy.loading.engine_problems import problems_of
from tabard_sidecar.policy.loading.inlining import simple_functions
from tabard_sidecar.policy.loading.input_paths import ALL_PATHS, InputPaths, input_paths
from tabard_sidecar.policy.loading.metadata import check_metadata
from tabard_sidecar.policy.loading.negations import required_arguments
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.loading.placement import check_owners, check_tests
from tabard_sidecar.policy.loading.reach import Reach, check_reach
from tabard_sidecar.policy.loading.reached import reached
from tabard_sidecar.policy.loading.reading import USUAL_SIZES, Sizes
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.loading.sources import PolicySource, load_bundle, load_source
from tabard_sidecar.policy.loading.withheld import WITHHELD, WITHHELD_REMOTE
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem, Severity
from tabard_sidecar.policy.resources import ENTRYPOINT, MASK, library, schema
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

MAX_REGO_BYTES = 512 * 1024
"""Most bytes of all modules together. Their syntax trees take up to a thousand times as much memory while they load."""

COMPILE_SECONDS = 10.0
"""Longest time that the engine may take to compile a policy."""

PATIENT_SECONDS = 300.0
"""The same for an author's command, which waits while other programs have the processors."""

_SECONDS_PER_MIB = 0.5
"""Time for each MiB of data beyond the usual size."""

_NETWORK = frozenset({"http.send", "net.lookup_ip_addr"})
_TYPES = frozenset({"input_unknown", "type_mismatch"})
_LIBRARY_PREFIX = "tabard:"


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """Options for compiling, from the configuration.

    Attributes:
        insecure_builtins: names of :data:`WITHHELD` that policies may use after all.
        accept_asserted_intent: whether library guardrails accept an unsigned intent.
        offers: names that rules can hold because the configuration or the catalogue offers them.
        bundle_keys: keys of which one must have signed the policy, if it has to be signed.
        remote: whether an OPA server evaluates the policy.
        apart: whether to compile in a process of its own first, so that no policy can take this process down.
        sizes: how large policies may be.
        whole_library: whether to compile modules of the library that the policy doesn't reach, too.
        remembered_bytes: most memory for answers that are remembered; 0 remembers none.
        patient: whether a person waits for it, so that a busy machine only delays it.
    """

    insecure_builtins: frozenset[str] = frozenset()
    accept_asserted_intent: bool = False
    offers: Offers = field(default_factory=Offers)
    bundle_keys: BundleKeys | None = None
    remote: bool = False
    apart: bool = False
    sizes: Sizes = USUAL_SIZES
    whole_library: bool = False
    remembered_bytes: int = 0
    patient: bool = False

    @property
    def large(self) -> bool:
        """Whether policies are read in a process of their own, because more data than usual is accepted."""
        return self.sizes.data_mib > USUAL_SIZES.data_mib


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy that passed every check.

    ``mask`` is there only if the policy defines ``system.log.mask``. ``reads`` are the parts of the input that its decision
    may read; they are looked for only if an OPA server evaluates it.
    """

    decision: Policy
    mask: Policy | None
    rules: RuleIndex
    warnings: tuple[PolicyProblem, ...]
    reads: InputPaths = ALL_PATHS

    def close(self) -> None:
        """Free the compiled policies."""
        self.decision.close()
        if self.mask is not None:
            self.mask.close()


@dataclass()
class _Findings:
    problems: list[PolicyProblem] = field(default_factory=list)

    def add(self, errors: Iterable[PolicyProblem]) -> None:
        known = {(problem.file, problem.row, problem.message) for problem in self.problems}
        self.problems += [error for error in errors if (error.file, error.row, error.message) not in known]

    def told(self) -> list[PolicyProblem]:
        """Return the problems without those of types that the engine tells of the same line, too."""
        typed = {
            (problem.file, problem.row) for problem in self.problems if problem.code == "rego_type_error"
        }
        return [
            problem
            for problem in self.problems
            if problem.code not in _TYPES or (problem.file, problem.row) not in typed
        ]

    def has(self, code: str) -> bool:
        return any(problem.code == code for problem in self.problems)

    @property
    def broken(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def compile_policy(
    engine: Engine,
    modules: Mapping[str, str],
    data: Mapping[str, Json] | None,
    options: CompileOptions,
    tests: Mapping[str, str] | None = None,
) -> Compiled:
    """Check and compile.

    Args:
        engine: parses and compiles.
        modules: sources by file name; never tests, never Tabard's own.
        data: base documents; ``None`` if they aren't known, then references to them aren't checked.
        options: from the configuration.
        tests: sources of the files with tests, which must not hold rules to serve.

    Raises:
        PolicyBrokenError: with every problem that was found.
    """
    findings = _Findings()
    try:
        parsed, ours, index = _check(engine, (modules, tests or {}), data, options.offers, findings)
    except RecursionError as error:
        message = "terms or rules are nested too deeply to be followed"
        findings.add([PolicyProblem(next(iter(modules), ""), 0, 0, "limit", message, "Nest less")])
        raise PolicyBrokenError(findings.told()) from error
    compiled: list[Policy] = []
    # The engine would read the schemas that METADATA names.
    compilable = len(parsed) == len(modules) and not findings.has("metadata_schemas")
    reached_modules = ours
    if options.whole_library:
        ours = library_modules(index)
    for job in _jobs(parsed, modules, ours) if compilable else ():
        try:
            compiled.append(_compile(engine, job, data or {}, options))
        except EngineError as error:
            findings.add(problems_of(error))
    if findings.broken:
        for policy in compiled:
            policy.close()
        raise PolicyBrokenError(findings.told())
    mask = compiled[1] if len(compiled) > 1 else None
    reads = ALL_PATHS
    if options.remote:
        reads = input_paths([*parsed.values(), *parse_modules(engine, reached_modules).values()])
    return Compiled(compiled[0], mask, index, tuple(sorted(findings.problems)), reads)


def _check(
    engine: Engine,
    sources: tuple[Mapping[str, str], Mapping[str, str]],
    data: Mapping[str, Json] | None,
    offers: Offers,
    findings: _Findings,
) -> tuple[dict[str, Node], dict[str, str], RuleIndex]:
    """Check modules and tests, add what is found, and return the parsed modules, our sources for them, and their rules.

    Raises:
        RecursionError: something is nested more deeply than it can be followed.
    """
    modules, tests = sources
    findings.add(check_tests(_parse_all(engine, tests, findings)))
    parsed = _parse_all(engine, modules, findings)
    own, ours = _parse_own(engine, parsed, findings)
    everything = [*parsed.values(), *own.values()]
    world = World(library_paths(everything), simple_functions(everything), required_arguments(offers.tools))
    findings.add(check_owners(parsed))
    for file, module in parsed.items():
        found = check_module(file, module, world)
        # What a module that can't be parsed defines isn't known.
        findings.add(one for one in found if len(parsed) == len(modules) or one.code != "rule_unknown")
        findings.add(check_metadata(file, module))
    reach = Reach((), {})
    if not findings.broken:  # the rules are followed once each of them is what it seems
        reach = check_reach(parsed, own, data, offers)
        findings.add(reach.problems)
    if not any(package_path(module)[:1] == ("policy",) for module in parsed.values()) and not findings.broken:
        file = next(iter(modules), "")
        findings.add([PolicyProblem(file, 0, 0, "empty", "no module is in package policy.<name>", "Add one")])
    index = replace(index_rules(parsed, own), facts=reach.facts)
    return parsed, ours | _entry(index), index


def _parse_own(
    engine: Engine, modules: Mapping[str, Node], findings: _Findings
) -> tuple[dict[str, Node], dict[str, str]]:
    """Parse the entrypoint and the modules of the library that the policy reaches; return the library's sources, too."""
    sources = library_modules()
    entry = {file: sources.pop(file) for file in [_LIBRARY_PREFIX + entrypoint.FILE]}

    def parse(file: str, source: str) -> Node | None:
        return _parse_all(engine, {file: source}, findings).get(file)

    found = reached(modules.values(), sources, parse)
    parsed = _parse_all(engine, entry, findings) | {file: one.module for file, one in found.items()}
    return parsed, {file: one.source for file, one in found.items()}


def read_policy(
    engine: Engine,
    path: Path,
    keys: BundleKeys | None,
    *,
    trusted: bool = False,
    sizes: Sizes = USUAL_SIZES,
) -> PolicySource:
    """Read the policy at ``path``; arguments as for :func:`load_source`.

    Raises:
        PolicyBrokenError: it can't be read; with the syntax errors of the modules beside what can't be read.
    """
    return _read(engine, lambda: load_source(path, keys, trusted=trusted, sizes=sizes))


def read_bundle_policy(
    engine: Engine, content: bytes, shown: Path, keys: BundleKeys | None, sizes: Sizes = USUAL_SIZES
) -> PolicySource:
    """Read the policy in a bundle's content; arguments as for :func:`load_bundle`, errors as for :func:`read_policy`."""
    return _read(engine, lambda: load_bundle(content, shown, keys, sizes))


def _read(engine: Engine, read: Callable[[], PolicySource]) -> PolicySource:
    try:
        return read()
    except PolicyBrokenError as error:
        findings = _Findings([*error.problems])
        _parse_all(engine, error.modules, findings)
        raise PolicyBrokenError(findings.problems) from error


def parse_modules(engine: Engine, modules: Mapping[str, str]) -> dict[str, Node]:
    """Parse sources.

    Raises:
        PolicyBrokenError: with every syntax error.
    """
    findings = _Findings()
    parsed = _parse_all(engine, modules, findings)
    if findings.broken:
        raise PolicyBrokenError(findings.problems)
    return parsed


def library_modules(index: RuleIndex | None = None) -> dict[str, str]:
    """Return Tabard's own modules under names that no user's file has.

    ``index`` has the rules of the policy that they are compiled with; if given, the entrypoint is written out for them.
    """
    own = {_LIBRARY_PREFIX + name: source for name, source in library().items()}
    return own if index is None else own | _entry(index)


def _entry(index: RuleIndex) -> dict[str, str]:
    return {_LIBRARY_PREFIX + entrypoint.FILE: entrypoint.write_entrypoint(index)}


def _parse_all(engine: Engine, modules: Mapping[str, str], findings: _Findings) -> dict[str, Node]:
    parsed: dict[str, Node] = {}
    size = sum(len(source) for source in modules.values())
    if size > MAX_REGO_BYTES:
        message = f"the modules have {size} characters; {MAX_REGO_BYTES} are accepted"
        findings.add([PolicyProblem("", 0, 0, "limit", message, "Move constants to data files")])
        return parsed
    for file, source in modules.items():
        try:
            parsed[file] = engine.parse(file, source)
        except EngineError as error:
            findings.add(problems_of(error))
    return parsed


@dataclass(frozen=True, slots=True)
class _Job:
    """One compilation: the decision and the mask are compiled apart, for a mask's input is a decision record."""

    entrypoint: str
    modules: Mapping[str, str]
    input_schema: Json


def _jobs(parsed: Mapping[str, Node], modules: Mapping[str, str], own: Mapping[str, str]) -> list[_Job]:
    masks = {file for file, module in parsed.items() if package_path(module) == ("system", "log")}
    helpers = {file for file, module in parsed.items() if package_path(module)[:1] == ("lib",)}

    def job(entrypoint: str, files: set[str], input_schema: Json) -> _Job:
        return _Job(entrypoint, {**own} | {file: modules[file] for file in sorted(files)}, input_schema)

    jobs = [job(ENTRYPOINT, set(parsed) - masks, schema("input"))]
    masked = any(rule.name == "mask" for file in masks for rule in rules(parsed[file]))
    return [*jobs, job(MASK, masks | helpers, None)] if masked else jobs


def _compile(engine: Engine, job: _Job, data: Mapping[str, Json], options: CompileOptions) -> Policy:
    return engine.compile(
        job.modules,
        with_settings(data, options),
        entrypoints=[job.entrypoint],
        withheld=_withheld(options),
        allow_net=_reached(options),
        input_schema=job.input_schema,
        strict=True,
        deadline_seconds=(PATIENT_SECONDS if options.patient else COMPILE_SECONDS)
        + max(0, options.sizes.data_mib - USUAL_SIZES.data_mib) * _SECONDS_PER_MIB,
        apart=options.apart,
        # A mask is evaluated on records, which all differ.
        remembered_bytes=options.remembered_bytes if job.entrypoint == ENTRYPOINT else 0,
    )


def with_settings(data: Mapping[str, Json], options: CompileOptions) -> dict[str, Json]:
    """Return a policy's data with what Tabard's library reads of the configuration."""
    return {**data, "tabard": {"settings": {"accept_asserted_intent": options.accept_asserted_intent}}}


def capabilities(options: CompileOptions) -> dict[str, Json]:
    """Return OPA's capabilities without the withheld builtins, as ``opa`` reads them."""
    allowed = default_capabilities()
    withheld, reached_hosts = _withheld(options), _reached(options)
    allowed["builtins"] = [builtin for builtin in allowed["builtins"] if builtin["name"] not in withheld]
    return allowed if reached_hosts is None else {**allowed, "allow_net": list(reached_hosts)}


def _withheld(options: CompileOptions) -> frozenset[str]:
    return frozenset({*WITHHELD, *(WITHHELD_REMOTE if options.remote else ())}) - options.insecure_builtins


def _reached(options: CompileOptions) -> tuple[str, ...] | None:
    """Return the hosts that builtins may reach; ``None`` for any."""
    return None if options.insecure_builtins & _NETWORK else ()
