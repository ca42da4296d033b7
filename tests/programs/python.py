#!/usr/bin/python3
# needs:
# The standard library at work on files, processes and signals.
import array, collections, ctypes, datetime, decimal, gzip, hashlib, itertools, json, mmap, os
import pathlib, random, re, shutil, signal, struct, subprocess, sys, tempfile, time, zipfile, zlib

data = bytes(range(256)) * 400
pathlib.Path("data").write_bytes(data)
print(hashlib.sha256(data).hexdigest(), zlib.crc32(data), len(gzip.compress(data, mtime=0)))
with open("data", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
    print(mapped[1000:1010], mapped.find(b"\xff\x00"))
with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("a/b.txt", "text" * 100)
print(zipfile.ZipFile("z.zip").read("a/b.txt")[:8])
with tempfile.TemporaryDirectory() as directory:
    shutil.copy("data", directory)
    print(sorted(os.listdir(directory)), os.stat(directory + "/data").st_size)
print(json.dumps({"b": [1, 2.5, None], "a": "\u00e4"}, sort_keys=True))
print(re.findall(r"\b(\w)\w*", "one two three"))
print(struct.pack(">IhB", 1, -2, 3), array.array("d", [0.1]).tobytes().hex())
print(decimal.Decimal(1) / 7)
random.seed(42)
print(random.random(), random.sample(range(1000), 5), sum(itertools.accumulate(range(2000))))
print(datetime.datetime.fromtimestamp(0, datetime.timezone.utc))
print(collections.Counter("mississippi").most_common(2))
code = "import sys; print(sys.stdin.read().upper()); sys.exit(3)"
print(subprocess.run([sys.executable, "-c", code], input="piped", capture_output=True, text=True))
got = []
signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
signal.signal(signal.SIGALRM, lambda number, frame: got.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.05)
while len(got) < 2:
    time.sleep(0.01)
print(got)
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
libc = ctypes.CDLL(None)
print(libc.strlen(b"twelve bytes"), ctypes.sizeof(ctypes.c_long))
os.unlink("z.zip")
sys.exit(5)
