"""What is checked between two hosts: `SPEED` one after the other on a quiet machine, then the lanes of `FAULTS` side by side.

A check takes hosts and a function that tells progress. It returns what it has measured, raises Failed if something was
wrong, and Missing if it cannot be done on these hosts. Times are seconds, round trips milliseconds.
"""
import time
from dataclasses import dataclass, field

from hosts import Failed
from percentiles import SHARES, at, milliseconds, percentiles

JUDGED = ("lost", "doubled", "reordered", "damaged")
MESSAGES = 100_000
PINGS = 10_000
SIZES = {"32 B": 32, "1 KiB": 1024, "64 KiB": 65536}
ON_THE_WAY = 1  # seconds: what was under way when a program was killed still comes, and only then it is silent
RATE = 1_150  # messages a second of the talk that is cut: it lasts as long as three cuts of 20 s and what is between


@dataclass
class Result:
    """What a check has found: `said` for people; the rest for the report."""

    said: str
    judged: dict = None  # by host: count, lost, doubled, reordered, damaged
    recovered: list = field(default_factory=list)  # seconds, after each time that the fault ended
    took_ms: list = None
    limit: tuple = None  # ("p99.9", milliseconds): what is required of took_ms
    timeline: dict = None  # by host: what it heard; and when the link was down


def perfect(judged):
    """In words, what became of the messages of both directions; Failed if anything did."""
    sums = {what: sum(of_host[what] for of_host in judged.values()) for what in JUDGED}
    said = ", ".join(f"{n} {what}" for what, n in sums.items() if n or what != "damaged")
    if any(sums.values()):
        raise Failed(said + "".join(f"; {host} should have heard {j['count']}" for host, j in judged.items()))
    return said


def end_both(*sides):
    """Both programs end in good order."""
    for side in sides:
        if status := side.end():
            raise Failed(f"{side.host}'s program ended with status {status}: {side.errors()}")


def judgements(alice, bob, timeout=120):
    return {side.host: side.wait_for("lost", timeout) for side in (alice, bob)}


# --- how much, how fast ---

def everything_arrives(hosts, _tell):
    alice = hosts.side("alice", f"stream {MESSAGES} 1 2")
    bob = hosts.side("bob", f"stream {MESSAGES} 2 1")
    judged = judgements(alice, bob)
    end_both(alice, bob)
    said = perfect(judged)
    if judged["alice"]["said"] != judged["bob"]["heard"] or judged["bob"]["said"] != judged["alice"]["heard"]:
        raise Failed("what was heard has another SHA-256 than what was said")
    return Result(f"{said}, byte-identical; {judged['bob']['seconds']:.2f} s", judged)


def idle_pings(size, bare=False):
    """`bare`: through the least program that there can be, which says what this machine is good for."""
    def check(hosts, _tell):
        start = hosts.bare_side if bare else hosts.side
        alice, bob = start("alice", "echo"), start("bob", f"ping {size} {PINGS}")
        took = bob.wait_for("took_ms")["took_ms"]
        alice.tell("end")
        end_both(alice, bob)
        return Result(percentiles(took), took_ms=took, limit=None if bare else ("p99.9", 1))
    return check


def pings_against_bulk(size):
    """Bob's short messages are timed until they are delivered, while alice's bulk comes the other way."""
    def check(hosts, _tell):
        alice = hosts.side("alice", "flood 16384")
        bob = hosts.side("bob", f"probe {size} {PINGS}", "--json")
        took, beside = bob.wait_for("took_ms", 180)["took_ms"], bob.wait_for("seconds")
        alice.tell("end")
        alice.wait_for("bytes")
        end_both(alice, bob)
        bulk = beside["heard"] / beside["seconds"] / 1e6
        short = size <= 1024  # which nothing long should stand in the way of
        return Result(f"{percentiles(took)}, beside {bulk:.0f} MB/s", took_ms=took, limit=("p99", 5) if short else None)
    return check


# --- what goes wrong ---

