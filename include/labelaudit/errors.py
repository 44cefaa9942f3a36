"""The exception tree: one root, and one branch for each who must act.

    LabelauditError
    ├── ContractError        us: the contract is wrong; fails at once, names file and field
    ├── DeliveryRejected     the vendor: the delivery can't be taken; fails at once, with a report
    ├── StorageUnavailable   nobody yet: the object store did not answer; retried
    │   └── AccessDenied     whoever wrote it: an object is there, and we may not read it
    ├── StepTimedOut         us: a step took longer than the deployment allows
    ├── ReleaseConflict      nobody: another run published first; the run starts again from `find`
    ├── ReleaseInvalid       us or the customer: a release's files are not what its manifest says
    ├── RunExpired           us: a run's files are gone; trigger it again
    ├── AuditImpossible      us: the detector has nothing to work with; never reported as "0 issues"
    ├── InvalidInput         the caller of a public function
    │   ├── Undecided        the person who called: one of several must be chosen
    │   └── NotAFile         whoever put it there: a link, a pipe or a device where an object should be
    └── InternalError        us: a promise between our own steps was broken

A bad row of a file is a *reject*, which is data and never an exception. A message says what was found, where, and what
to do.
"""

import shlex
from collections.abc import Iterable


class LabelauditError(Exception):
    """Root of everything that Labelaudit raises on purpose."""


class ContractError(LabelauditError):
    """A contract can't be read, or contradicts itself. `problems` holds one line a finding."""

    def __init__(self, where: str, problems: list[str]):
        self.where = where
        self.problems = list(problems)
        super().__init__("\n".join(f"{where}: {problem}" for problem in self.problems))

    def __reduce__(self):
        return type(self), (self.where, self.problems)


class DeliveryRejected(LabelauditError):
    """A delivery can't be taken as it is. `code` is stable and short; the message is for the vendor."""

    def __init__(self, code: str, message: str):
        self.code = code
        super().__init__(message)

    def __reduce__(self):
        return type(self), (self.code, str(self))


class StorageUnavailable(LabelauditError):
    """The object store did not answer, or refused; trying again later may help."""


class StepTimedOut(LabelauditError):
    """A step took longer than the deployment allows, and was ended."""


class AccessDenied(StorageUnavailable):
    """The object, or a folder on the way to it, is there, and may not be read by us."""


class ReleaseConflict(LabelauditError):
    """Another run published a release of this dataset meanwhile; what was judged is out of date."""


class ReleaseInvalid(LabelauditError):
    """A published release's files are missing, changed, or more than its manifest names."""


class RunExpired(LabelauditError):
    """A step needs files of its run that retention has removed: the run was decided, or left alone, long ago."""


class AuditImpossible(LabelauditError):
    """Neither predictions nor a second annotator: no label can be judged."""


class InvalidInput(LabelauditError, ValueError):
    """An argument of a public function is not what its docstring asks for."""


class Undecided(InvalidInput):
    """A person must choose: `option` is what to say it with (`label` for `--label`), `choices` what there is."""

    def __init__(self, question: str, option: str, choices: Iterable[str]):
        self.question, self.option, self.choices = question, option, tuple(choices)
        shown = ", ".join(shlex.quote(name[:80]) for name in self.choices[:30])
        super().__init__(f"{question} Say --{option} with one of {shown}")

    def __reduce__(self):
        return type(self), (self.question, self.option, self.choices)


class NotAFile(InvalidInput):
    """Under `key` lies `problem` ("a symbolic link", …): never followed, never opened."""

    def __init__(self, key: str, problem: str):
        self.key, self.problem = key, problem
        super().__init__(f"{key!r} is {problem}; nothing below a store is followed")

    def __reduce__(self):
        return type(self), (self.key, self.problem)


class InternalError(LabelauditError):
    """A step was handed something that the step before never makes."""
