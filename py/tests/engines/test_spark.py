"""Spark: what goes in comes back, the data source reads and writes, guards hold, and nothing is left on disks."""

import os
import sqlite3
import sys
import threading
import time

import pyarrow as pa
import pytest
from planted import KEY, MARKER, OTHER, REFS, holders, plain_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

import keyferry
import keyferry.spark
from keyferry import KeyRef, crypto
from keyferry.errors import UsageError

ONE = KeyRef.env("PLANTED_KEY")
HOME = {"KEYFERRY_MASTER_PASSWORD": "planted master password"}


def start(scratch, **conf: str) -> SparkSession:
    os.environ |= {"PLANTED_KEY": KEY, "PLANTED_OTHER": OTHER, **HOME, "PYSPARK_PYTHON": sys.executable}
    # As on a cluster, where this is set for every process.
    os.environ["KEYFERRY_JOURNAL"] = str(scratch / "journal.db")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(scratch / "spark-local"),
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": f"file://{scratch / 'events'}",
        "spark.driver.memory": "1g",
        **conf,
    }
    (scratch / "events").mkdir(exist_ok=True)
    builder = SparkSession.builder.master("local[2,3]").appName("keyferry")
    for name, value in settings.items():
        builder = builder.config(name, value)
    # Java keeps the outputs that it is started with, and so do its workers: a file of ours.
    kept = os.dup(1), os.dup(2)
    with open(scratch / "spark.log", "ab") as log:
        os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
    try:
        return builder.getOrCreate()
    finally:
        os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        os.close(kept[0]), os.close(kept[1])


def printed(scratch) -> str:
    """What Spark and its workers have printed."""
    return (scratch / "spark.log").read_text(errors="replace")


@pytest.fixture(scope="module")
def spark(scratch):
    session = start(scratch, **{"spark.io.encryption.enabled": "true"})
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


CUSTOM = T.ArrayType(T.StructType([T.StructField(n, T.StringType()) for n in ["name", "type", "value"]]))
SCHEMA = T.StructType(
    [
        T.StructField("id", T.LongType(), False),
        T.StructField("vault", T.StringType()),
        T.StructField("name", T.StringType()),
        T.StructField("login", T.StringType()),
        T.StructField("password", T.StringType()),
        T.StructField("tags", T.ArrayType(T.StringType())),
        T.StructField("color", T.IntegerType()),
        T.StructField("favorite", T.BooleanType()),
        T.StructField("customs", CUSTOM),
    ]
)


def frame(spark, count: int = 300):
    return spark.createDataFrame([tuple(row[name] for name in SCHEMA.names) for row in plain_rows(count)], SCHEMA).repartition(4)


def by_id(df) -> list[dict]:
    return sorted((row.asDict(recursive=True) for row in df.collect()), key=lambda row: row["id"])


# --- seal and open -------------------------------------------------------------------------------------------------


def test_rows_come_back_under_their_own_keys(spark):
    sealed = keyferry.spark.seal(frame(spark), REFS, key_column="vault", keep=["id"])
    assert "password" not in sealed.columns and sealed.schema["id"] == SCHEMA["id"]
    assert MARKER not in str(sealed.collect())
    opened = keyferry.spark.open(sealed, REFS, key_column="vault")
    for row, expected in zip(by_id(opened), plain_rows(), strict=True):
        for name, value in expected.items():
            assert row[name] == ("" if name == "login" and value is None else value), name


def test_the_module_opens_what_spark_sealed(spark):
    sealed = keyferry.spark.seal(frame(spark).drop("vault"), ONE, keep=["id"]).toArrow()
    opened = pa.table(crypto.decrypt_records(sealed, KEY)).sort_by("id")
    assert opened["password"].to_pylist() == [row["password"] for row in plain_rows()]


