// The rig of node-pg: see rig.js for what comes in and what goes out.
//
// SECOND_POOL=N opens a second pool to the database SECOND_DATABASE, for `/second`; `/two` holds two connections.
'use strict'

const { Pool } = require('pg')
const { Truth, now, pause, serve } = require('./rig')

const SLEEP = 'select pg_sleep($1::float8)'
const sleep = (client, ms) => client.query(SLEEP, [ms / 1000])

function open(max, more) {
  const pool = new Pool({
    max,
    connectionTimeoutMillis: Number(process.env.ACQUIRE_TIMEOUT_MS ?? 0),
    idleTimeoutMillis: 0,
    ssl: process.env.PGSSLMODE === 'no-verify' && { rejectUnauthorized: false },
    ...more,
  })
  pool.on('error', (error) => console.error(`idle connection: ${error.message}`))
  return pool
}

const pool = open(Number(process.env.POOL ?? 10))
const second = process.env.SECOND_POOL
  ? open(Number(process.env.SECOND_POOL), { database: process.env.SECOND_DATABASE })
  : pool

const truth = new Truth(() => ({
  used: pool.totalCount - pool.idleCount,
  idle: pool.idleCount,
  waiting: pool.waitingCount,
  total: pool.totalCount,
}))

async function borrow(from, route, work) {
  const asked = now()
  let client
  try {
    client = await from.connect()
  } catch (error) {
    const end = error.message.startsWith('timeout exceeded') ? 'timeout' : 'error'
    truth.borrower(asked, now(), 0, route, end)
    throw error
  }
  const got = now()
  try {
    await work(client)
  } finally {
    client.release()
    truth.borrower(asked, got, now(), route, 'ok')
  }
}

const plain = (from) => (ms, _, route) => borrow(from, route, (client) => sleep(client, ms))

async function halves(client, ms, gap) {
  await sleep(client, ms / 2)
  await pause(gap)
  await sleep(client, ms / 2)
}

async function transaction(client, ms, gap) {
  await client.query('begin')
  await halves(client, ms, gap)
  await client.query('commit')
}

serve({
  plain: plain(pool),
  second: plain(second),
  tx: (ms, gap, route) => borrow(pool, route, (client) => transaction(client, ms, gap)),
  held: (ms, gap, route) => borrow(pool, route, (client) => halves(client, ms, gap)),
  two: (ms, _, route) => borrow(pool, route, async (client) => {
    await sleep(client, ms / 2)
    await borrow(pool, `${route}-second`, (other) => sleep(other, ms / 2))
  }),
}, truth)
