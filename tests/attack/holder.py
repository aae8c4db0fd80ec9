# Listens as another program: holder.py ADDRESS PORT. Answers each client with a line, prints what clients send.
import socket, sys

listener = socket.socket()
listener.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND: the address need not exist.
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen()
print("listening", flush=True)
while True:
    client, _ = listener.accept()
    try:
        client.settimeout(5)
        client.sendall(b"stolen\n")
        sys.stdout.write(client.recv(4096).decode())
        sys.stdout.flush()
    except OSError:
        pass
    client.close()