def test_every_type_goes_through_that_is_kept(spark):
    df = frame(spark, 20).select(
        "*",
        F.current_timestamp().alias("at"),
        F.expr("timestamp_ntz'2026-01-02 03:04:05'").alias("local"),
        F.expr("date'2026-01-02'").alias("day"),
        F.expr("cast(1.5 as decimal(10,2))").alias("price"),
        F.expr("map('a', array(1, 2))").alias("map"),
        F.expr("named_struct('a', named_struct('b', array(1)))").alias("deep"),
        F.expr("cast('x' as binary)").alias("bytes"),
        F.expr("interval '1' day").alias("span"),
        F.lit(None).alias("nothing"),
    )
    kept = ["id", "at", "local", "day", "price", "map", "deep", "bytes", "span", "nothing"]
    sealed = keyferry.spark.seal(df, REFS, key_column="vault", keep=kept)
    for name in kept:
        assert sealed.schema[name] == df.schema[name]
    there, back = (frame.select(*kept[2:]).first() for frame in (df, sealed))
    assert there == back


def test_partitions_without_rows(spark):
    none = frame(spark, 20).where("name = 'nobody'")
    sealed = keyferry.spark.seal(none, REFS, key_column="vault", keep=["id"])
    assert sealed.count() == 0 and "passwordEncrypted" in sealed.columns
    assert keyferry.spark.open(sealed, REFS, key_column="vault").collect() == []
    few = frame(spark, 2).repartition(8)
    assert keyferry.spark.seal(few, REFS, key_column="vault", keep=["id"]).count() == 2


def test_large_files_in_cells(spark):
    files = T.ArrayType(T.StructType([T.StructField("name", T.StringType()), T.StructField("data", T.BinaryType())]))
    schema = T.StructType([T.StructField("name", T.StringType()), T.StructField("attachments", files)])
    data = os.urandom(5 << 20)
    df = spark.createDataFrame([("a", [("f.bin", data), ("g", b"")]), ("b", []), ("c", None)], schema)
    opened = keyferry.spark.open(keyferry.spark.seal(df, ONE), ONE).select("name", "attachments").collect()
    assert sorted(len(row.attachments) for row in opened) == [0, 0, 2]
    assert next(bytes(row.attachments[0].data) for row in opened if row.name == "a") == data


