#!/usr/bin/python3
# needs:
# Threads with locks, conditions, queues and pools; sqlite3 from two of them.
import concurrent.futures, os, queue, sqlite3, threading, time

total, lock = 0, threading.Lock()

def add(count):
    global total
    for _ in range(count):
        with lock:
            total += 1

threads = [threading.Thread(target=add, args=(500,)) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(total)
work, done = queue.Queue(4), []
def consume():
    while (item := work.get()) is not None:
        done.append(item * item)
consumers = [threading.Thread(target=consume) for _ in range(3)]
[thread.start() for thread in consumers]
for item in range(50):
    work.put(item)
for _ in consumers:
    work.put(None)
[thread.join() for thread in consumers]
print(sorted(done) == [n * n for n in range(50)])
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(list(pool.map(lambda n: (time.sleep(0.01), n)[1], range(10))))
barrier, event = threading.Barrier(3), threading.Event()
waiters = [threading.Thread(target=barrier.wait) for _ in range(2)]
[thread.start() for thread in waiters]
barrier.wait()
print(event.wait(0.05), threading.active_count() <= 3)
base = sqlite3.connect("base.db", check_same_thread=False, isolation_level=None)
base.execute("create table t(n)")
def insert(start):
    for n in range(start, start + 50):
        with lock:
            base.execute("insert into t values (?)", (n,))
writers = [threading.Thread(target=insert, args=(start,)) for start in (0, 50)]
[thread.start() for thread in writers]
[thread.join() for thread in writers]
print(base.execute("select count(*), sum(n) from t").fetchone())
print(base.execute("pragma integrity_check").fetchone())
base.close()
os.unlink("base.db")
