"""Policies: what a change may do, as data. The judgement is over effects, never over a command's wording.

A policy is a YAML or JSON document (see docs/policy.md). A field left out keeps its default, so the
default policy is the empty document and every policy starts from it. Loading is strict: what is not
understood is refused, and so is a rule that raises while judging. The digest is computed from the
content every time it is asked for. A policy here is one of limits and conditions; who may approve
what, and how much may be used, are questions of the decision and of budgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec

from ..facts import Error, Schema, canonical_json
from ..worlds import registry
from ..worlds.documents import load_document
from ..worlds.expressions import BadExpression
from ..worlds.filesystem.schema import SCHEMA as FILESYSTEM
from . import rules
from .decision import Breach
from .invariants import Questions, invariant
from .measured import Bound, bounds
from .risk import Risk
from .rules import PATHS, Judged, Rule, Subject

DEFAULT_PROTECT = (
    ".git/",
    ".ssh/",
    ".gnupg/",
    ".aws/",
    ".azure/",
    ".kube/",
    "**/.config/gcloud/",
    "**/.docker/config.json",
    ".env",
    ".env.*",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "credentials.y*ml",
    "credentials.toml",
    "credentials.ini",
    "credentials.xml",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.key",
    "*.pem",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
)
"""History, keys and credentials, by the names that they usually have."""


class BadPolicy(Error):
    number, title = "WG400", "policy is not well-formed"


class WrongWorld(BadPolicy):
    number, title = "WG401", "policy is for another world"


class BadInvariant(BadPolicy):
    number, title = "WG402", "invariant does not compile"


Count = Annotated[int, msgspec.Meta(ge=0)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most so many paths, and bytes of content, in the net effect of a run; null for no limit."""

    deleted: Count | None = 100
    changed: Count | None = None
    created: Count | None = None
    moved: Count | None = None
    bytes_deleted: Count | None = None
    bytes_changed: Count | None = None
    bytes_created: Count | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy for any world."""

    version: Literal[1]
    world: str = "filesystem"
    mode: Literal["enforce", "shadow"] = "enforce"
    note: str = ""
    edits: dict[str, Count] = {}
    measures: dict[str, Bound] = {}
    invariants: dict[str, str] = {}


class FilesystemDocument(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy for directories."""

    writable: tuple[str, ...] = ("./",)
    protect: tuple[str, ...] = DEFAULT_PROTECT
    allow_escape_links: bool = False
    allow_outside_links: bool = False
    allow_set_id: bool = False
    allow_world_writable: bool = False
    allow_network: bool = False
    limits: Limits = Limits()
    max_deleted_percent: Percent | None = None


