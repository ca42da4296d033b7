#!/usr/bin/python3
# needs: cat sh
# Pseudoterminals by hand: the pty module, termios, and what each end learns of the other.
import errno, fcntl, functools, os, pty, select, signal, struct, termios, time, tty

print = functools.partial(print, flush=True)

def read_until(fd, mark):
    text = b""
    while mark not in text:
        text += os.read(fd, 1000)
    return text

master, slave = pty.openpty()
assert os.ttyname(slave).startswith("/dev/pts/") and os.isatty(slave) and os.isatty(master)
assert os.stat(os.ttyname(slave)).st_rdev == os.fstat(slave).st_rdev
os.write(master, b"typed\n")
print(os.read(slave, 100), read_until(master, b"\n"))
os.write(slave, b"shown\n"); print(read_until(master, b"\n"))
tty.setraw(slave)
os.write(master, b"\x03x"); print(os.read(slave, 100))
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 11, 22, 0, 0))
print(os.get_terminal_size(slave))
print(select.select([master, slave], [], [], 0), select.select([], [master, slave], [], 0)[1] != [])
os.close(slave)
try:
    os.read(master, 1)
except OSError as error:
    print(errno.errorcode[error.errno])
poll = select.poll(); poll.register(master); print(poll.poll(0)[0][1] & select.POLLHUP != 0)
os.close(master)

pid, master = pty.fork()
if pid == 0:
    # The handler may interrupt anything: nothing here is buffered.
    say = lambda *words: os.write(1, (" ".join(map(str, words)) + "\n").encode())
    signal.signal(signal.SIGWINCH, lambda *_: say("resized", *os.get_terminal_size()))
    signal.signal(signal.SIGHUP, lambda *_: os._exit(9))
    say("child", os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp())
    while True:
        time.sleep(1)
print(read_until(master, b"\n"))
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 6, 0, 0))
print(read_until(master, b"\n"))
os.close(master)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

pid, master = pty.fork()
if pid == 0:
    os.execv("/usr/bin/cat", ["cat"])
os.write(master, b"to cat\n"); print(read_until(master, b"to cat\r\nto cat\r\n"))
os.write(master, b"\x03"); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
os.close(master)

print(pty.spawn(["/usr/bin/sh", "-c", "test -t 0 && echo a terminal; exit 4"],
                stdin_read=lambda fd: os.read(fd, 1000)) >> 8)
