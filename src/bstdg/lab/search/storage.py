"""Where the trials of a search are kept, by URL, and which running ones belong to workers that died.

Storages that are files, SQLite's and Optuna's journal, have a folder of locks beside them, one that each worker holds:
the kernel gives it up with the process, however that dies. For storages on servers Optuna's heartbeat says who lives.
"""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bstdg import disk, locks
from bstdg.errors import BstdgError, InputError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

JOURNAL, SQLITE = "journal:///", "sqlite:///"
FORMS = "sqlite:///FILE.db, journal:///FILE.log or postgresql://USER@HOST/DATABASE"
PATIENCE = 60.0  # seconds that SQLite waits for another writer
CONNECTING = 10  # seconds that a server may take to answer
ATTEMPTS = 20  # at opening a database whose tables another worker is making
BEAT, GRACE = 15, 60  # seconds between heartbeats, and without one until a worker counts as gone
WORKER = "worker"  # whose a trial is

Lost = Callable[["Study", "FrozenTrial"], None]


@dataclass
class Storage:
    """A storage that was opened.

    Attributes:
        url: as it may be shown, without a password.
        optuna: the storage itself.
        folder: of the workers' locks; None where a server keeps the trials.
        lost: called after a dead worker's trial was marked as failed.
    """

    url: str
    optuna: BaseStorage
    folder: Path | None
    lost: Lost
    _unsigned: dict[int, float] = field(default_factory=dict)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A storage that fails inside is one line."""
        try:
            yield
        except Exception as error:
            failure: BaseException | None = error
            while failure is not None and not isinstance(failure, _failures()):
                failure = failure.__cause__ or failure.__context__  # Optuna's own handling of it may fail in turn
            if failure is None or isinstance(error, BstdgError):
                raise
            raise BstdgError(
                f"the storage {self.url} fails: {_first_line(failure)}; trials that are done are kept in it, and the "
                "same command goes on"
            ) from None

    @contextmanager
    def working(self) -> Iterator[str]:
        """Be a worker, seen to be alive by the others, while the context lasts; gives its name."""
        name = secrets.token_hex(8)
        if self.folder is None:
            yield name
            return
        with disk.naming(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with locks.hold(self.folder / name, self.folder):
            yield name

    def clear(self, study: Study) -> None:
        """Mark running trials of workers that died as failed, each once, and say so to `lost`."""
        from optuna.storages import fail_stale_trials
        from optuna.trial import TrialState

        if self.folder is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an experimental function of Optuna's
                fail_stale_trials(study)
            return
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        gone = [trial for trial in running if self._is_gone(trial)]
        if not gone:
            return
        with _one_at_a_time(self.folder / "clearing") as mine:
            for trial in gone if mine else ():
                _fail(study, trial, self.lost)

    def _is_gone(self, trial: FrozenTrial) -> bool:
        assert self.folder is not None  # noqa: S101
        worker = trial.user_attrs.get(WORKER)
        if worker is None:  # it has just been taken, or its worker died at that very moment
            return time.monotonic() - self._unsigned.setdefault(trial.number, time.monotonic()) > GRACE
        try:
            locks.look(self.folder / Path(str(worker)).name, self.folder)
        except InputError:
            return False
        return True


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[bool]:
    """Whether nobody else is at it."""
    try:
        with locks.hold(path, path):
            yield True
    except InputError:
        yield False


def _fail(study: Study, trial: FrozenTrial, lost: Lost) -> None:
    from optuna.exceptions import OptunaError
    from optuna.trial import TrialState

    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, OptunaError):  # another worker was sooner, or it has ended after all
        return
    lost(study, trial)


def open_at(url: str, lost: Lost) -> Storage:
    """Open the storage that a URL names; a file is made where there is none.

    Args:
        url: of SQLite, of Optuna's journal, or of a database server that SQLAlchemy knows.
        lost: given each trial of a worker that died, once it is marked as failed.

    Raises:
        InputError: Optuna or a driver is not installed, or the storage is none or cannot be reached; says which.
    """
    need_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    shown = _without_password(url)
    try:
        if url.startswith(JOURNAL):
            return Storage(shown, _journal(_file(url, JOURNAL)), _locks(_file(url, JOURNAL)), lost)
        options: dict[str, Any] = {}
        if url.startswith("sqlite"):
            path = _file(url, SQLITE)
            path.parent.mkdir(parents=True, exist_ok=True)
            options["engine_kwargs"] = {"connect_args": {"timeout": PATIENCE}}
            url, folder = f"{SQLITE}{path.resolve()}", _locks(path)
        else:
            folder = None
            options |= {"heartbeat_interval": BEAT, "grace_period": GRACE, "heartbeat_stale_trial_callback": lost}
            waits = {"connect_args": {"connect_timeout": CONNECTING}} if url.startswith("postgresql") else {}
            options["engine_kwargs"] = {"pool_pre_ping": True, **waits}
        return Storage(shown, _database(url, options), folder, lost)
    except (*_failures(), OSError, ValueError, RuntimeError, ImportError, AttributeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        lacking = "; install its driver, such as psycopg for PostgreSQL" if isinstance(error, ImportError) else ""
        raise InputError(f"cannot open the storage {shown}: {_first_line(error)}{lacking}") from None


def need_optuna() -> None:
    """Raise `InputError` where Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise InputError("a search needs Optuna: pip install 'bstdg[search]'") from None


def _database(url: str, options: dict[str, Any]) -> BaseStorage:
    """A database, whose tables several workers may be about to make."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    for attempt in range(ATTEMPTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the heartbeat is called experimental
                return RDBStorage(url, **options)
        except SQLAlchemyError as error:
            made_by_another = any(word in str(error).lower() for word in ("already exists", "unique", "duplicate"))
            if not made_by_another or attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.1 + 0.2 * secrets.randbelow(1000) / 1000)
    raise AssertionError


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def _file(url: str, form: str) -> Path:
    name = url.removeprefix(form).partition("?")[0]
    if not url.startswith(form) or not name or name == ":memory:":
        raise InputError(f"{url} names no file; give {form}FILE, with a fourth / where the path begins at the root")
    if (path := Path(name)).is_dir():
        raise InputError(f"{url}: {path} is a folder; give {form}{path}/FILE")
    return path


def _locks(path: Path) -> Path:
    return path.resolve().parent / f".{path.name}.workers"


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if url.startswith(JOURNAL):
        return url
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        raise InputError(f"--storage takes a URL, such as {FORMS}") from None


def _failures() -> tuple[type[Exception], ...]:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return (SQLAlchemyError, StorageInternalError)


def _first_line(error: BaseException) -> str:
    """What went wrong, without SQL and addresses of pages that explain it."""
    cause = error
    while (inner := cause.__cause__ or getattr(cause, "orig", None)) is not None:
        cause = inner
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0] if lines else type(cause).__name__
