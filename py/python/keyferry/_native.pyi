"""The native half. Use the modules beside it: this is not an interface of its own."""

from os import PathLike
from pathlib import Path
from typing import Any, Callable, Iterator, Literal, final

class KeyferryError(Exception):
    """What every error of keyferry is."""

    kind: str
    where: str | None
    next_step: str | None

@final
class Record:
    """A record. Its ``repr`` names it and shows nothing that is secret; it is not pickled."""

    @property
    def id(self) -> str: ...
    @property
    def vault(self) -> str | None: ...
    @property
    def path(self) -> list[str]: ...
    @property
    def name(self) -> str: ...
    @property
    def login(self) -> str: ...
    @property
    def password(self) -> str | None: ...
    @property
    def url(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def color(self) -> int | None: ...
    @property
    def favorite(self) -> bool: ...
    @property
    def customs(self) -> list[Custom]: ...
    @property
    def attachments(self) -> list[Attachment]: ...
    def as_dict(self) -> dict[str, Any]:
        """Everything, in the clear."""

@final
class Custom:
    """A custom field: ``type`` is ``text``, ``password`` or ``totp``."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> str: ...

@final
class Attachment:
    """A file in a record; its length is that of its content."""

    @property
    def name(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    def __len__(self) -> int: ...

@final
class Stop:
    """Asks a job to stop, from any thread."""

    def __init__(self) -> None: ...
    def set(self) -> None: ...
    def is_set(self) -> bool: ...

@final
class Environment:
    @staticmethod
    def open(
        location: str,
        token: str | None = None,
        refresh_token: str | None = None,
        master_key: str | None = None,
        master_password: str | None = None,
        timeout: int = 120,
    ) -> Environment: ...
    @property
    def location(self) -> str: ...
    @property
    def encrypts(self) -> bool: ...
    @staticmethod
    def open_by(
        location: str,
        token: tuple[str, list[str]] | None = None,
        master_key: tuple[str, list[str]] | None = None,
        master_password: tuple[str, list[str]] | None = None,
        timeout: int = 120,
    ) -> Environment: ...
    def tree_json(self) -> str: ...
    def tokens(self) -> tuple[str | None, str | None]: ...
    def records(self, path: list[str], **select: Any) -> Records: ...
    def rows(
        self,
        places: list[list[str]],
        columns: list[str],
        errors: Literal["raise", "column"] = "raise",
        encrypted: bool = True,
        **select: Any,
    ) -> Rows: ...
    def public_key(self) -> str: ...
    def ring(self) -> Ring: ...

@final
class Records(Iterator[Record]):
    def __iter__(self) -> Records: ...
    def __next__(self) -> Record: ...

@final
class Rows(Iterator[Table]):
    """An environment's records as tables, one after the other."""

    def __iter__(self) -> Rows: ...
    def __next__(self) -> Table: ...

@final
class Ring:
    """Keys of vaults by id, in memory that is wiped; it is not pickled."""

    def __init__(
        self, references: list[tuple[str, str, list[str]]], given: list[tuple[str, Ring]] | None = None
    ) -> None: ...
    def __len__(self) -> int: ...

@final
class Pack:
    """An archive for whoever has the private key of a public one."""

    def __init__(self, path: PathLike[str], public_key: str, vault: str | None = None, at: str = "") -> None: ...
    def add(self, table: Any) -> None: ...
    def finish(self) -> int: ...

@final
class Schema:
    """The schema of an Arrow table: ``pyarrow.schema(...)`` takes it."""

    def __arrow_c_schema__(self) -> object: ...

@final
class Table:
    """An Arrow table: ``pyarrow.table(...)`` and ``polars.from_arrow(...)`` take it."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Pins:
    """What this process remembers of one environment's keys."""

    @staticmethod
    def of(host: str) -> Pins | None: ...
    def vault(self, id: str, wrapped: str | None, private_pem: str) -> None: ...
    def item(self, item: dict[str, Any], private_pem: str) -> None: ...
    def knows(self, vault: str) -> bool: ...

def error_kinds() -> list[str]: ...
def flags_as_parameters(text: str) -> str: ...
def encrypt(data: bytes, passphrase: str) -> str: ...
def decrypt_text(text: str, passphrase: str) -> str: ...
def decrypt(text: str, passphrase: str) -> bytes: ...
def base32_encode(data: bytes) -> str: ...
def base32_decode(text: str) -> bytes: ...
def generate_key() -> str: ...
def key_pair() -> tuple[str, str]: ...
def master_key(password: str, options: str) -> str: ...
def forget_keys() -> None: ...
def rsa_decrypt(data: str, private_pem: str) -> bytes: ...
def rsa_encrypt(data: str, public_pem: str) -> str: ...
def record_key(wrapped: str, key_encrypted: str, private_pem: str) -> str: ...
def encrypt_attachment(content: bytes, record_key: str | None) -> tuple[str, str, str]: ...
def decrypt_attachment(encrypted_key: str, encrypted_data: str, hash: str, record_key: str | None) -> bytes: ...
def attachment_hash(content: bytes) -> str: ...
def totp(secret: str, unix_seconds: int) -> str: ...
def encrypt_records(
    records: Any, vault_key: str | None, threads: int | None = None, keep: list[str] | None = None
) -> list[dict[str, Any]]: ...
def decrypt_records(
    items: Any, vault_key: str | None, threads: int | None = None, errors: Literal["raise", "return"] = "raise"
) -> list[Any]: ...
def encrypt_table(
    table: Any, vault_key: str | None, threads: int | None = None, keep: list[str] | None = None
) -> Table: ...
def decrypt_table(
    table: Any,
    vault_key: str | None,
    threads: int | None = None,
    errors: Literal["raise", "column"] = "raise",
    keep: list[str] | None = None,
) -> Table: ...
def seal_table(
    table: Any,
    ring: Ring,
    key_column: str | None = None,
    threads: int | None = None,
    keep: list[str] | None = None,
    at: str = "",
    first: int = 0,
) -> Table: ...
def open_table(
    table: Any,
    ring: Ring,
    key_column: str | None = None,
    threads: int | None = None,
    errors: Literal["raise", "column"] = "raise",
    keep: list[str] | None = None,
    columns: list[str] | None = None,
    at: str = "",
    first: int = 0,
) -> Table: ...
def sealed_schema(schema: Any, key_column: str | None = None, keep: list[str] | None = None) -> Schema: ...
def opened_schema(
    schema: Any,
    key_column: str | None = None,
    errors: Literal["raise", "column"] = "raise",
    keep: list[str] | None = None,
    columns: list[str] | None = None,
) -> Schema: ...
def record_columns() -> list[str]: ...
def item_columns() -> list[str]: ...
def rows_columns() -> list[str]: ...
def rows_schema(columns: list[str], errors: Literal["raise", "column"] = "raise") -> Schema: ...
def check_rows(schema: Any, has_vault: bool) -> None: ...
def read(source: tuple[Any, Any] | str | list[str], **given: Any) -> Records: ...
def default_journal() -> Path: ...
def disable_core_dumps() -> None:
    """Keeps this process's memory out of core dumps and from debuggers of the same user; never done unasked."""

def split_path(text: str) -> list[str]: ...
def transfer(
    source: tuple[Any, Any] | str | list[str],
    sink: tuple[Any, Any] | str | list[str],
    words: list[str],
    journal: str,
    resume: int | None = None,
    progress: Callable[[str, int, int | None], object] | None = None,
    stop: Stop | None = None,
    **given: Any,
) -> str: ...
def sync(
    source: tuple[Any, Any] | str | list[str],
    sink: tuple[Any, Any] | str | list[str],
    words: list[str],
    journal: str,
    delete: bool,
    max_delete: str | None = None,
    progress: Callable[[str, int, int | None], object] | None = None,
    stop: Stop | None = None,
    **given: Any,
) -> str: ...
def plan(
    source: tuple[Any, Any] | str | list[str],
    sink: tuple[Any, Any] | str | list[str],
    progress: Callable[[str, int, int | None], object] | None = None,
    stop: Stop | None = None,
    **given: Any,
) -> str: ...
def undo(
    job: int,
    environment: Environment,
    journal: str,
    progress: Callable[[str, int, int | None], object] | None = None,
    stop: Stop | None = None,
) -> str: ...
def audit(
    location: tuple[Any, Any] | str | list[str],
    now: int,
    days_old: int,
    days_ahead: int,
    min_score: int,
    access: bool,
    breached: PathLike[str] | None = None,
    progress: Callable[[str, int, int | None], object] | None = None,
    stop: Stop | None = None,
    **given: Any,
) -> str: ...
def verify(
    a: tuple[Any, Any] | str | list[str],
    b: tuple[Any, Any] | str | list[str],
    progress: Callable[[str, int, int | None], object] | None = None,
    stop: Stop | None = None,
    **given: Any,
) -> str: ...
