"""Messages that both sides can make, and the judgement of those that came."""
import random


class Messages:
    """Message i of a seed: its number and bytes that nobody could guess, the same on both sides.

    No line feed, which ends a line. `binary` ones have every other byte; the others are UTF-8.
    """

    def __init__(self, seed, longest=300, binary=False):
        dice = random.Random(seed)
        self._longest, self._binary = longest, binary
        if binary:
            self._stock = dice.randbytes(4 * longest + 65536).replace(b"\n", b"\0")
        else:
            letters = "abcdefghijklmnopqrstuvwxyz      ,.-'\"\\<&äöüßéñ日本語テスト👋"
            self._stock = "".join(dice.choices(letters, k=4 * longest + 65536))
        self._step, self._start = dice.randrange(1, 65536) | 1, dice.randrange(65536)

    def __getitem__(self, i):
        at = (self._start + i * self._step) % 65536
        body = self._stock[at:at + (i * 7919 + self._start) % self._longest]
        return b"%d %s" % (i, body) if self._binary else f"{i} {body}".encode()


class Judge:
    """Takes what came, message by message, and knows what was lost, doubled, reordered, or damaged."""

    def __init__(self, expected):
        self._expected = expected
        self._missing = set()
        self.next = self.doubled = self.reordered = self.damaged = 0

    def take(self, message):
        number, _, _ = message.partition(b" ")
        if not number.isdigit() or message != self._expected[int(number)]:
            self.damaged += 1
            return
        i = int(number)
        if i == self.next:
            self.next += 1
        elif i > self.next:
            self._missing.update(range(self.next, i))
            self.next = i + 1
        elif i in self._missing:
            self._missing.remove(i)
            self.reordered += 1
        else:
            self.doubled += 1

    def verdict(self, count):
        """What has become of `count` messages."""
        lost = len(self._missing) + max(0, count - self.next)
        return {"count": count, "lost": lost, "doubled": self.doubled, "reordered": self.reordered,
                "damaged": self.damaged}


def self_test():
    """That the judge sees each fault, and no other; else a word about the first that it does not."""
    say = Messages(7)
    faults = {"lost": [say[i] for i in (0, 2, 3)], "doubled": [say[i] for i in (0, 1, 1, 2, 3)],
              "reordered": [say[i] for i in (0, 2, 1, 3)], "damaged": [*(say[i] for i in range(4)), say[3] + b"x"]}
    for fault, heard in faults.items():
        judge = Judge(Messages(7))
        for message in heard:
            judge.take(message)
        verdict = judge.verdict(4)
        if {what: n for what, n in verdict.items() if n and what != "count"} != {fault: 1}:
            return f"the judge does not see what is {fault}: {verdict}"
    return None
