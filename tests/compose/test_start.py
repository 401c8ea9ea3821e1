"""What a person finds after `make up`: everything healthy, the doctor content, the pages where they should be."""

import html
import json
import re
import subprocess
import urllib.request
from urllib.parse import urljoin, urlparse

from .conftest import ROOT, SCRIPTS, UID, get


def test_every_service_is_healthy_and_says_so_itself(cluster):
    for service, count in (("spark-master", 1), ("spark-worker", 2), ("jupyterlab", 1)):
        cluster.wait_healthy(service, count)
    said = cluster.compose("exec", "-T", "spark-master", "/opt/lab/spark/bin/healthcheck.py", "master")
    assert said.startswith("ALIVE, 2 workers, ")
    said = cluster.compose("exec", "-T", "jupyterlab", "/opt/lab/spark/bin/healthcheck.py", "jupyterlab")
    assert said.startswith("Jupyter Server ")


def test_a_healthy_start_logs_no_warning(cluster):
    assert "Starting Spark worker" in cluster.first_logs
    assert "Jupyter Server" in cluster.first_logs
    odd = [line for line in cluster.first_logs.splitlines() if re.search(r"WARN|ERROR|Exception|\[[WEC] |Traceback", line)]
    assert odd == []


def test_the_sample_is_there_without_a_download(cluster):
    assert len(list((cluster.storage / "data" / "flowers").glob("*/*.jpg"))) == 1000
    assert json.loads((cluster.storage / "models" / "flowers" / "bundle.json").read_text())["about"]["accuracy"] > 0.9


def test_the_doctor_finds_the_cluster_fit(cluster):
    told = json.loads(cluster.compose("exec", "-T", "jupyterlab", "inferlab", "doctor", "--json").splitlines()[-1])
    assert told["fit"], [finding for finding in told["findings"] if not finding["ok"]]


def test_make_doctor_and_make_url_work_as_the_readme_says(cluster):
    def make(target: str) -> subprocess.CompletedProcess:
        words = ["make", "--no-print-directory", target]
        return subprocess.run(words, cwd=ROOT, env=cluster.environment, capture_output=True, text=True, check=False)

    assert cluster.address in make("url").stdout
    done = make("doctor")
    assert done.returncode == 0, done.stdout
    assert "This Spark is fit for the lab." in done.stdout


def test_jupyterlab_asks_for_its_token(cluster):
    top = f"http://127.0.0.1:{cluster.port}"
    token = cluster.address.split("token=")[1]
    assert get(f"{top}/api/contents")[0] == 403
    assert get(f"{top}/api/contents?token=wrong")[0] == 403
    status, told = get(f"{top}/api/contents?token={token}")
    assert status == 200
    names = {entry["name"] for entry in json.loads(told)["content"]}
    assert names == {"notebooks", "share_storages"}
    assert get(f"{top}/api/terminals?token={token}")[0] == 200


def test_a_notebook_that_was_only_opened_and_saved_is_the_same_file(cluster):
    token = cluster.address.split("token=")[1]
    address = f"http://127.0.0.1:{cluster.port}/api/contents/notebooks/01_load_the_data.ipynb?token={token}"
    file = cluster.notebooks / "01_load_the_data.ipynb"
    before, model = file.read_bytes(), json.loads(get(address)[1])
    # What JupyterLab does when a kernel has started: it notes all that the kernel says of its language.
    model["content"]["metadata"]["language_info"] |= {"version": "3.13.0", "file_extension": ".py"}
    request = urllib.request.Request(address, json.dumps(model).encode(), {"Content-Type": "application/json"}, method="PUT")
    assert urllib.request.urlopen(request, timeout=20).status == 200
    assert file.read_bytes() == before


def test_a_hashed_password_opens_jupyterlab_too(cluster):
    make = "from jupyter_server.auth import passwd; print(passwd('seven tulips'))"
    hashed = cluster.compose("exec", "-T", "jupyterlab", "python", "-c", make).strip()
    script = (SCRIPTS / "log_in.py").read_text()
    words = ["run", "--rm", "--no-deps", "-T", "-e", "LAB_PASSWORD_HASH", "jupyterlab", "python", "-"]
    told = json.loads(cluster.compose(*words, given=script, LAB_PASSWORD_HASH=hashed).splitlines()[-1])
    assert told == {"wrong": 401, "seven tulips": 200}


def test_every_page_of_spark_opens_through_one_port(cluster):
    holder = cluster.python_in_background("hold.py", "pages")
    try:
        told = json.loads(holder.stdout.readline())
        assert told["page"] == f"http://127.0.0.1:{cluster.spark_port}/proxy/{told['app']}/"
        workers = [worker["id"] for worker in cluster.master()["workers"] if worker["state"] == "ALIVE"]
        assert len(workers) == 2
        tops = ["/", f"/proxy/{told['app']}/jobs/", f"/proxy/{told['app']}/executors/"]
        for path in [*tops, *(f"/proxy/{worker}/" for worker in workers)]:
            status, page = cluster.page(path)
            assert status == 200, path
            for link in links(path, page):
                assert cluster.page(link)[0] == 200, f"{link}, on {path}"
    finally:
        holder.communicate("")


def links(path: str, page: str) -> list[str]:
    """Where a page leads to, pages and what they are drawn with; all of it must be below the one port."""
    found = {urljoin(path, html.unescape(link)) for link in re.findall(r'(?:href|src)="([^"#]+)"', page)}
    addresses = [urlparse(link) for link in sorted(found) if not link.startswith(("javascript:", "data:"))]
    strangers = [
        address for address in addresses if address.netloc and address.hostname not in {"127.0.0.1", "spark.apache.org"}
    ]
    assert strangers == [], path
    return [address._replace(fragment="").geturl() for address in addresses if not address.netloc]


def test_what_executors_write_belongs_to_the_user_who_can_remove_it(cluster):
    written = cluster.storage / cluster.python("write.py").strip().splitlines()[-1]
    files = [written, *written.rglob("*")]
    assert len(files) > 4
    assert {file.lstat().st_uid for file in files} == {UID}
    remove = ["rm", "-r", str(written)]
    subprocess.run(remove, user=UID if UID else None, check=True)
    assert not written.exists()
