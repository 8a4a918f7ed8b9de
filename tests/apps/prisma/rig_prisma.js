// The rig of Prisma 7 over node-pg: see ../node/rig.js for what comes in and what goes out.
//
// Prisma borrows where it sees fit: what it asks of the pool is noted at the pool itself. It holds a connection only
// in a transaction, so `/held` is one, too.
'use strict'

const { Pool } = require('pg')
const { PrismaPg } = require('@prisma/adapter-pg')
const { PrismaClient } = require('./client')
const { Truth, now, pause, serve } = require('../node/rig')

const PATIENCE = Number(process.env.ACQUIRE_TIMEOUT_MS ?? 30_000)

const pool = new Pool({
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  user: process.env.PGUSER,
  database: process.env.PGDATABASE,
  max: Number(process.env.POOL ?? 10),
  connectionTimeoutMillis: PATIENCE,
  idleTimeoutMillis: 0,
  ssl: process.env.PGSSLMODE === 'no-verify' && { rejectUnauthorized: false },
})

const truth = new Truth(() => ({
  used: pool.totalCount - pool.idleCount,
  idle: pool.idleCount,
  waiting: pool.waitingCount,
  total: pool.totalCount,
}))

const connect = pool.connect.bind(pool)

function lent(asked, client) {
  const got = now()
  const release = client.release
  client.release = (...given) => {
    release.apply(client, given)
    truth.borrower(asked, got, now(), 'pool', 'ok')
  }
  return client
}

function refused(asked, error) {
  const end = error.message.startsWith('timeout exceeded') ? 'timeout' : 'error'
  truth.borrower(asked, now(), 0, 'pool', end)
}

pool.connect = (callback) => {
  const asked = now()
  if (!callback) {
    return connect().then(
      (client) => lent(asked, client),
      (error) => { refused(asked, error); throw error },
    )
  }
  return connect((error, client) => {
    if (error) {
      refused(asked, error)
      callback(error)
      return
    }
    lent(asked, client)
    callback(undefined, client, client.release)
  })
}

const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
// A result of type void is none that Prisma reads.
const sleep = (on, ms) => on.$queryRaw`select pg_sleep(${ms / 1000}::float8)::text`

const halves = (ms, gap) => prisma.$transaction(async (on) => {
  await sleep(on, ms / 2)
  await pause(gap)
  await sleep(on, ms / 2)
}, { maxWait: PATIENCE, timeout: 2 * PATIENCE })

serve({ plain: (ms) => sleep(prisma, ms), tx: halves, held: halves }, truth)
