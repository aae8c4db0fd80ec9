"""A gRPC server (serve PORT), and a client (call TARGET), without TLS and without generated code."""

import concurrent.futures
import sys

import grpc

UNARY = "/test.Echo/Unary"
STREAM = "/test.Echo/Stream"
RAW = {"request_deserializer": bytes, "response_serializer": bytes}
CALL = {"request_serializer": bytes, "response_deserializer": bytes}


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == UNARY:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request, **RAW)
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: requests, **RAW)


def serve(port):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Echo()])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def call(target):
    with grpc.insecure_channel(target) as channel:
        try:
            size = len(channel.unary_unary(UNARY, **CALL)(b"x" * 1_000_000, timeout=10))
            parts = channel.stream_stream(STREAM, **CALL)(iter([b"a", b"b", b"c"]), timeout=10)
            print(f"echoed {size} bytes, then {b''.join(parts).decode()}")
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}")


serve(sys.argv[2]) if sys.argv[1] == "serve" else call(sys.argv[2])
