#!/usr/bin/python3
# needs: cat sh sort
# subprocess and multiprocessing: pipes, queues, pools, locks, shared values.
import multiprocessing, os, signal, subprocess, sys

def square(n):
    return n * n

def fill(queue, count):
    for n in range(count):
        queue.put((os.getppid() == parent, "x" * n))

def add(value, lock, count):
    for _ in range(count):
        with lock:
            value.value += 1

if __name__ == "__main__":
    parent = os.getpid()
    first = subprocess.Popen(["cat"], stdin=-1, stdout=-1)
    second = subprocess.Popen(["sort", "-r"], stdin=first.stdout, stdout=-1, text=True)
    first.stdin.write(b"a\nc\nb\n")
    first.stdin.close()
    print(second.communicate()[0].split(), first.wait(), second.returncode)
    for script, limit in ("echo to >&2; exit 4", 300), ("kill -9 $$", 300), ("sleep 300", 1):
        try:
            done = subprocess.run(script, shell=True, capture_output=True, timeout=limit)
            print(done.returncode, done.stderr)
        except subprocess.TimeoutExpired as expired:
            print("expired", expired.timeout)
    environment = {"A": "b", "PATH": os.environ["PATH"]}
    print(subprocess.check_output(["sh", "-c", "echo $A; pwd"], env=environment, cwd="/"))
    child = subprocess.Popen(["cat"], stdin=-1, start_new_session=True)
    os.killpg(child.pid, signal.SIGTERM)
    print(child.wait())
    big = "y" * 200000
    print(len(subprocess.run(["cat"], input=big, capture_output=True, text=True).stdout))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    filler = context.Process(target=fill, args=(queue, 20))
    filler.start()
    print(sum(len(text) for own, text in (queue.get() for _ in range(20)) if own))
    filler.join()
    print(filler.exitcode)
    with context.Pool(3) as pool:
        print(pool.map(square, range(12)), pool.apply(square, (12,)))
    here, there = context.Pipe()
    talker = context.Process(target=lambda: there.send(here.fileno() > 2))
    talker.start()
    print(here.recv())
    talker.join()
    value, lock = context.Value("i", 0, lock=False), context.Lock()
    adders = [context.Process(target=add, args=(value, lock, 50)) for _ in range(3)]
    [adder.start() for adder in adders]
    [adder.join() for adder in adders]
    print(value.value, [adder.exitcode for adder in adders])
    sys.stdout.flush()
