"""A signal handler that raises in the middle of the host's work, as Ctrl-C does: nothing that was
acknowledged is lost, although the program goes on.
"""

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from kit import Journal, TimedTest, free_port

from raftcore.aio import Group, GroupError, Options


class Stop(BaseException):
    pass


raised, working = 0, False


def stop(*_):
    global raised
    if working:  # else the test itself would get the exception
        raised += 1
        raise Stop


def work(loop):
    """Runs the loop for a moment, and returns True. An exception of a signal handler ends the moment early."""
    global working
    try:
        try:
            working = True
            loop.run_until_complete(asyncio.sleep(0.004))
        finally:
            working = False
    except Stop:
        pass
    except RuntimeError:  # the signal came while the loop ended, and the loop believes to run still
        return False
    return True


def life(directory, seed):
    """Writes while signals come. Prints the words of the start, then each acknowledged word. Ends abruptly."""
    chance, journal, loop = random.Random(seed), Journal(), asyncio.new_event_loop()
    log = logging.getLogger("test.signals")
    log.setLevel(logging.CRITICAL)
    loop.set_exception_handler(lambda loop, context: None)
    options = Options(tick=0.02, logger=log)
    group = Group(journal, directory, 1, {1: f"127.0.0.1:{free_port()}"}, found=not os.path.exists(directory), options=options)

    async def writer(name):
        for number in range(10**6):
            try:
                await group.write(journal.add, f"{seed}.{name}.{number}")
                os.write(1, f"acknowledged {seed}.{name}.{number}\n".encode())
            except GroupError:
                return

    async def begin():
        await group.start()
        await group.read()
        for word in journal.words:
            print("kept", word)
        sys.stdout.flush()
        return [loop.create_task(writer(name)) for name in range(64)]

    tasks = loop.run_until_complete(begin())
    signal.signal(signal.SIGVTALRM, stop)
    signal.signal(signal.SIGALRM, stop)  # if the loop itself has lost its timer
    end, runs = time.monotonic() + 3, True
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    # A group that has failed, or that has lost a callback, writes no more: the next life follows.
    while runs and raised < 8 and time.monotonic() < end and not all(task.done() for task in tasks):
        if signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0:
            # Time that the process works: a signal rarely comes while it sleeps.
            signal.setitimer(signal.ITIMER_VIRTUAL, chance.uniform(0.0005, 0.005))
        runs = work(loop)
    for timer in (signal.ITIMER_VIRTUAL, signal.ITIMER_REAL):
        signal.setitimer(timer, 0)


class Signals(TimedTest):
    def live(self, directory, seed):
        """Returns the words of the start, the acknowledged words, and how many interrupts there were."""
        command = [sys.executable, "-W", "ignore", __file__, directory, str(seed)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
        self.assertGreaterEqual(ran.returncode, 10, f"life {seed} failed")
        words = {"kept": set(), "acknowledged": set()}
        for line in ran.stdout.splitlines():
            what, word = line.split()
            words[what].add(word)
        return words["kept"], words["acknowledged"], ran.returncode - 10

    def test_what_was_acknowledged_around_a_raising_signal_handler_is_on_the_disk(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        words, interrupts, seed = set(), 0, 0
        while interrupts <= 40:
            seed += 1
            kept, acknowledged, more = self.live(f"{folder.name}/1", seed)
            self.assertEqual(words - kept, set(), f"life {seed}: acknowledged words are gone")
            words |= acknowledged
            interrupts += more
        self.assertGreater(len(words), 100)


if __name__ == "__main__":
    code = 1
    try:
        life(sys.argv[1], int(sys.argv[2]))
        code = 10 + raised
    except BaseException:
        traceback.print_exc()
    os._exit(code)  # only the disk remains
