"""Tries to connect from a source address and port that another program is using, as an ordinary user."""
import os
import socket
import struct
import sys

IP_LOCAL_PORT_RANGE = 51
IP_BIND_ADDRESS_NO_PORT = 24
host, port, target = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setuid(65534)
for how in ("bind", "range"):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if how == "bind":
            client.bind((host, port))
        else:
            client.setsockopt(socket.SOL_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", port | port << 16))
            client.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            client.bind((host, 0))
        client.connect((host, target))
        if client.getsockname() == (host, port):
            print("forged by", how)
    except OSError:
        pass
