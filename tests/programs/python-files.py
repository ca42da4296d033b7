#!/usr/bin/python3
# needs:
# Files in every way that programs use them, errors included; nothing here names the file system.
import errno, mmap, os, shutil, sqlite3, stat, tempfile


def failure(act, *arguments):
    try:
        act(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "no error"


def open_files():
    with open("f", "w") as file:
        file.write("abc" * 1000)
    fd = os.open("f", os.O_RDWR)
    mapped = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    private = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    private[0] = 65
    print(os.stat("f").st_size, mapped[:6], private[:3], os.pread(fd, 3, 0))
    os.ftruncate(fd, 10)
    print(os.fstat(fd).st_size, os.lseek(fd, -3, os.SEEK_END), os.read(fd, 9))
    os.unlink("f")
    os.pwrite(fd, b"zz", 0)
    print(os.fstat(fd).st_nlink, os.pread(fd, 20, 0))
    os.close(fd)
    made = os.open("sealed", os.O_CREAT | os.O_RDWR, 0o444)
    print(os.write(made, b"q"), os.fsync(made), oct(stat.S_IMODE(os.fstat(made).st_mode)))
    os.close(made)
    one, other = open("log", "a"), open("log", "a")
    for _ in range(3):
        print("a", end="", file=one, flush=True)
        print("b", end="", file=other, flush=True)
    print(open("log").read(), one.tell())
    source, target = os.open("log", os.O_RDONLY), os.open("copy", os.O_CREAT | os.O_WRONLY)
    print(os.sendfile(target, source, 0, 100), os.copy_file_range(source, target, 3))
    print(open("copy").read())


def temporary_files():
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(b"hello")
        file.seek(0)
        print(file.read())
    with tempfile.NamedTemporaryFile(dir=".") as file:
        file.write(b"x" * 100_000)
        file.flush()
        print(os.stat(file.name).st_size)


def names():
    for name in ["sp ace", "ünï", "-x", "a\nb", '"q"', "'", "x" * 255, "..a", "\\", "a,b:c"]:
        open(name, "w").write(name)
        print(open(name).read() == name, name in os.listdir("."))
        os.unlink(name)
    for number in range(300):
        open(f"many{number}", "w").close()
    print(len([name for name in os.listdir(".") if name.startswith("many")]))
    for number in range(300):
        os.unlink(f"many{number}")
    os.makedirs("p/q/r")
    open("p/q/r/s", "w").close()
    print(failure(os.rmdir, "p"), failure(os.rename, "p", "p/q/x"), failure(os.unlink, "p"))
    os.rename("p/q", "moved")
    print(sorted(os.listdir("moved")), os.listdir("p"), failure(os.listdir, "p/q"))
    shutil.rmtree("moved")
    print(failure(open, "x" * 256, "w"), failure(open, "nowhere/x", "w"), failure(open, "log/x"))
    exclusive = os.O_CREAT | os.O_EXCL
    print(failure(os.open, "log", exclusive), failure(os.mkdir, "log"), failure(os.link, "p", "l"))
    os.link("log", "second")
    os.symlink("second", "link")
    print(os.stat("link").st_nlink, os.readlink("link"), os.path.samefile("log", "link"))
    os.replace("second", "third")
    print(failure(os.stat, "link"), os.lstat("link").st_size, failure(os.readlink, "log"))
    os.symlink("circle", "circle")
    print(failure(open, "circle"))


def attributes():
    os.chmod("copy", 0o640)
    os.utime("copy", (1, 2))
    told = os.stat("copy")
    print(oct(told.st_mode), told.st_mtime, told.st_atime, told.st_size)
    os.truncate("copy", 100_000)
    print(os.stat("copy").st_size, open("copy", "rb").read()[-3:], os.statvfs(".").f_namemax)
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    print(failure(os.getcwd), failure(open, "x", "w"))
    os.chdir(os.environ["HERE"])


def database():
    base = sqlite3.connect("db")
    base.execute("create table t (a, b)")
    base.executemany("insert into t values (?, ?)", [(n, str(n)) for n in range(1000)])
    base.commit()
    base.execute("delete from t where a % 3 = 0")
    base.rollback()
    print(base.execute("select count(*), sum(a) from t").fetchone())
    print(base.execute("pragma integrity_check").fetchone())
    base.close()


os.environ["HERE"] = os.getcwd()
open_files()
temporary_files()
names()
attributes()
database()
for left in ["db", "log", "copy", "third", "sealed", "link", "circle"]:
    os.unlink(left)
os.rmdir("p")
print(os.listdir("."))
