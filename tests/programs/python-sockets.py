#!/usr/bin/python3
# needs:
# Sockets of every kind between threads and processes: servers, options, descriptors, readiness.
import array, http.server, os, select, socket, socketserver, struct, threading, urllib.request

class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True

with Server(("127.0.0.1", 0), Upper) as server:
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    for n in range(3):
        with socket.create_connection(server.server_address) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option in socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT:
                client.setsockopt(socket.IPPROTO_TCP, option, 7)
            print(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
            client.sendall(b"line %d\n" % n)
            client.shutdown(socket.SHUT_WR)
            print(client.makefile().read().strip())
    server.shutdown()

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

data = os.urandom(300000)
with open("data", "wb") as file:
    file.write(data)
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    url = "http://127.0.0.1:%d/" % server.server_port
    print(urllib.request.urlopen(url + "data").read() == data)
    try:
        urllib.request.urlopen(url + "none")
    except urllib.error.HTTPError as error:
        print(error.code)
    server.shutdown()
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
with open("data", "rb") as file:
    rights = array.array("i", [file.fileno()]).tobytes()
    a.sendmsg([b"one", b"two"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
text, ancillary, flags, _ = b.recvmsg(100, socket.CMSG_SPACE(4))
fd = struct.unpack("i", ancillary[0][2])[0]
print(text, flags & socket.MSG_TRUNC, os.read(fd, 10) == data[:10])
peer = struct.unpack("3i", a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
print(peer[0] == os.getpid())
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM) as v:
    u.bind(("127.0.0.1", 0))
    v.connect(u.getsockname())
    v.send(b"datagram")
    text, peer = u.recvfrom(100)
    u.sendto(b"answer", peer)
    print(text, v.recv(100), peer == v.getsockname())
c, d = socket.socketpair()
with open("data", "rb") as file:
    sent = []
    thread = threading.Thread(target=lambda: (sent.append(c.sendfile(file)), c.close()))
    thread.start()
    print(d.makefile("rb").read() == data)
    thread.join()
print(sent)
read, write = os.pipe()
poller = select.epoll()
poller.register(read, select.EPOLLIN | select.EPOLLET)
os.write(write, b"x")
print(poller.poll(1) == [(read, select.EPOLLIN)], poller.poll(0.01))
os.write(write, b"y")
print(poller.poll(1) == [(read, select.EPOLLIN)], select.select([read], [write], [], 1) == ([read], [write], []))
listener = socket.create_server(("127.0.0.1", 0), backlog=5)
address = listener.getsockname()
pid = os.fork()
if pid == 0:
    with socket.create_connection(address) as client:
        client.settimeout(300)
        client.sendall(client.recv(100)[::-1])
    os._exit(0)
connection, _ = listener.accept()
connection.sendall(b"abc")
print(connection.recv(100), connection.recv(100), os.waitpid(pid, 0)[1])
listener.close()
try:
    socket.create_connection(address)
except ConnectionRefusedError:
    print("refused")
print(socket.getaddrinfo("localhost", 80, socket.AF_INET, socket.SOCK_STREAM))
os.unlink("data")
