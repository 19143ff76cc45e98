"""Two hosts with a network between them, alice and bob: network namespaces, or containers on a Compose network.

Both kinds start a side (tests/lan/side) on a host, and do to the network and to a host what a fault needs. What a kind
cannot do raises Missing, which says why.
"""
import contextlib
import itertools
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMES = ("alice", "bob")
PORT = "7117"


class Missing(Exception):
    """What this machine, or this kind of hosts, has not got."""


class Failed(Exception):
    """What should have happened and did not."""


def run(*command, check=True, **options):
    """What the command writes; Failed with its error if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wait_until(holds, what, timeout=30):
    until = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > until:
            raise Failed(f"waited {timeout} s for {what}")
        time.sleep(0.1)


class Side:
    """A side that runs on a host, and what it reports."""

    def __init__(self, host, command):
        self.host = host
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        self._reports, self.latest = queue.Queue(), {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            report = json.loads(line)
            self.latest.update(report)
            self._reports.put(report)
        self._reports.put(None)

    def tell(self, order):
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def wait_for(self, key, timeout=120):
        """The next report that has `key`."""
        until = time.monotonic() + timeout
        while True:
            try:
                report = self._reports.get(timeout=max(0, until - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{self.host} did not report '{key}' within {timeout} s: {self.errors()}") from None
            if report is None:
                raise Failed(f"{self.host} ended without '{key}': {self.errors()}")
            if key in report:
                return report

    def errors(self):
        """The end of what it and its program said on standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:].strip()

    def end(self):
        """Its program's exit status."""
        status = self.wait_for("status")["status"]
        self._process.stdin.close()
        self._process.wait()
        return status

    def kill(self):
        """It kills its program when nobody gives it orders any more."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


class Hosts:
    """What both kinds share. A context manager, which leaves nothing behind."""

    def __init__(self):
        self._sides = []

    def side(self, host, role, *options):
        """Starts a side in that role ("ping 32 1000"); alice serves, bob is her client. Options are of its program."""
        if host == "alice":
            program = ["parley-server", "--once", "--bind", "0.0.0.0", "--port", PORT]
        else:
            program = ["parley-client", "--wait", f"{self.address_of_alice}:{PORT}"]
        return self._start(host, role, self.programs + program[0], *program[1:], "--name", host, *options)

    def bare_side(self, host, role):
        """The same with tests/lan/relay in place of the programs."""
        how = ["listen", PORT] if host == "alice" else ["connect", self.address_of_alice, PORT]
        return self._start(host, role, self.scripts + "/relay", *how)

    def _start(self, host, role, *program):
        self._sides.append(Side(host, self.on(host, self.scripts + "/side", *role.split(), "--", *program)))
        return self._sides[-1]

    def clear(self):
        """Ends what the last check has left running."""
        for side in self._sides:
            side.kill()
        self._sides.clear()

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.clear()
        self.remove()

    # --- the network, by the tools of Linux; `inside` runs one on a host's network ---

    def loss(self, percent):
        """Of the packets in each direction. 0: none."""
        for host in NAMES:
            rule = ["INPUT", "-i", "eth0", "-m", "statistic", "--mode", "random", "--probability"]
            if percent:
                self.inside(host, "iptables", "-A", *rule, str(percent / 100), "-j", "DROP")
            else:
                self.inside(host, "iptables", "-F", "INPUT")

    def rate(self, rate):
        """Of the link in each direction ("1mbit"); None: as fast as it can."""
        for host in NAMES:
            if rate:
                self.inside(host, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate,
                            "burst", "16kb", "latency", "50ms")
            else:
                self.inside(host, "tc", "qdisc", "del", "dev", "eth0", "root")

    def delay(self, milliseconds):
        """Each way, and a fifth of that more or less, which changes the order of packets. None: no more."""
        for host in NAMES:
            if milliseconds is None:
                self.inside(host, "tc", "qdisc", "del", "dev", "eth0", "root")
                continue
            try:
                self.inside(host, "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay",
                            f"{milliseconds}ms", f"{milliseconds / 5}ms")
            except Failed as e:
                raise Missing("this kernel has no netem") from e


class Namespaces(Hosts):
    """Two network namespaces with a pair of virtual Ethernet devices."""

    name = "namespaces"
    scripts = str(HERE)
    _numbers = itertools.count()

    def __init__(self, programs):
        super().__init__()
        if os.geteuid() != 0:
            raise Missing("network namespaces need root")
        self.programs = str(programs) + "/"
        self._prefix = f"parley-lan-{os.getpid()}-{next(Namespaces._numbers)}-"
        self._homes = tempfile.TemporaryDirectory()
        self._addresses = {"alice": "198.18.70.1", "bob": "198.18.70.2"}  # RFC 2544: no network has these

    @property
    def address_of_alice(self):
        return self._addresses["alice"]

    def build(self):
        try:
            for host in NAMES:
                run("ip", "netns", "add", self._prefix + host)
        except (Failed, FileNotFoundError) as e:
            raise Missing(f"no network namespace could be made: {e}") from e
        run("ip", "-n", self._prefix + "alice", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
            "netns", self._prefix + "bob")
        for host in NAMES:
            self.inside(host, "ip", "address", "add", self._addresses[host] + "/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self.inside(host, "ip", "link", "set", device, "up")

    def remove(self):
        for host in NAMES:
            run("ip", "netns", "del", self._prefix + host, check=False)
        self._homes.cleanup()

    def inside(self, host, *command):
        return run("ip", "netns", "exec", self._prefix + host, *command)

    def on(self, host, *command):
        return ["ip", "netns", "exec", self._prefix + host, "env", f"XDG_CONFIG_HOME={self._homes.name}/{host}", *command]

    def cut(self):
        self.inside("bob", "ip", "link", "set", "eth0", "down")

    def mend(self):
        self.inside("bob", "ip", "link", "set", "eth0", "up")

    def freeze(self, host):
        self._of(host).tell("stop")

    def thaw(self, host):
        self._of(host).tell("go")

    def change_address(self, host):
        if host == "alice":
            raise Missing("without a name service nobody can find a server that has moved; containers show that")
        old, new = self._addresses[host], "198.18.70.3"
        self.inside(host, "ip", "address", "add", new + "/24", "dev", "eth0")
        self.inside(host, "ip", "address", "del", old + "/24", "dev", "eth0")
        self.inside(host, "ip", "address", "replace", new + "/24", "dev", "eth0")  # a secondary one went with the first
        self._addresses[host] = new

    def disconnect(self, host):
        raise Missing("that is what Docker does; the link down comes next to it")

    def stop_programs(self):
        raise Missing("that is what Docker does")

    def _of(self, host):
        return next(side for side in reversed(self._sides) if side.host == host)


class Containers(Hosts):
    """Two containers on a Compose network, alice and bob by name. The image is that of compose.yaml."""

    name = "containers"
    programs = ""
    scripts = "/usr/local/lib/parley"
    address_of_alice = "alice"
    _numbers = itertools.count()

    def __init__(self):
        super().__init__()
        try:
            if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
                raise Missing("no Docker engine answers")
        except FileNotFoundError:
            raise Missing("there is no Docker") from None
        if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0:
            raise Missing("there is no Docker Compose")
        number = next(Containers._numbers)
        self._project, self._subnet = f"parley-lan-{os.getpid()}-{number}", f"198.18.{71 + number}"
        self._compose = ["docker", "compose", "-p", self._project, "-f", str(HERE / "compose.yaml")]
        self._spare = 100  # the last number of the next new address

    def build(self):
        run(*self._compose, "up", "--detach", env={**os.environ, "SUBNET": self._subnet})
        self._ids = {host: f"{self._project}-{host}-1" for host in NAMES}
        self._network = f"{self._project}_lan"
        self._cables = {host: self._cable(host) for host in NAMES} if os.geteuid() == 0 else {}

    def remove(self):
        run(*self._compose, "down", "--volumes", "--timeout", "1", check=False, env={**os.environ, "SUBNET": self._subnet})

    def _cable(self, host):
        """The other end of the container's only cable."""
        links = self.inside(host, "ip", "-o", "link").splitlines()
        number = next(line for line in links if "@if" in line).split("@if")[1].split(":")[0]
        return next(line.split()[1].split("@")[0] for line in run("ip", "-o", "link").splitlines()
                    if line.startswith(number + ":"))

    def inside(self, host, *command):
        if os.geteuid() != 0:
            raise Missing("to touch a container's network needs root")
        pid = run("docker", "inspect", "--format", "{{.State.Pid}}", self._ids[host]).strip()
        return run("nsenter", "--target", pid, "--net", *command)

    def on(self, host, *command):
        return ["docker", "exec", "--interactive", self._ids[host], *command]

    def cut(self):
        if not self._cables:
            raise Missing("to pull a container's cable needs root")
        run("ip", "link", "set", self._cables["bob"], "down")

    def mend(self):
        run("ip", "link", "set", self._cables["bob"], "up")

    def freeze(self, host):
        run("docker", "pause", self._ids[host])

    def thaw(self, host):
        run("docker", "unpause", self._ids[host])

    def disconnect(self, host):
        run("docker", "network", "disconnect", self._network, self._ids[host])

    def connect(self, host, address=None):
        run("docker", "network", "connect", "--alias", host, *(["--ip", address] if address else []),
            self._network, self._ids[host])
        if self._cables:
            self._cables[host] = self._cable(host)

    def stop_programs(self):
        """How long `docker stop` of both programs takes, each process 1 of a container of its own."""
        names = {host: f"{self._project}-stopped-{host}" for host in NAMES}
        programs = {"alice": ["parley-server"], "bob": ["parley-client", "--wait", names["alice"]]}
        try:
            for host, name in names.items():
                run("docker", "run", "--detach", "--interactive", "--read-only", "--cap-drop", "ALL", "--name", name,
                    "--network", self._network, "parley-demo", *programs[host], "--name", host)
            for name in names.values():
                wait_until(lambda name=name: "connected to" in self._log(name), f"{name} to be connected")
                wait_until(lambda name=name: self._health(name) == "healthy", f"{name} to be healthy")
            begun = time.monotonic()
            run("docker", "stop", *names.values())
            took = time.monotonic() - begun
            for name in names.values():
                log, status = self._log(name), run("docker", "inspect", "--format", "{{.State.ExitCode}}", name).strip()
                if status != "0" or "saying goodbye" not in log or "has ended" not in log:
                    raise Failed(f"{name} ended with status {status}: {log}")
            return took
        finally:
            run("docker", "rm", "--force", "--volumes", *names.values(), check=False)

    @staticmethod
    def _log(name):
        return subprocess.run(["docker", "logs", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False).stdout

    @staticmethod
    def _health(name):
        return run("docker", "inspect", "--format", "{{.State.Health.Status}}", name).strip()

    def change_address(self, host):
        self._spare += 1
        self.disconnect(host)
        self.connect(host, f"{self._subnet}.{self._spare}")
