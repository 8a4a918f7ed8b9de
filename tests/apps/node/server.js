// A small web application with a node-pg pool. It keeps, in memory, every change of the pool's own numbers, as the
// truth that poolwatch's view from outside is compared with.
//
// GET /query?ms=30   one autocommit `select pg_sleep` of that time through the pool
// GET /pool          {"used","idle","total","waiting","at_ns"} by the library's own count
// GET /truth         [[at_ns, used, total], …] since the start
'use strict'

const http = require('node:http')
const { Pool } = require('pg')

// CLOCK_MONOTONIC in nanoseconds: the clock that the kernel's probes read too.
const now = () => Number(process.hrtime.bigint())

const pool = new Pool({
  max: Number(process.env.POOL ?? 10),
  idleTimeoutMillis: Number(process.env.IDLE_MS ?? 0),
  ssl: false,
})

const truth = []
const connected = new Set()
let scheduled = false

function count() {
  const opening = pool.totalCount - connected.size
  return {
    used: pool.totalCount - pool.idleCount - opening,
    idle: pool.idleCount,
    total: pool.totalCount,
    waiting: pool.waitingCount,
  }
}

function note() {
  scheduled = false
  const { used, total } = count()
  const last = truth.at(-1)
  if (!last || last[1] !== used || last[2] !== total) truth.push([now(), used, total])
}

// The pool tells of a release before it has put the client back, and may hand it to the next
// borrower in the same step: its numbers are read when that step is over.
function soon() {
  if (scheduled) return
  scheduled = true
  queueMicrotask(note)
}

pool.on('connect', (client) => {
  connected.add(client)
  client.once('end', () => { connected.delete(client); soon() })
  soon()
})
pool.on('acquire', soon)
pool.on('release', soon)
pool.on('remove', (client) => { connected.delete(client); soon() })
pool.on('error', (error) => { console.error(`idle connection: ${error.message}`); soon() })

async function query(url) {
  const seconds = Number(url.searchParams.get('ms') ?? 0) / 1000
  const answer = pool.query('select pg_sleep($1::float8)', [seconds])
  soon()
  const began = now()
  await answer
  return { took_ns: now() - began }
}

async function answer(url) {
  switch (url.pathname) {
    case '/query': return query(url)
    case '/pool': return { ...count(), at_ns: now() }
    case '/truth': return truth
    default: return undefined
  }
}

const server = http.createServer(async (request, response) => {
  const send = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  }
  try {
    const body = await answer(new URL(request.url, 'http://localhost'))
    if (body === undefined) send(404, { error: 'no such page' })
    else send(200, body)
  } catch (error) {
    send(500, { error: error.message })
  }
})
// The load's connections outlive its pauses.
server.keepAliveTimeout = 60_000

note()
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(`listening ${server.address().port}`))

process.on('SIGTERM', async () => {
  server.close()
  server.closeAllConnections()
  await pool.end()
})
