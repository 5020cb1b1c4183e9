"""Faults of a network and of processes, one after another, while a test goes on: slow links, cut connections,
partitions, and members killed with -9.
"""

import random
import threading


class Trouble(threading.Thread):
    """Runs until `end`. The choices come from the seed; their times do not."""

    def __init__(self, group, seed):
        super().__init__(daemon=True)
        self.group, self.links, self.chance = group, group.links, random.Random(seed)
        self.ended, self.failure = threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.ended.is_set():
                self.fault()
                self.ended.wait(0.2 + self.chance.random() * 0.5)
        except Exception as failure:
            self.failure = failure
        finally:
            self.links.heal()

    def fault(self):
        chance, members = self.chance, self.group.running()
        numbers, what = [m.number for m in members], chance.choice(["slow", "cut", "cut", "part", "one way", "kill"])
        if what == "slow":
            self.links.delay(0.03)
        elif what == "cut":
            self.links.cut()
        elif what == "kill":
            self.group.kill_and_restart(chance.choice(members), chance.random() * 0.4)
        else:
            self.links.part([chance.choice(numbers)], numbers, what == "one way")
            self.ended.wait(0.5 + chance.random())
            self.links.heal()

    def end(self):
        """Ends the trouble, and heals the links. Raises the failure of the thread."""
        self.ended.set()
        self.join(30)
        if self.failure is not None or self.is_alive():
            raise RuntimeError(f"the trouble itself failed: {self.failure}")
