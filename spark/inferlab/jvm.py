"""The Java that Spark runs on: where it is, and how to make it start fast. This module does not start Spark's sessions.

`python -m inferlab.jvm` says which Java is used and makes its class-data archive; `make` calls it once.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pyspark

from inferlab.errors import Problem

OLDEST = 17  # Spark 4.3 runs on 17 and 21
# Spark names slf4j twice on its class path, and Java 21 refuses an archive for such a path. One jar that names the others was
# tried: Java 21 took the archive and was no faster for it (a session in 3.8 s either way; Java 17: 4.2 s, with archive 2.4 s).
ARCHIVES_UNTIL = 18
_INSTALL = (
    "Install one (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@21) or set JAVA_HOME."
)
_QUIET = "-Xlog:cds*=off -Xlog:class+path=off"  # it warns of every class that it leaves out


def java() -> Path:
    """The `java` to use: of `JAVA_HOME`, then of `PATH`. Raises `Problem` when there is none, or an older one than 17."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=os.path.join(home, "bin") if home else None)
    if not found:
        raise Problem(f"There is no Java {f'in JAVA_HOME={home}' if home else 'on the PATH'}, and Spark needs one.", _INSTALL)
    if _release(found) < OLDEST:
        said = _version(found)
        raise Problem(f"{found} is {said.splitlines()[0] if said else 'no Java'}; Spark needs {OLDEST} or newer.", _INSTALL)
    return Path(found).resolve()


def options() -> str:
    """Options for every JVM of Spark on this machine: its class-data archive where there is one that fits.

    The archive halves the start of a session (7 s to 3.5 s on two cores). A JVM that cannot use it goes on without.
    """
    if _release(java()) > ARCHIVES_UNTIL:
        return ""
    file = archive()
    return f"-XX:SharedArchiveFile={file} -Xshare:auto {_QUIET}" if file.is_file() else ""


def archive() -> Path:
    """Where the archive of this Java build and this Spark lies: beside the environment, named by both."""
    build = f"{_version(java())} {pyspark.__version__} {Path(pyspark.__file__).parent}"
    return Path(sys.prefix) / "share" / "inferlab" / f"spark-{hashlib.sha256(build.encode()).hexdigest()[:12]}.jsa"


def make_archive() -> Path | None:
    """Run one small Spark job and keep the classes it loaded, where Java has a use for them.

    Takes about 20 s; does nothing when the archive is there.
    """
    if _release(java()) > ARCHIVES_UNTIL:
        return None
    file = archive()
    if file.is_file():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        partial = Path(folder) / "spark.jsa"
        code = "from inferlab import cluster, jvm; jvm.rehearse(cluster.session('local[1]', app='class-data archive'))"
        environment = {**os.environ, "INFERLAB_JVM_OPTIONS": f"-XX:ArchiveClassesAtExit={partial} {_QUIET}"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
        if partial.is_file():  # a JVM without the feature leaves none, and Spark starts as it always did
            os.replace(partial, file)
    return file


def rehearse(spark) -> None:
    """Do once what the first job of a session does, so that its classes are in the archive, and see the JVM out."""
    from pyspark.sql.functions import udf

    df = spark.range(100).repartition(2).selectExpr("id", "cast(id as string) as path")
    df.withColumn("size", udf(len, "int", useArrow=False)("path")).write.format("noop").mode("overwrite").save()
    df.mapInArrow(lambda batches: batches, df.schema).toPandas()
    gateway = spark.sparkContext._gateway
    spark.stop()
    gateway.proc.stdin.close()  # the JVM ends with its standard input, and writes the archive when it ends
    gateway.proc.wait()


def _release(path: str | Path) -> int:
    """17 or 21; 8 for what calls itself 1.8; 0 for what is no Java."""
    match = re.search(r'version "(?:1\.)?(\d+)', _version(path))
    return int(match[1]) if match else 0


@cache  # each call starts a JVM, and a session asks more than once
def _version(path: str | Path) -> str:
    return subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr.strip()


def main() -> None:
    """Say what was found and make the archive."""
    try:
        print(f"Java: {java()}")
        archived = make_archive()
        print(f"Class-data archive: {archived.name if archived else 'none, this Java has no use for one'}")
    except Problem as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
