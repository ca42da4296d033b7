#!/usr/bin/python3
# needs: curl ss
# files: /etc/hosts /etc/nsswitch.conf
# Programs that would rather speak IPv6 go on without, and ss without netlink.
import asyncio, http.server, re, socket, subprocess, threading, urllib.request

def names(**hints):
    found = socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM, **hints)
    return sorted(entry[4][0] for entry in found if entry[0] == socket.AF_INET)

print(names(), names(flags=socket.AI_ADDRCONFIG), names(family=socket.AF_INET))

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("", 0), Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_port
url = f"http://localhost:{port}/"
print(urllib.request.urlopen(url).status)

def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.returncode, done.stdout

print(run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}", "-4", url))
print(run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url))
listening = re.search(rf"LISTEN .*\b0\.0\.0\.0:{port} ", run("ss", "-tln")[1])
print("listening", listening is not None)
server.shutdown()

async def echo(reader, writer):
    writer.write(await reader.readline())
    writer.close()

async def main():
    served = await asyncio.start_server(echo, "localhost", 0, family=socket.AF_INET)
    port = served.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"heard\n")
    print(await reader.readline())
    writer.close()
    served.close()

asyncio.run(main())
try:
    socket.create_connection(("localhost", 1), timeout=300)
except OSError as error:
    print(type(error).__name__)