def test_columns_are_asked_for_before_any_job(spark):
    df = frame(spark, 20)
    unread = KeyRef.env("NOT_SET_ANYWHERE")
    for wrong, said in [
        (lambda: keyferry.spark.seal(df, unread, keep=["vault"]), "id"),
        (lambda: keyferry.spark.seal(df.withColumnRenamed("password", "Password"), unread, keep=["id", "vault"]), "Password"),
        (lambda: keyferry.spark.seal(df.withColumn("password", F.lit(7)), unread, keep=["id", "vault"]), "column password holds"),
        (lambda: keyferry.spark.seal(df.select("*", F.lit("x").alias("name")), unread, keep=["id", "vault"]), "two columns name"),
        (lambda: keyferry.spark.seal(df, REFS, key_column="nothing", keep=["id", "vault"]), "no such column"),
        (lambda: keyferry.spark.seal(df, KEY, keep=["id"]), "KeyRef"),
        (lambda: keyferry.spark.seal(df, unread, keep="id"), "list of columns"),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            wrong()
        assert KEY not in str(caught.value)
    with pytest.raises(TypeError, match="not pickled"):
        keyferry.spark.seal(df, KeyRef.from_bytes(KEY.encode()), keep=["id", "vault"])


def test_rows_that_cannot_be_sealed_or_opened(spark):
    df = frame(spark, 40)
    nobody = df.withColumn("vault", F.when(F.col("id") == 20, None).otherwise(F.col("vault")))
    with pytest.raises(Exception, match=r"partition \d, row \d+: column vault names no key|column vault names no key.*row") as caught:
        keyferry.spark.seal(nobody, REFS, key_column="vault", keep=["id"]).collect()
    assert MARKER not in str(caught.value)
    sealed = keyferry.spark.seal(df, REFS, key_column="vault", keep=["id"])
    wrong = sealed.withColumn("vault", F.when(F.col("id") == 20, "Infra" if plain_rows(20)[19]["vault"] == "HR" else "HR").otherwise(F.col("vault")))
    with pytest.raises(Exception, match="row") as caught:
        keyferry.spark.open(wrong, REFS, key_column="vault").collect()
    assert "DecryptError" in str(caught.value) and MARKER not in str(caught.value) and KEY not in str(caught.value)
    opened = by_id(keyferry.spark.open(wrong, REFS, key_column="vault", errors="column"))
    assert [row["id"] for row in opened if row["error"] is not None] == [20]
    assert opened[19]["password"] is None and opened[18]["password"] == plain_rows(20)[18]["password"]
    only = keyferry.spark.open(sealed, REFS, key_column="vault", keep=["id"], columns=["name"])
    assert only.columns == ["id", "vault", "name"] or set(only.columns) == {"id", "vault", "name"}


def test_no_shuffle_stands_between(spark):
    plan = keyferry.spark.seal(spark.createDataFrame([("Infra", "a", "b")], "vault string, name string, password string"), REFS, key_column="vault")
    assert "Exchange" not in plan._jdf.queryExecution().executedPlan().toString()


# --- the data source -----------------------------------------------------------------------------------------------


@pytest.fixture
def filled(embedded, tmp_path):
    place = embedded("filled")
    rows = [f"Infra,Team {n % 3}/Sub {n % 2},name {n},user,{MARKER}-{n}" for n in range(60)]
    rows += ["Infra,,top,root,x"] + [f"HR,,person {n},p,{MARKER}-hr-{n}" for n in range(5)]
    (tmp_path / "people.csv").write_text("vault,folder,name,login,password\n" + "\n".join(rows) + "\n")
    assert keyferry.import_file("people.csv", place).created == 66
    return "embedded:" + os.path.abspath(place.removeprefix("embedded:"))


def test_an_environment_is_a_table(spark, filled):
    keyferry.spark.register(spark)
    df = spark.read.format("keyferry").load(filled)
    assert "password" not in df.columns and df.count() == 66
    assert df.where("vault = 'Infra'").groupBy("path").count().count() == 7
    secret = keyferry.spark.read(spark, filled, columns=["vault", "path", "name", "password"], recordsPerPartition=10)
    assert secret.rdd.getNumPartitions() >= 6
    rows = {row.name: row for row in secret.collect()}
    assert len(rows) == 66 and rows["name 7"].password == f"{MARKER}-7" and rows["name 7"].path == ["Team 1", "Sub 1"]
    assert rows["top"].path == [] and rows["person 3"].vault == "HR"
    assert keyferry.spark.read(spark, filled, place="Infra/Team 1").count() == 20
    assert keyferry.spark.read(spark, filled, place=["HR"]).count() == 5


def test_passwords_that_are_not_selected_are_not_decrypted(spark, filled, tmp_path):
    with sqlite3.connect(tmp_path / "filled" / "environment.db") as db:
        changed = db.execute("UPDATE items SET password_encrypted = 'damaged' WHERE name = 'name 7'").rowcount
    assert changed == 1
    assert keyferry.spark.read(spark, filled).count() == 66
    assert keyferry.spark.read(spark, filled, columns=["name", "customs"]).count() == 66
    with pytest.raises(Exception, match="item ") as caught:
        keyferry.spark.read(spark, filled, columns=["name", "password"]).collect()
    assert MARKER not in str(caught.value)
    told = keyferry.spark.read(spark, filled, columns=["name", "password"], errors="column").collect()
    assert sum(row.error is not None for row in told) == 1 and len(told) == 66


@pytest.mark.parametrize("encryption", ["on"])
def test_rows_are_written_through_the_journal_and_never_twice(spark, embedded, tmp_path, encryption):
    place = "embedded:" + str(tmp_path / embedded("sink", encryption).removeprefix("embedded:"))
    keyferry.spark.register(spark)
    marks = tmp_path / "marks"
    marks.mkdir()

    def stumble(batches):
        """The first attempt of each partition fails after its rows were handed over."""
        from pyspark import TaskContext

        part = TaskContext.get().partitionId()
        yield from batches
        if not (marks / str(part)).exists():
            (marks / str(part)).touch()
            raise RuntimeError("the executor is gone")

    df = frame(spark, 200).drop("id").withColumn("path", F.array(F.lit("a/b"), F.col("login")))
    df = df.withColumn("path", F.expr("filter(path, one -> one is not null)"))
    staged = tmp_path / "staging"
    write = {"location": place, "staging": str(staged), "journal": str(tmp_path / "own.db")}
    df.mapInArrow(stumble, df.schema).write.format("keyferry").mode("append").options(**write).save()
    assert len(list(marks.iterdir())) >= 2, "no task failed: this test proves nothing"
    env = keyferry.connect(place)
    records = sorted((r.name, r.password, tuple(r.path), r.vault) for r in env.records())
    expected = sorted((r["name"], r["password"], ("a/b", *([r["login"]] if r["login"] else [])), r["vault"]) for r in plain_rows(200))
    assert records == expected
    assert not list(staged.iterdir()), "staged archives were left"
    # Again: everything is there already.
    df.write.format("keyferry").mode("append").options(**write).save()
    assert len(list(env.records())) == 200
    assert keyferry.undo(1, env, journal=tmp_path / "own.db").removed == 200


def test_what_is_staged_is_sealed(spark, embedded, tmp_path):
    place = "embedded:" + str(tmp_path / embedded("sink").removeprefix("embedded:"))
    keyferry.spark.register(spark)
    staged = tmp_path / "staging"

    def held(batches):
        yield from batches
        time.sleep(0.1)
        raise RuntimeError("planted failure")

    df = frame(spark, 50).drop("id")
    seen: list[str] = []
    done = threading.Event()

    def watch():
        while not done.is_set():
            if staged.exists():
                seen.extend(str(f) for f in staged.rglob("*") if f.is_file())
                assert not holders(staged, MARKER)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(Exception, match="planted failure"):
            df.mapInArrow(held, df.schema).write.format("keyferry").mode("append").option("location", place).option("staging", str(staged)).save()
    finally:
        done.set()
        watcher.join()
    assert seen and not [f for f in staged.rglob("*") if f.is_file()]
    assert list(keyferry.connect(place).records()) == []


def test_options_carry_no_secret(spark, filled):
    keyferry.spark.register(spark)

    def read(**options):
        return spark.read.format("keyferry").options(**{"location": filled, **options}).load()

    for options, said in [
        ({"masterKey": MARKER + "-key"}, "no reference"),
        ({"masterPassword": MARKER}, "no reference"),
        ({"vault_key": MARKER}, "no option carries a secret"),
        ({"passphrase": MARKER}, "no option carries a secret"),
        ({"location": f"https://u:{MARKER}@h"}, "holds a password"),
        ({"colums": "name"}, "colums is not known"),
        ({"columns": "name,Password"}, "no record has"),
        ({"location": "people.csv"}, "a location is"),
        ({"recordsPerPartition": "0"}, "whole number"),
    ]:
        with pytest.raises(Exception, match=said) as caught:
            read(**options).collect()
        assert MARKER not in str(caught.value)
    assert read(masterPassword="env:KEYFERRY_MASTER_PASSWORD").count() == 66


def test_wrong_writings_are_refused(spark, embedded, tmp_path):
    place = "embedded:" + str(tmp_path / embedded("sink").removeprefix("embedded:"))
    keyferry.spark.register(spark)
    df = frame(spark, 5)

    def write(df, mode="append", **options):
        df.write.format("keyferry").mode(mode).options(**{"location": place, **options}).save()

    for wrong, said in [
        (lambda: write(df), "id"),
        (lambda: write(df.drop("id"), mode="overwrite"), "append"),
        (lambda: write(df.drop("id", "vault")), "vault"),
        (lambda: write(df.drop("id").withColumn("vault", F.lit(None).cast("string"))), "names none"),
        (lambda: write(df.drop("id").withColumn("password", F.lit(1))), "column password holds"),
        (lambda: write(df.drop("id"), onConflict="never"), "onConflict"),
    ]:
        with pytest.raises(Exception, match=said) as caught:
            wrong()
        assert MARKER not in str(caught.value)
    write(df.drop("id", "vault"), vault="Infra")
    assert {record.vault for record in keyferry.connect(place).records()} == {"Infra"}


# --- disks ---------------------------------------------------------------------------------------------------------


def shuffled(spark, df, scratch, *words):
    """Shuffles a DataFrame, and answers which of Spark's local files hold one of these words while it stands there."""
    made = df.repartition(4, "id")
    made.persist()
    assert made.count() > 0
    found = holders(scratch / "spark-local", *words)
    made.unpersist()
    return found


def test_spills_event_log_output_and_exceptions(scratch):
    for active in [SparkSession.getActiveSession()]:
        if active is not None:
            active.stop()
    session = start(scratch, **{"spark.io.encryption.enabled": "false", "spark.io.compression.codec": "lz4", "spark.shuffle.compress": "false", "spark.shuffle.spill.compress": "false"})
    try:
        # Rows that come out of Python, so that no plan holds them.
        def rows_of(batches):
            for batch in batches:
                for number in batch["id"].to_pylist():
                    yield pa.RecordBatch.from_pylist([{**row, "id": number * 1_000 + row["id"]} for row in plain_rows(1_000)], schema=arrow)

        from pyspark.sql.pandas.types import to_arrow_schema

        arrow = to_arrow_schema(SCHEMA)
        plain = session.range(4).mapInArrow(rows_of, SCHEMA)
        # The positive control: plain rows do reach the disk here, and this search finds them.
        assert shuffled(session, plain, scratch, MARKER), "nothing was shuffled: this test proves nothing"
        session.stop()
        session = start(scratch, **{"spark.io.encryption.enabled": "false", "spark.shuffle.compress": "false"})
        plain = session.range(4).mapInArrow(rows_of, SCHEMA)
        sealed = keyferry.spark.seal(plain, REFS, key_column="vault", keep=["id"])
        assert not shuffled(session, sealed, scratch, MARKER, KEY, OTHER)
        with pytest.raises(UsageError, match="allow_unencrypted_spill") as caught:
            keyferry.spark.open(sealed, REFS, key_column="vault")
        assert "spark.io.encryption.enabled" in str(caught.value)
        # By name it is permitted, and then the rows do stand there.
        opened = keyferry.spark.open(sealed, REFS, key_column="vault", allow_unencrypted_spill=True)
        assert shuffled(session, opened, scratch, MARKER)
        wrong = sealed.withColumn("vault", F.lit("HR"))
        with pytest.raises(Exception, match="rows") as caught:
            keyferry.spark.open(wrong, REFS, key_column="vault", allow_unencrypted_spill=True).write.format("noop").mode("overwrite").save()
        for text in [str(caught.value), printed(scratch)]:
            assert MARKER not in text and KEY not in text and OTHER not in text
        assert "DecryptError" in printed(scratch), "Spark's output does not have the error: this test proves nothing"
        session.stop()
        session = start(scratch, **{"spark.io.encryption.enabled": "true", "spark.shuffle.compress": "false"})
        plain = session.range(4).mapInArrow(rows_of, SCHEMA)
        sealed = keyferry.spark.seal(plain, REFS, key_column="vault", keep=["id"])
        opened = keyferry.spark.open(sealed, REFS, key_column="vault")
        assert not shuffled(session, opened, scratch, MARKER)
    finally:
        session.stop()
    events = "".join(file.read_text(errors="replace") for file in (scratch / "events").rglob("*") if file.is_file())
    assert "SparkListenerTaskEnd" in events and "DecryptError" in events
    assert MARKER not in events and KEY not in events and OTHER not in events
