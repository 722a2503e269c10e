"""Records sealed in data engines, beside the module alone and beside the official client in the same Spark job.

engines.py [RECORDS] prints a table. What each makes is checked before it is timed. An engine's identity transfer is the same job
with a function that gives back what it gets: what is left between that, the module's own time and the whole is keyferry's.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import keyferry
from keyferry import KeyRef, crypto

RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
CORES = os.cpu_count() or 1
#: The official client is measured on fewer, since it takes so much longer; its figure is a rate too.
OFFICIAL = min(RECORDS, 8_000)
RUNS = 3
KEY = crypto.generate_key()
os.environ["BENCH_KEY"] = KEY
os.environ["PYSPARK_PYTHON"] = sys.executable
REF = KeyRef.env("BENCH_KEY")
COLUMNS = ["name", "login", "password", "url", "description"]


def table(count: int) -> pa.Table:
    """Records as they are in companies: a password, no custom field."""
    n = range(count)
    return pa.table(
        {
            "name": [f"service {i}" for i in n],
            "login": [f"user-{i % 977}" for i in n],
            "password": [f"correct horse battery {i}" for i in n],
            "url": [f"https://host-{i % 499}.example.com" for i in n],
            "description": ["made for a measurement"] * count,
        }
    )


def timed(work) -> float:
    """Seconds of the middle one of some runs, after one that is not counted."""
    work()
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def check(sealed: pa.Table, count: int) -> None:
    """What was made opens again, all of it there."""
    assert sealed.num_rows == count, (sealed.num_rows, count)
    some = sealed.slice(count // 2, 100)
    opened = pa.table(crypto.decrypt_records(some, KEY))
    numbers = sorted(int(name.split()[1]) for name in opened["name"].to_pylist())
    assert sorted(opened["password"].to_pylist()) == sorted(f"correct horse battery {n}" for n in numbers)


def in_spark(folder: Path) -> dict[str, float]:
    from pyspark.sql import SparkSession

    import keyferry.spark

    spark = (
        SparkSession.builder.master(f"local[{CORES}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", str(folder / "spark"))
        .config("spark.sql.files.maxPartitionBytes", "64m")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")

    def same(batches):
        yield from batches

    def official(batches):
        """What the SDK's own create_item does to each record: a key, and envelopes under it."""
        from passwork_client.crypto import encrypt_aes, generate_key

        key = os.environ["BENCH_KEY"]
        for batch in batches:
            rows = batch.to_pylist()
            for row in rows:
                record_key = generate_key()
                row["passwordEncrypted"] = encrypt_aes(row.pop("password"), record_key)
                row["keyEncrypted"] = encrypt_aes(record_key, key)
            yield pa.RecordBatch.from_pylist(rows)

    def run(df) -> None:
        df.write.format("noop").mode("overwrite").save()

    df = spark.read.parquet(str(folder / "plain")).select(*COLUMNS)
    few = spark.read.parquet(str(folder / "few")).select(*COLUMNS)
    sealed = keyferry.spark.seal(df, REF)
    check(sealed.toArrow(), RECORDS)
    text = ", ".join(f"{name} string" for name in COLUMNS if name != "password")
    theirs = few.mapInArrow(official, f"{text}, passwordEncrypted string, keyEncrypted string")
    check(theirs.toArrow(), OFFICIAL)
    made = {
        "identity": timed(lambda: run(df.mapInArrow(same, df.schema))),
        "sealed": timed(lambda: run(sealed)),
        # Of the same few records, so that neither is measured by its start alone.
        "official": timed(lambda: run(theirs)),
    }
    spark.stop()
    return made


def in_ray(folder: Path) -> dict[str, float]:
    import ray
    import ray.data

    import keyferry.ray

    ray.init(num_cpus=CORES, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False, _temp_dir=str(folder / "ray"), object_store_memory=1 << 30)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ds = ray.data.read_parquet(str(folder / "plain")).materialize()
    check(pa.concat_tables(ray.get(keyferry.ray.seal(ds, REF).to_arrow_refs())), RECORDS)
    made = {
        "identity": timed(lambda: ds.map_batches(lambda batch: batch, batch_format="pyarrow", batch_size=None, zero_copy_batch=True).materialize()),
        "sealed": timed(lambda: keyferry.ray.seal(ds, REF).materialize()),
    }
    ray.shutdown()
    return made


def in_dask(folder: Path) -> dict[str, float]:
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    import keyferry.dask

    dask.config.set({"temporary-directory": str(folder / "dask")})
    with LocalCluster(n_workers=CORES, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        ddf = dd.read_parquet(folder / "plain")[COLUMNS].persist()
        sealed = keyferry.dask.seal(ddf, REF)
        check(pa.Table.from_pandas(sealed.compute(), preserve_index=False), RECORDS)
        return {
            "identity": timed(lambda: ddf.map_partitions(lambda part: part, meta=ddf._meta).map_partitions(len).compute()),
            "sealed": timed(lambda: sealed.map_partitions(len).compute()),
        }


def main() -> None:
    plain = table(RECORDS)
    check(pa.table(crypto.encrypt_records(plain, KEY)), RECORDS)
    module = timed(lambda: crypto.encrypt_records(plain, KEY))
    with tempfile.TemporaryDirectory(prefix="kf", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        parts = 4 * CORES
        for place, count in [("plain", RECORDS), ("few", OFFICIAL)]:
            (folder / place).mkdir()
            for part in range(parts):
                first, last = count * part // parts, count * (part + 1) // parts
                pq.write_table(plain.slice(first, last - first), folder / place / f"{part}.parquet")
        engines = {"Spark": in_spark(folder), "Ray": in_ray(folder), "Dask": in_dask(folder)}
    print(f"{RECORDS} records, {CORES} cores, {platform.machine()}, Python {platform.python_version()}, keyferry {keyferry.__version__}\n")
    print(f"{'':34}{'records/s':>12}{'identity':>12}{'share':>8}")
    print(f"{'the module on all cores':34}{RECORDS / module:>12,.0f}")
    for engine, seconds in engines.items():
        share = (seconds["identity"] + module) / seconds["sealed"]
        rate, same = RECORDS / seconds["sealed"], RECORDS / seconds["identity"]
        print(f"{engine:34}{rate:>12,.0f}{same:>12,.0f}{share:>8.2f}")
    theirs = OFFICIAL / engines["Spark"]["official"]
    print(f"{'the official client in Spark':34}{theirs:>12,.0f}")
    ratio = RECORDS / engines["Spark"]["sealed"] / theirs
    print(f"\nkeyferry in Spark against the official client in Spark: {ratio:.0f} x")
    print("share: (the engine's identity transfer + the module alone) / the whole; 1 is nothing lost between them")


if __name__ == "__main__":
    main()
