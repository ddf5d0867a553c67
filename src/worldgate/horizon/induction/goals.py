"""Goals: the values that facts of one table become, solved together, as one often follows from another.

A goal is a value or a field of a record. It has answers and a tree that chooses among them (`Chosen`). Where the simple
answers do not explain it, expressions are solved for; and as soon as a goal is explained but for a few rows (`NEARLY`),
what it becomes and how much it changes are terms for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations, product

from ...facts import INT, Type, Value
from .answers import Option, answers_for, values
from .arithmetic import Chosen, Extreme, Field, Made, Product, Stepped, Total, numbers
from .bits import sets
from .literals import Below, Is, Literal, NotAbove, Same, rows_of
from .solving import SAMPLE, Solver
from .some import some_such
from .study import Study
from .table import Term, packed, spaced
from .terms import Constant
from .texts import Length
from .tree import NO_ANSWER, Candidate, Tree, grow, leaves, routed
from .ways import ways
from .wording import worded

_MADE = Total | Product | Extreme | Stepped
MOST_ROUNDS = 6
"""How often goals are explained anew by what was found of others."""
HOPELESS = 8
"""A field of which more than one row in so many is not explained is worth no question: its record is wrong anyway."""
WORDED = 2
"""The same where words lead somewhere: much of what is said of that is never said again."""
LAST = 3
"""The level of literals that are searched for, as no others tell the answers apart."""
NEARLY = 5
"""What a value becomes is a term for others if it is wrong for no more than one row in so many."""
MOST_PARTS = 14
"""Number terms of the answers that are compared with one another."""


@dataclass(eq=False)
class Goal:
    """A value to explain in some rows: what it was (`keep`), what it became, what was found and is `news` to others.

    With `many` it is about each fact of a relation: if it can only stay as it was, that is worth no question.
    """

    name: str
    type: Type
    keep: Term
    after: list[Value | None]
    rows: int
    many: bool = False
    proposed: list[Term] = field(default_factory=list)
    news: list[Term] = field(default_factory=list)
    found: Chosen | None = None
    wrong: int = 0
    searched: list[Candidate] | None = None

    @property
    def clumsy(self) -> bool:
        """Whether a number takes more than one answer, of which staying as it was may be one: one expression may be all
        of them."""
        return self.type.kind == "int" and isinstance(self.keep, Field) and len(self.choice.answers) > 2

    @property
    def by_heart(self) -> bool:
        """The same of a number that need be no field."""
        return self.type.kind == "int" and len(self.choice.answers) > 2

    @property
    def known(self) -> bool:
        """Whether what it becomes is explained but for a few rows."""
        return self.wrong * NEARLY <= self.rows.bit_count()

    def missed(self, column: Sequence[Value | None]) -> int:
        """The rows in which it does not become these values."""
        return self.rows & ~packed(value == after for value, after in zip(column, self.after, strict=True))

    def others(self, study: Study) -> list[Term]:
        """What was found of other goals."""
        return [term for term in study.found if term not in self.news]

    @property
    def choice(self) -> Chosen:
        """What was found; settle first."""
        assert self.found is not None, self.name
        return self.found


def settle(study: Study, goals: Sequence[Goal], *, simply: bool = False) -> None:
    """Explain goals, those that follow from others after these; `simply`: by what needs no solving alone."""
    for goal in goals:
        options = [*values(study, goal.type, goal.keep, goal.after), *((term, 2) for term in goal.proposed)]
        if goal.type.kind == "int" and study.language.with_records and not simply and not goal.many:
            options += [(term, 2) for term in sets(study, goal.keep, goal.after)]
        own = bool(goal.proposed)
        if study.language.with_records and not simply and not goal.many and goal.type.kind in ("text", "ref"):
            goal.proposed += _worded(study, goal, [term for term, _ in options])
            options += [(term, 2) for term in goal.proposed]
        _choose(study, goal, options, own=own)
        _tell(study, goal)
    measured = any(isinstance(term, Length) for term in study.found)
    left = [goal for goal in goals if goal.wrong or goal.clumsy or (measured and goal.by_heart)]
    left = left if study.language.with_records and not simply else []
    known = dict[Goal, list[object]]()
    for turn in range(MOST_ROUNDS):
        for goal in left:
            others = goal.others(study)
            given = [turn > 0, goal.choice, *others]
            if known.get(goal) == given:
                continue  # it would be explained as before
            known[goal] = given
            lengths = [term for term in others if isinstance(term, Length)]
            if goal.type.kind == "int" and not (lengths and _measured(study, goal, lengths)):
                solve(study, goal, [goal.keep, *goal.choice.answers] if turn or lengths else [goal.keep])
            terms = study.language.of_type([*goal.proposed, *others], goal.type)
            options = [*((answer, 1) for answer in goal.choice.answers), *((term, 2) for term in terms)]
            _choose(study, goal, options, own=True)
            if goal.type.kind == "int" and goal.wrong:
                _untangle(study, goal, options)
            _tell(study, goal)
        left = [goal for goal in left if goal.wrong]


def _worded(study: Study, goal: Goal, terms: Sequence[Term]) -> list[Term]:
    """Wordings for the rows that none of these terms explains, where what is the same each time explains nothing."""
    left = goal.rows
    for term in terms:
        if not isinstance(term, Constant) or not term.value:
            left &= goal.missed(study.table.column(term))
    return worded(study, goal.type, goal.keep, goal.after, left)


def _measured(study: Study, goal: Goal, lengths: Sequence[Term]) -> bool:
    """Whether the lengths of texts, or these more than there was, explain a number."""
    more = [Total((goal.keep, length)) for length in lengths]
    options = [*values(study, goal.type, goal.keep, goal.after), *((term, 2) for term in (*lengths, *more))]
    _choose(study, goal, options, own=False)
    return not goal.wrong


def remembered(study: Study, goals: Sequence[Goal], found: Sequence[Chosen]) -> None:
    """Take over what was found of these goals before."""
    for goal, one in zip(goals, found, strict=True):
        goal.found, goal.wrong = one, goal.missed(study.table.column(one)).bit_count()
        _tell(study, goal)


def _tell(study: Study, goal: Goal) -> None:
    """What a goal becomes, if it is explained, is a term for others, in place of what was thought of it before."""
    if goal.known and goal.news[:1] != [goal.choice]:
        study.found = goal.others(study)
        goal.news = _news(goal.choice, goal.keep)
        study.found += goal.news


def _news(found: Chosen, keep: Term) -> list[Term]:
    """What an explained goal adds to the terms: what it becomes and by how much it changes."""
    if len(found.answers) < 2 or found.type.fields:
        return []
    return [found, Total((found,), (keep,))] if found.type.kind == "int" else [found]


def solve(study: Study, goal: Goal, answers: Sequence[Term], beside: Sequence[Term] = ()) -> None:
    """Propose expressions for rows that none of these answers explains, and others than those `beside`."""
    left = goal.rows & packed(value is not None for value in goal.after)
    for answer in answers:
        left &= goal.missed(study.table.column(answer))
    rows = list(rows_of(left, len(goal.after)))
    some = spaced(rows, SAMPLE)
    if len(some) > 1:
        language = study.language
        others = goal.others(study)
        found = language.of_type([*others, *_products(others, language.units[-1])], INT)
        terms = [*found, *language.own, *language.terms(1), *language.further, *language.units]
        terms = language.of_type(list(dict.fromkeys(terms)), INT)
        solver = Solver(terms, found, language.units, [study.table.rows[row] for row in some])
        known = [answer for answer in answers if isinstance(answer, _MADE)]
        goal.proposed += solver.solve(goal.keep, [goal.after[row] for row in some], known, beside)  # type: ignore[misc]


def _untangle(study: Study, goal: Goal, options: Sequence[Option]) -> None:
    """Explain the rows of the leaf with the most errors by expressions first: where no question tells which of two
    answers is right, the lower or the higher of them may need none, or another one."""
    missed = goal.missed(study.table.column(goal.choice))
    parts = (bits for _, bits in routed(goal.choice.tree, study.table, goal.rows))
    tangled = replace(goal, rows=max(parts, key=lambda bits: (bits & missed).bit_count()), proposed=[])
    solve(study, tangled, [goal.keep], goal.choice.answers)
    made = [(term, 2) for term in tangled.proposed]
    (_, *first), _ = answers_for(study, goal.keep, goal.after, tangled.rows, made)
    if first:
        kept = [(answer, 1) for answer in goal.choice.answers]
        _choose(study, goal, [(term, 1) for term in first], kept, options, own=True)


def _products(found: Sequence[Term], unit: Constant) -> list[Term]:
    """The products of what was found on the way and is no copy, by the largest unit."""
    numbers_found = [term for term in found if isinstance(term, Chosen) and term.type.kind == "int"]
    made = [term for term in numbers_found if any(isinstance(part, _MADE) for part in term.answers)]
    return [Product(*pair, unit) for pair in combinations(made, 2)]


def _choose(study: Study, goal: Goal, *options: Sequence[Option], own: bool) -> None:
    """The answers, and the tree that chooses among them, if it is better than what there was; see `answers_for`.

    With `own` there may be questions about the answers themselves.
    """
    answers, labels = answers_for(study, goal.keep, goal.after, goal.rows, *options)
    unexplained = labels.get(NO_ANSWER, 0).bit_count()
    many = WORDED if study.language.ways else HOPELESS
    hopeless = isinstance(goal.keep, Field) and unexplained * many > goal.rows.bit_count()
    # a rule about many facts that can only say "unchanged" is not worth its questions
    asks = not hopeless and (not goal.many or any(answer is not goal.keep for answer in answers))
    first = _own(study, goal, answers) if own and asks else []
    tree: Tree = grow(labels, (), goal.rows)
    wrong = sum(leaf.errors for _, leaf in leaves(tree))
    levels = (1, 2) if study.language.ways else (1, 2, LAST)  # walks say what linked facts do
    for level in levels if asks else ():
        if wrong <= unexplained:
            break
        if level == LAST and goal.searched is None:
            mixed = sum(bits for leaf, bits in routed(tree, study.table, goal.rows) if leaf.errors)
            whole = not isinstance(goal.keep, Field)
            goal.searched = [*ways(study, labels, mixed), *some_such(study, labels, mixed)] if whole else []
        more = (goal.searched or []) if level == LAST else []
        if level == LAST and not more:
            break
        tree = grow(labels, [*first, *study.candidates(min(level, 2)), *more], goal.rows)
        wrong = sum(leaf.errors for _, leaf in leaves(tree))
    if goal.found is None or (wrong, len(answers)) < (goal.wrong, len(goal.found.answers)):
        goal.found, goal.wrong = Chosen(goal.name, answers, tree, goal.type), wrong


def _own(study: Study, goal: Goal, answers: Sequence[Term]) -> list[Candidate]:
    """Questions about the answers themselves and what they are made of: which is more, and whether it is any or, of a
    record, nothing but zeros; and how what was found of others compares with the fact's own numbers."""
    literals: list[Literal] = []
    parts = list(dict.fromkeys([*answers, *(part for answer in answers for part in numbers(answer))]))
    ints = [part for part in parts if part.type.kind == "int" and not isinstance(part, Constant)][:MOST_PARTS]
    for part in ints:
        literals += [NotAbove(part, 0), NotAbove(part, -1)]
    literals += [Is(part, None) for part in parts if not isinstance(part, Constant)]
    made = [part for part in parts if isinstance(part, Made) and all(one.type.kind == "int" for one in part.parts)]
    literals += [Is(part, part.make(*(0 for _ in part.parts))) for part in made]
    literals += [Below(*pair) for pair in permutations(ints, 2)]
    language = study.language
    for pair in product(language.of_type(goal.others(study), INT), language.of_type(language.own, INT)):
        literals += [Same(*pair), Below(*pair)]
    known, found = {0, study.all}, []
    for literal in literals:
        bits = literal.bits(study.table)
        if bits not in known:
            known.add(bits)
            found.append((literal, bits))
    return found