class MarketDocument(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy for the market. `risk` may be left out; nothing is asked about futures then."""

    risk: Risk | msgspec.UnsetType = msgspec.UNSET


KINDS: dict[str, type[Document]] = {"filesystem": FilesystemDocument, "market": MarketDocument}
"""Documents of worlds whose policies can say more than those of any."""


@dataclass(frozen=True)
class Policy:
    """A compiled policy. `judge` is pure; two policies of one document judge alike."""

    name: str
    document: Document
    transition: tuple[Rule, ...]
    final: tuple[Rule, ...]

    @classmethod
    def default(cls, world: str = "filesystem", schema: Schema | None = None) -> Policy:
        """What is enforced when no policy is given."""
        return make_policy({"version": 1, "world": world}, "default", schema)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the whole document, defaults written out."""
        return sha256(canonical_json(self.document)).hexdigest()

    @property
    def enforced(self) -> bool:
        """Whether a breach refuses; in shadow mode it is only reported."""
        return self.document.mode == "enforce"

    @property
    def risk(self) -> Risk | None:
        """What is asked about the futures of a plan; `judge` does not answer it."""
        document = self.document
        return document.risk or None if isinstance(document, MarketDocument) else None

    def judge(self, judged: Judged) -> list[Breach]:
        """Every breach: of the transition rules for a step, and also of the final ones for a whole run."""
        subject, touched = Subject(judged), {edit.relation for edit in judged.delta}
        found: list[Breach] = []
        for rule in self.transition if judged.step else self.transition + self.final:
            if rule.relations is None or not rule.relations.isdisjoint(touched):
                found += _judge(rule, subject)
        return found


def _judge(rule: Rule, subject: Subject) -> list[Breach]:
    try:
        return list(rule.check(subject))
    except Exception as error:  # whatever it is, what could not be judged is refused
        return [subject.breach("WG442", rule.name, f"{rule.name} could not be judged: {error!r}", 1, 0, "")]


def load_policy(text: str, name: str = "policy", world: str | None = None, schema: Schema | None = None) -> Policy:
    """The policy of a YAML or JSON text; raises `BadPolicy` and its kinds.

    `world` is the one it must be for; `schema` is that world's, when it is not registered.
    """
    data = load_document(text, name, BadPolicy)
    said = data.get("world", "filesystem") if isinstance(data, dict) else world
    if world is not None and said != world:  # before its rules, which are another world's
        raise WrongWorld(f"{name}: {said}", world, f"Write `world: {world}`")
    return make_policy(data, name, schema)


def make_policy(data: Any, name: str, schema: Schema | None = None) -> Policy:
    """The policy of a document given as data. `schema` is its world's, when that is not registered."""
    if not isinstance(data, dict):
        raise BadPolicy(f"{name}: {type(data).__name__}", "a mapping with a version and rules")
    kind = KINDS.get(str(data.get("world", "filesystem")), Document)
    try:
        document = msgspec.convert(data, kind)
        canonical_json(document)
    except msgspec.ValidationError as error:
        raise BadPolicy(f"{name}: {error}", f"the fields of a policy: {', '.join(kind.__struct_fields__)}") from error
    except UnicodeEncodeError as error:
        raise BadPolicy(f"{name}: {error}", "Unicode text", "Write `?` for a byte that is not UTF-8.") from error
    return _compile(name, document, schema)


def _compile(name: str, document: Document, schema: Schema | None = None) -> Policy:
    transition: list[Rule] = []
    final: list[Rule] = []
    try:
        if schema is None:
            schema = FILESYSTEM if document.world == "filesystem" else registry.get(document.world).schema
        if isinstance(document, FilesystemDocument):
            transition += _transition(document)
            final += _amounts(document)
        if document.edits:
            for relation in document.edits:
                schema.relation(relation)
            final.append(rules.edit_limits(document.edits))
        if document.measures:
            transition += bounds(document.measures, registry.get(document.world), schema, _bad_measure(name))
        if isinstance(document, MarketDocument) and document.risk:
            document.risk.check()
        for title, text in document.invariants.items():
            final.append(invariant(schema, title, text, _questions(document.world)))
    except BadExpression as error:
        raise BadInvariant(f"{name}: {title}: {error.found}", error.expected) from error
    except Error as error:
        raise BadPolicy(f"{name}: {error.title}: {error.found}", error.expected, error.do) from error
    return Policy(name, document, tuple(transition), tuple(final))


def _questions(world: str) -> Questions:
    """What a registered world can be asked."""
    known = registry.get(world) if world in registry.names() else None
    return tuple(getattr(known, "questions", {}).items())


def _bad_measure(name: str) -> Callable[[str, str], BadPolicy]:
    return lambda found, expected: BadPolicy(f"{name}: measures: {found}", expected)


def _transition(document: FilesystemDocument) -> list[Rule]:
    """What no step may do, whatever a later one makes of it."""
    forbidden = (
        (document.allow_escape_links, "allow_escape_links", PATHS, rules.no_escape),
        (document.allow_outside_links, "allow_outside_links", PATHS, rules.no_outside),
        (document.allow_set_id, "allow_set_id", PATHS, rules.no_set_id),
        (document.allow_world_writable, "allow_world_writable", PATHS, rules.no_world_writable),
        (document.allow_network, "allow_network", None, rules.no_network),
    )
    found = [Rule(name, relations, check) for allowed, name, relations, check in forbidden if not allowed]
    if document.protect:
        found.insert(0, rules.protect(document.protect))
    if document.writable != ("./",):
        found.insert(0, rules.writable(document.writable))
    return found


def _amounts(document: FilesystemDocument) -> list[Rule]:
    limits = {name: getattr(document.limits, name) for name in rules.LIMITS}
    found = [rules.limit(name, most) for name, most in limits.items() if most is not None]
    if document.max_deleted_percent is not None:
        found.append(rules.share(document.max_deleted_percent))
    return found


def with_protect(policy: Policy, globs: tuple[str, ...] | list[str]) -> Policy:
    """The policy that also protects what these globs match."""
    document = _filesystem(policy, "protect")
    return _replaced(policy, protect=tuple(dict.fromkeys((*document.protect, *globs))))


def allow_net(policy: Policy) -> Policy:
    """The policy that lets a run have the network."""
    _filesystem(policy, "allow_network")
    return _replaced(policy, allow_network=True)


def _filesystem(policy: Policy, field: str) -> FilesystemDocument:
    if not isinstance(policy.document, FilesystemDocument):
        raise BadPolicy(f"{field} in a policy for {policy.document.world}", "a policy for filesystem")
    return policy.document


def _replaced(policy: Policy, **fields: Any) -> Policy:
    return _compile(policy.name, msgspec.structs.replace(policy.document, **fields))


def explain(policy: Policy) -> str:
    """What is enforced, in a few lines."""
    document = policy.document
    lines = [f"policy {policy.name} {policy.digest[:12]} for {document.world}"]
    if not policy.enforced:
        lines.append("shadow: breaches are reported and do not refuse")
    if isinstance(document, FilesystemDocument):
        lines += _explain_filesystem(document)
    lines += [f"at most {most} edits of {relation}" for relation, most in document.edits.items()]
    lines += [f"{name}: {bound}" for name, bound in document.measures.items()]
    lines += [f"holds: {name}: {text}" for name, text in document.invariants.items()]
    lines += [str(policy.risk)] if policy.risk else []
    return "\n".join(lines)


def _explain_filesystem(document: FilesystemDocument) -> list[str]:
    where = "the workspace" if document.writable == ("./",) else ", ".join(document.writable) or "nothing"
    lines = [f"writable: {where}", f"protected: {', '.join(document.protect) or 'nothing'}"]
    refused = (
        (document.allow_escape_links, "links that lead out of the workspace"),
        (document.allow_outside_links, "changes to files linked from outside"),
        (document.allow_set_id, "set-id files"),
        (document.allow_world_writable, "world-writable paths"),
        (document.allow_network, "the network"),
    )
    denied = [what for allowed, what in refused if not allowed]
    lines.append(f"refused: {', '.join(denied) or 'nothing more'}")
    limits = {name: getattr(document.limits, name) for name in rules.LIMITS}
    lines += [f"at most {most} {name.replace('_', ' ')}" for name, most in limits.items() if most is not None]
    if document.max_deleted_percent is not None:
        lines.append(f"at most {document.max_deleted_percent} % of a top directory's files deleted")
    return lines
