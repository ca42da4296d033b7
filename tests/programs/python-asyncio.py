#!/usr/bin/python3
# needs: cat sh
# asyncio: tasks, streams over TCP and UNIX sockets, child processes, signals, timeouts, executors.
import asyncio, os, signal, socket

async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()
    await writer.wait_closed()

async def ask(opened, name):
    reader, writer = await opened
    answers = []
    for n in range(3):
        writer.write(f"{name} {n}\n".encode())
        answers.append((await reader.readline()).decode().strip())
    writer.write_eof()
    rest = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answers, rest

async def streams():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asked = [ask(asyncio.open_connection("127.0.0.1", port), f"tcp{n}") for n in range(4)]
    print(await asyncio.gather(*asked))
    server.close()
    server = await asyncio.start_unix_server(echo, "socket")
    print(await ask(asyncio.open_unix_connection("socket"), "unix"))
    server.close()

async def bulk():
    data = bytes(range(256)) * 4000
    a, b = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=a)
    other, back = await asyncio.open_connection(sock=b)
    async def send():
        back.write(data)
        await back.drain()
        back.close()
    task = asyncio.create_task(send())
    print(await reader.read() == data)
    await task
    writer.close()

async def children():
    cat = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    print(await cat.communicate(b"through cat\n"), cat.returncode)
    shell = await asyncio.create_subprocess_shell("echo out; exit 3", stdout=-1)
    print((await shell.communicate())[0], shell.returncode)
    slow = await asyncio.create_subprocess_exec("sh", "-c", "read x", stdin=-1)
    slow.terminate()
    print(await slow.wait())

async def waits():
    loop, got = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.02)
    except asyncio.TimeoutError:
        print("timed out")
    print(await loop.run_in_executor(None, sum, range(1000)))
    queue, seen = asyncio.Queue(2), []
    async def take():
        while (item := await queue.get()) is not None:
            seen.append(item)
    taker = asyncio.create_task(take())
    for item in [*range(10), None]:
        await queue.put(item)
    await taker
    print(seen)

async def main():
    for part in streams, bulk, children, waits:
        await part()

asyncio.run(main())
os.unlink("socket")
