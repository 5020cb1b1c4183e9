"""options.py: TLS between the nodes, reads by lease, metrics for Prometheus."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import urllib.request

import insult
from kit import case, expect, free_port, wait_for


def run(*words, **more):
    subprocess.run(words, check=True, capture_output=True, timeout=30, **more)


class Authority:
    """Makes certificates by the openssl command. docs/wire.md says what a certificate must hold."""

    def __init__(self, where, name="ca"):
        self.where, self.name = where, name
        os.makedirs(where, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", self.path(name, "key"), "-out", self.path(name, "pem"))

    def path(self, name, kind):
        return os.path.join(self.where, f"{name}.{kind}")

    def certify(self, name, node, group=1):
        with open(self.path(name, "ext"), "w", encoding="utf-8") as f:
            f.write(f"subjectAltName=URI:urn:raftcore:{group}:{node}\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN=node {node}",
            "-keyout", self.path(name, "key"), "-out", self.path(name, "csr"))
        run("openssl", "x509", "-req", "-in", self.path(name, "csr"), "-CA", self.path(self.name, "pem"), "-CAkey", self.path(self.name, "key"),
            "-CAcreateserial", "-days", "2", "-extfile", self.path(name, "ext"), "-out", self.path(name, "pem"))

    def throw(self, name, port, data):
        """Sends bytes with a certificate, and waits until the other side closes."""
        context = ssl.create_default_context(cafile=self.path(self.name, "pem"))
        context.check_hostname = False
        context.set_alpn_protocols(["raftcore/1"])
        context.load_cert_chain(self.path(name, "pem"), self.path(name, "key"))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain) as s:
            s.sendall(data)
            with contextlib.suppress(OSError):
                while s.recv(65536):
                    pass

    def options(self, name):
        return ["--tls-ca", self.path(self.name, "pem"), "--tls-cert", self.path(name, "pem"), "--tls-key", self.path(name, "key")]


@case
def tls_between_the_nodes(make):
    """Members by certificates; strangers, another member's certificate and another authority are refused, and told."""
    with make() as k:
        ca = Authority(os.path.join(k.where, "tls"))
        for i in (1, 2, 3, 4):
            ca.certify(str(i), i)
        k.start(1, "--found", *ca.options("1"))
        for i in (2, 3):
            k.start(i, "--join", k.address(1), *ca.options(str(i)))
        wait_for("all are voters", lambda: all(k.status(i)["voters"] == "1,2,3" for i in (1, 2, 3)))
        leader = k.leader()
        expect(k.ask(leader, "SET", "a", "1"), "OK")
        insult.throw(k.peer[leader], insult.hello(4, to=leader), answer=True)           # without TLS
        assert "does not hold urn:raftcore:1:4" in k.ends(4, "--join", k.address(1), *ca.options("3"))
        ca.throw("3", k.peer[1], insult.hello(4, channel=insult.JOIN))                  # node 3 says that it is node 4
        wait_for("the forged id is told", lambda: re.search(r"certificate", k.log(1)))
        other = Authority(os.path.join(k.where, "other"), "other")
        other.certify("4", 4)
        told = len(k.log(4))
        k.start(4, "--join", k.address(1), *other.options("4"))
        wait_for("the other authority is told", lambda: re.search(r"certificate", k.log(4)[told:], re.I))
        expect(k.status(leader)["voters"], "1,2,3")
        k.kill(4)
        os.rename(k.disk(4), k.disk(4) + ".gone")
        k.start(4, "--join", k.address(1), *ca.options("4"))
        wait_for("node 4 is a voter", lambda: k.status(4)["voters"] == "1,2,3,4")
        ca.certify("1", 1)
        k.process[1].send_signal(signal.SIGHUP)
        wait_for("the certificate is read again", lambda: "the certificates are read again" in k.log(1))
        with open(ca.path("1", "key"), "w", encoding="utf-8") as f:
            f.write("no key\n")
        k.process[1].send_signal(signal.SIGHUP)
        wait_for("a bad key is told", lambda: re.search(r"SIGHUP: .*1\.key", k.log(1)))
        k.settle()


@case
def a_missing_certificate_is_told(make):
    with make() as k:
        words = k.ends(1, "--found", "--tls-ca", "/nonexistent/ca.pem", "--tls-cert", "/nonexistent/1.pem", "--tls-key", "/nonexistent/1.key")
        assert "/nonexistent/" in words, words


@case
def reads_by_lease(make):
    """The leader answers alone while its lease lasts, and not a moment longer: a leader that was stopped answers nothing old."""
    with make(options=["--lease-reads"]) as k:
        old = k.start_all()
        expect(k.ask(old, "SET", "x", "before"), "OK")
        expect(k.ask(old, "GET", "x"), b"before")
        c = k.connect(old)
        k.process[old].send_signal(signal.SIGSTOP)
        others = [i for i in k.founders if i != old]
        new = k.leader(other_than=old, among=others)
        expect(k.ask(new, "SET", "x", "after"), "OK")
        c.send("GET", "x")                              # waits in the socket of the stopped leader
        k.process[old].send_signal(signal.SIGCONT)
        try:
            expect(c.read(), b"after")
        except Exception as e:
            assert str(e).startswith("TRYAGAIN"), e
        k.settle()


@case
def metrics_for_prometheus(make):
    with make() as k:
        port = free_port()
        k.start(1, "--found", "--metrics", f"127.0.0.1:{port}")
        wait_for("node 1 leads", lambda: k.status(1)["role"] == "leader")
        for n in range(50):
            expect(k.ask(1, "SET", f"k{n}", n), "OK")

        def scrape():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as r:
                assert r.headers["Content-Type"].startswith("text/plain")
                return r.read().decode()

        text = scrape()
        for line in text.splitlines():
            assert re.fullmatch(r"# (HELP|TYPE) \w+ .*|\w+(\{[^}]*\})? [-+0-9.e]+(inf|nan)?", line, re.I), line
        values = dict(re.findall(r"^(\w+) (\d+)$", text, re.M))
        expect((values["raftcore_kv_keys"], values["raftcore_kv_writes_total"]), ("50", "50"))
        assert sum(name.endswith("_bucket") for name in re.findall(r"^(\w+)\{", text, re.M)) > 10, "no histograms"
        for insults in (b"", b"GET", b"\r\n\r\n", os.urandom(20000)):
            insult.throw(port, insults)
        scrape()
        k.alive()
