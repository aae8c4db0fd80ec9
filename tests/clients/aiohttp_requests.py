"""Sends each URL in one session of aiohttp, which keeps its connections."""

import asyncio
import sys

import aiohttp


async def main() -> None:
    connections = 0

    async def count(*_: object) -> None:
        nonlocal connections
        connections += 1

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(count)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(trace_configs=[trace], timeout=timeout) as session:
        for url in sys.argv[1:]:
            if url.startswith("ws:"):
                async with session.ws_connect(url) as socket:
                    await socket.send_str("hello")
                    print(await socket.receive_str(timeout=5))
            else:
                async with session.get(url) as response:
                    print(response.status, (await response.text()).strip())
    print(connections, "connections")


asyncio.run(main())
