"""The same calls for asyncio. Work runs outside the event loop; cancelling a task stops its job cleanly and waits until
what was in flight has ended."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, AsyncIterator, Callable, TypeVar

from . import environments, jobs
from ._native import Record, Stop
from .environments import Environment
from .jobs import Location, Plan, Report, Source, Undone

__all__ = [
    "audit",
    "connect",
    "export_file",
    "import_file",
    "migrate",
    "plan",
    "read",
    "records",
    "resume",
    "sync",
    "undo",
    "verify",
]

T = TypeVar("T")


async def connect(location: str, **options: Any) -> Environment:
    """See :func:`keyferry.connect`."""
    return await asyncio.to_thread(environments.connect, location, **options)


async def _job(call: Callable[..., T], *locations: Any, **options: Any) -> T:
    stop = options.setdefault("stop", Stop())
    running = asyncio.get_running_loop().run_in_executor(None, functools.partial(call, *locations, **options))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        # The job's own end is not of interest any more, but that it has come is.
        await asyncio.wait([running])
        raise


async def migrate(source: Source, sink: Location, **options: Any) -> Report:
    """See :func:`keyferry.migrate`."""
    return await _job(jobs.migrate, source, sink, **options)


async def import_file(file: Any, environment: Location, **options: Any) -> Report:
    """See :func:`keyferry.import_file`."""
    return await _job(jobs.import_file, file, environment, **options)


async def export_file(environment: Location, file: Any, **options: Any) -> Report:
    """See :func:`keyferry.export_file`."""
    return await _job(jobs.export_file, environment, file, **options)


async def resume(job: int, source: Source, sink: Location, **options: Any) -> Report:
    """See :func:`keyferry.resume`."""
    return await _job(jobs.resume, job, source, sink, **options)


async def verify(a: Source, b: Source, **options: Any) -> Report:
    """See :func:`keyferry.verify`."""
    return await _job(jobs.verify, a, b, **options)


async def plan(source: Source, sink: Location, **options: Any) -> Plan:
    """See :func:`keyferry.plan`."""
    return await _job(jobs.plan, source, sink, **options)


async def sync(source: Source, sink: Location, **options: Any) -> Report:
    """See :func:`keyferry.sync`."""
    return await _job(jobs.sync, source, sink, **options)


async def undo(job: int, environment: Location, **options: Any) -> Undone:
    """See :func:`keyferry.undo`."""
    return await _job(jobs.undo, job, environment, **options)


async def audit(location: Source, **options: Any) -> dict[str, Any]:
    """See :func:`keyferry.audit`."""
    return await _job(jobs.audit, location, **options)


async def read(source: Source, **options: Any) -> AsyncIterator[Record]:
    """Yields the records of any source one by one; see :func:`keyferry.read`."""
    stream = jobs.read(source, **options)
    while (record := await asyncio.to_thread(next, stream, None)) is not None:
        yield record


async def records(environment: Environment, path: Any = "", **select: Any) -> AsyncIterator[Record]:
    """Yields records one by one; see :meth:`keyferry.Environment.records`."""
    stream = environment.records(path, **select)
    while (record := await asyncio.to_thread(next, stream, None)) is not None:
        yield record
