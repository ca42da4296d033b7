#!/usr/bin/python3
# Memory shared by name, over fork and with files; sqlite3's write-ahead log, whose index is mapped.
import mmap, multiprocessing, os, sqlite3
from multiprocessing import shared_memory

def count(name, lock, rounds):
    memory = shared_memory.SharedMemory(name=name)
    for _ in range(rounds):
        with lock:
            memory.buf[0] += 1
    memory.close()

def log(path, first):
    database = sqlite3.connect(path, timeout=60)
    for n in range(first, first + 5):
        with database:
            database.execute("insert into t values (?)", (n,))
    database.close()

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    memory, lock = shared_memory.SharedMemory(create=True, size=8192), context.Lock()
    workers = [context.Process(target=count, args=(memory.name, lock, 20)) for _ in range(2)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    print(memory.buf[0], [worker.exitcode for worker in workers])
    memory.close()
    memory.unlink()
    with open("mapped", "w+b") as file:
        file.truncate(3 * mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), 0) as view:
            view[5000:5005] = b"store"
            os.pwrite(file.fileno(), b"call", 9000)
            print(os.pread(file.fileno(), 5, 5000), view[9000:9004], view.find(b"call"))
            view.flush()
    print(open("mapped", "rb").read()[5000:5005])
    database = sqlite3.connect("wal.db")
    print(database.execute("pragma journal_mode=wal").fetchall())
    database.execute("create table t (n)")
    writers = [context.Process(target=log, args=("wal.db", n)) for n in (0, 100)]
    [writer.start() for writer in writers]
    [writer.join() for writer in writers]
    print(database.execute("select count(*), sum(n) from t").fetchall())
    print(database.execute("pragma integrity_check").fetchall())
    database.close()
    # Its pages are in the order in which the writers came.
    os.remove("wal.db")
