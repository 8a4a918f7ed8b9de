"""The rig of SQLAlchemy's QueuePool behind an event loop, which reads and answers and has workers do the rest: what FastAPI does
with functions that are not `async`, and Vert.x and Quarkus with those that block. See rig_sqlalchemy.py for what comes in and what goes
out.
"""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import rig_aio
import rig_sqlalchemy
from aiohttp import web

WORKERS = 256


async def main():
    workers = ThreadPoolExecutor(max_workers=WORKERS)
    loop = asyncio.get_running_loop()

    async def page(request):
        path, arguments = request.path, request.query_string
        status, kind, words = await loop.run_in_executor(workers, rig_sqlalchemy.answer, path, arguments)
        return web.Response(status=status, content_type=kind, text=words)

    app = web.Application()
    app.router.add_get("/{page}", page)
    await rig_aio.run(app)
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=rig_sqlalchemy.sample, daemon=True).start()
    asyncio.run(main())
