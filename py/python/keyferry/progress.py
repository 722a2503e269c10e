"""A progress bar, for those who have tqdm."""

from __future__ import annotations

from typing import Any

__all__ = ["Bar"]


class Bar:
    """Shows a job as a bar, one step after the other::

        with Bar() as bar:
            keyferry.migrate(source, sink, progress=bar)

    Takes tqdm's options, such as ``file`` and ``disable``.

    Raises:
        ModuleNotFoundError: tqdm is not installed.
    """

    def __init__(self, **options: Any) -> None:
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

        self._bar: Any = tqdm(unit=" records", **options)

    def __call__(self, step: str, done: int, total: int | None) -> None:
        if self._bar.desc != f"{step}: ":
            self._bar.reset(total)
            self._bar.set_description(step)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
