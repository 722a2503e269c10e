"""Arrow tables as the native side may read them."""

from __future__ import annotations

import sys
from typing import Any


def aligned(table: Any) -> Any:
    """The same table, its buffers at addresses that may be read. Those that came over a connection or out of a pickle lie
    wherever they came to lie (Dask's do), and the native side reads offsets as the numbers that they are."""
    pa: Any = sys.modules.get("pyarrow")
    if pa is None:
        return table
    if type(table).__module__.partition(".")[0] == "pandas" and hasattr(table, "__arrow_c_stream__"):
        table = pa.table(table)
    if isinstance(table, pa.RecordBatch):
        columns = table.columns
    elif isinstance(table, pa.Table):
        columns = [chunk for column in table.columns for chunk in column.chunks]
    else:
        return table
    if all(buffer is None or buffer.address % 8 == 0 for column in columns for buffer in column.buffers()):
        return table
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return pa.ipc.open_stream(sink.getvalue()).read_all()