class Talk:
    """Two sides that talk at a pace, and whom something happens to on the way."""

    def __init__(self, hosts, count, rate):
        self.hosts, self.sides = hosts, {}
        for host, mine, its in (("alice", 1, 2), ("bob", 2, 1)):
            self.sides[host] = hosts.side(host, f"talk {count} {rate} {mine} {its}", "--json")
        self.count = count
        self.faults = []  # when each began and ended
        for side in self.sides.values():
            side.wait_for("heard", 30)

    def heard(self):
        return {host: side.latest["heard"] for host, side in self.sides.items()}

    def flow(self, seconds):
        """Lets them talk for so long; both must have heard more then."""
        before = self.heard()
        time.sleep(seconds)
        if any(now <= before[host] for host, now in self.heard().items()):
            raise Failed(f"nobody hears anything: {before} became {self.heard()}; {self.errors()}")

    def suffer(self, begin, seconds, end):
        """A fault, for so long. It must come while both have more to say."""
        if max(self.heard().values()) > self.count * 0.95:
            raise Failed(f"they had all but ended before the fault: {self.heard()}")
        begun = time.monotonic()
        begin()
        try:
            time.sleep(seconds)
        finally:
            end()
        self.faults.append((begun, time.monotonic()))

    def wait_until_back(self, timeout=60):
        """Until both hear the other again, or have heard all: on a busy machine a short fault may last that long."""
        before, until = self.heard(), time.monotonic() + timeout
        while any(now <= before[host] and now < self.count for host, now in self.heard().items()):
            if time.monotonic() > until:
                raise Failed(f"not back {timeout} s after the fault; {self.errors()}")
            time.sleep(0.05)

    def errors(self):
        return "; ".join(f"{host}: {side.errors()}" for host, side in self.sides.items())

    def result(self, felt=True):
        """The end of the talk. `felt`: each fault must have made a gap, or nothing has been tested."""
        reports = judgements(*self.sides.values(), timeout=180)
        end_both(*self.sides.values())
        said = perfect(reports)
        for host, report in reports.items():
            if report["contradictions"]:
                raise Failed(f"{host}: {'; '.join(report['contradictions'])}")
        gaps = [gap for report in reports.values() for gap in report["gaps"]]
        silences = [[(a, b) for a, b in gaps if b > begun and a < ended + ON_THE_WAY] for begun, ended in self.faults]
        if felt and not all(silences):
            raise Failed("the fault was not felt: nothing has been tested")
        recovered = [max([b - ended for _, b in silence] + [0])
                     for silence, (_, ended) in zip(silences, self.faults)]
        again = ", ".join(f"{seconds:.2f} s" for seconds in recovered)
        return Result(f"{said}; back after {again}" if any(silences) else f"{said}; never interrupted",
                      {host: {what: r[what] for what in ("count", *JUDGED)}
                       for host, r in reports.items()}, recovered,
                      timeline={"faults": self.faults, **{h: r["buckets"] for h, r in reports.items()}})


def link_down_three_times(hosts, tell):
    talk = Talk(hosts, MESSAGES, RATE)
    for cut in range(3):
        talk.flow(3)
        tell(f"cut {cut + 1} of 3, for 20 s; heard so far {talk.heard()}")
        talk.suffer(hosts.cut, 20, hosts.mend)
        talk.wait_until_back()
    return talk.result()


def fault(begin, seconds, end, felt=True, count=20_000):
    """A talk in which that happens once."""
    def check(hosts, _tell):
        talk = Talk(hosts, count, RATE)
        talk.flow(2)
        talk.suffer(lambda: begin(hosts), seconds, lambda: end(hosts))
        talk.wait_until_back()
        return talk.result(felt=felt)
    return check


def killed(host):
    """`kill -9`: the side starts its program anew, and both go on where the other says that it was."""
    def check(hosts, _tell):
        talk = Talk(hosts, 20_000, RATE)
        talk.flow(2)
        talk.suffer(lambda: talk.sides[host].tell("kill"), 0, lambda: None)
        talk.wait_until_back()
        return talk.result()
    return check


def nothing(_hosts):
    pass


def stopped(hosts, _tell):
    """`docker stop`, with the programs as process 1."""
    seconds = hosts.stop_programs()
    return Result(f"goodbyes said, status 0; {seconds:.2f} s" + ("" if seconds < 1 else "   MISSED: required within 1 s"))


SPEED = [
    (f"{MESSAGES:,} messages each way", everything_arrives),
    *((f"round trip, {name}, idle", idle_pings(size)) for name, size in SIZES.items()),
    *((f"round trip, {name} by a bare relay, idle", idle_pings(size, bare=True)) for name, size in SIZES.items()),
    *((f"round trip, {name}, against bulk", pings_against_bulk(size)) for name, size in SIZES.items()),
    ("docker stop of both", stopped),
]

FAULTS = {
    "cuts": [(f"link down for 20 s, three times, in {MESSAGES:,} messages each way", link_down_three_times)],
    "network": [
        ("5 % of packets lost for 5 s", fault(lambda h: h.loss(5), 5, lambda h: h.loss(0), felt=False)),
        ("1 Mbit/s for 8 s", fault(lambda h: h.rate("1mbit"), 8, lambda h: h.rate(None), felt=False)),
        ("50 ms ± 10 ms each way for 5 s", fault(lambda h: h.delay(50), 5, lambda h: h.delay(None), felt=False)),
        ("address of bob changed", fault(nothing, 0, lambda h: h.change_address("bob"), count=30_000)),
        ("address of alice changed", fault(nothing, 0, lambda h: h.change_address("alice"), count=30_000)),
    ],
    "hosts": [
        ("docker network disconnect for 15 s", fault(lambda h: h.disconnect("bob"), 15, lambda h: h.connect("bob"), count=30_000)),
        ("alice stopped for 15 s", fault(lambda h: h.freeze("alice"), 15, lambda h: h.thaw("alice"), count=30_000)),
        ("bob stopped for 15 s", fault(lambda h: h.freeze("bob"), 15, lambda h: h.thaw("bob"), count=30_000)),
        ("alice killed and started again", killed("alice")),
        ("bob killed and started again", killed("bob")),
    ],
}


def within(result):
    """Whether what is required of a round trip is met, in words."""
    if not result.limit:
        return ""
    name, most = result.limit
    measured = at(SHARES[name], result.took_ms)
    return "" if measured < most else f"   MISSED: {name} {milliseconds(measured)} ms, required under {most} ms"
